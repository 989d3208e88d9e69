"""tests/examples.txt as Python values."""
import pathlib

TABLE = pathlib.Path(__file__).parent.parent / "examples.txt"


class Case:
    def __init__(self, line):
        self.name, self.example, self.entry, self.kind, count, *words = line.split()
        self.parameters = None if count == "-" else int(count)
        self.defines, self.dims, self.scales, self.given = {}, {}, [], {}
        words = iter(words)
        for word in words:
            if word in ("-D", "--dim"):
                key, value = next(words).split("=")
                (self.defines if word == "-D" else self.dims)[key] = int(value)
                continue
            key, value = word.split("=")
            if key in ("gain", "unit"):
                self.scales.append(word)
            elif ".." in value:
                self.given[key] = tuple(int(x) for x in value.split(".."))
            else:
                self.given[key] = float(value) if "." in value else int(value)


def read():
    lines = (line.strip() for line in open(TABLE))
    return [Case(line) for line in lines if line and not line.startswith("#")]
