"""tests/examples.txt as Python values."""
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
TABLE = HERE.parent / "examples.txt"


def page_of(example):
    """Its .dl file: an example's, a page of layers, or a program of the decade."""
    root, name = HERE.parent.parent, example + ".dl"
    pages = (root / "examples" / example / name, HERE / "pages" / name, root / "tests" / "programs" / name)
    return next(page for page in pages if page.exists())


class Case:
    def __init__(self, line):
        self.name, self.example, self.entry, self.kind, count, *words = line.split()
        self.parameters = None if count == "-" else int(count)
        self.defines, self.dims, self.scales, self.given, self.calls = {}, {}, [], {}, 1
        words = iter(words)
        for word in words:
            if word in ("-D", "--dim"):
                key, value = next(words).split("=")
                (self.defines if word == "-D" else self.dims)[key] = self.number(value)
                continue
            key, value = word.split("=")
            if key == "calls":
                self.calls = int(value)
            elif key in ("gain", "unit"):
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
