"""tests/examples.txt as Python values."""
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
TABLE = HERE.parent / "examples.txt"


def page_of(example):
    """Its .dl file: an example's, or a page of layers."""
    page = HERE.parent.parent / "examples" / example / (example + ".dl")
    return page if page.exists() else HERE / "pages" / (example + ".dl")


class Case:
    def __init__(self, line):
        self.name, self.example, self.entry, self.kind, count, *words = line.split()
        self.parameters = None if count == "-" else int(count)
        self.defines, self.dims, self.scales, self.given = {}, {}, [], {}
        words = iter(words)
        for word in words:
            if word in ("-D", "--dim"):
                key, value = next(words).split("=")
                (self.defines if word == "-D" else self.dims)[key] = self.number(value)
                continue
            key, value = word.split("=")
            if key in ("gain", "unit"):
                self.scales.append(word)
            elif ".." in value:
                self.given[key] = tuple(int(x) for x in value.split(".."))
            else:
                self.given[key] = float(value) if "." in value else int(value)

    @staticmethod
    def number(text):
        """A whole number, a float, or the text itself."""
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                pass
        return text


def read():
    lines = (line.strip() for line in open(TABLE))
    return [Case(line) for line in lines if line and not line.startswith("#")]
