#!/usr/bin/env python3
"""docs/networks.md: which networks there are, and what of each is held to PyTorch. Made from the pages, tests/examples.txt
and tests/reference/curves.py.

    tests/tools/networks.py            writes it
    tests/tools/networks.py --check    fails if it is not what would be written, or a page is tested by nothing
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "reference"))
sys.dont_write_bytecode = True
import cases  # noqa: E402
import curves  # noqa: E402

PAGE = ROOT / "docs" / "networks.md"
# Pages that are held to something else than recorded values.
OTHERWISE = {
    "q_learning": "its table equals the same in C (`examples/q_learning`)",
    "optimizers": "its optimizers, in the standard library too, in the curves of `lenet`, `mlp`, `highway`, `resnet20`",
}
HEAD = """# Networks

What there is of the decade's networks, and what of each is compared with PyTorch: this page is made from the
pages themselves, [tests/examples.txt](../tests/examples.txt) and [tests/reference/curves.py](../tests/reference/curves.py)
(`tests/tools/networks.py`), and a test compares it with them.

- **Outputs**: entries whose results equal PyTorch's, to 1e-4 of the largest at most (usually 3e-7), with the number of
  forms that are compared, reduced ones and those with the published number of parameters.
- **Learning**: runs of 50 steps whose losses differ from those in double by three times what PyTorch's float32 does
  at most, with their optimizers.

Pages under `tests/programs` are whole programs too, trained and called by `dlc build` as any other; those under
`examples` have a page of what to do with them.

| page | | outputs | learning |
| --- | --- | --- | --- |
"""


def title(page):
    """The head comment up to the paper's year, else its first sentence."""
    words = []
    for line in page.read_text().splitlines():
        if not line.startswith("#"):
            break
        words.append(line.lstrip("# "))
    text = " ".join(words)
    found = re.match(r".*?\([^()]*\b(?:19|20)\d\d\b[^()]*\)", text)
    sentence = re.match(r".*?[.:](?= |$)", text)
    text = re.sub(r"^\w+\.dl\W+", "", text)
    return (found.group() if found and len(found.group()) < 200 else sentence.group() if sentence else text).rstrip(".:").replace("|", "\\|")


def pages():
    found = {p.stem: p for folder in (ROOT / "examples").iterdir() for p in folder.glob(folder.name + ".dl")}
    for page in (ROOT / "tests" / "programs").glob("*.dl"):
        found.setdefault(page.stem, page)
    return sorted(found.items())


def text():
    forms, runs, lines = {}, {}, []
    for case in cases.read():
        if case.kind != "timed":
            entries = forms.setdefault(case.example, {})
            entries[case.entry] = entries.get(case.entry, 0) + 1
    for net in curves.NETS.values():
        runs.setdefault(net.page, []).append("`%s` (%s)" % (net.name, ", ".join(net.rates)))
    missing = []
    for name, page in pages():
        outputs = ", ".join("`%s`" % entry + (" %d" % count if count > 1 else "") for entry, count in forms.get(name, {}).items())
        learning = ", ".join(runs.get(name, ()))
        if not outputs and not learning and name not in OTHERWISE:
            missing.append(name)
        lines.append("| [%s](../%s) | %s | %s | %s |\n" % (
            name, page.relative_to(ROOT), title(page), outputs or OTHERWISE.get(name, "-"), learning or "-"))
    layers = sorted({net.page for net in curves.NETS.values()} - {name for name, _ in pages()})
    lines.append("\nThe standard library's layers are held to PyTorch by pages of their own (tests/reference/pages):\n\n")
    lines += ["- %s: outputs of %s; learning %s\n" % (
        page, ", ".join("`%s`" % entry for entry in forms.get(page, {})) or "none", ", ".join(runs[page])) for page in layers]
    return HEAD + "".join(lines), missing


def main():
    made, missing = text()
    if missing:
        sys.exit("networks.py: compared with nothing: " + ", ".join(missing))
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(made)
    elif not PAGE.exists() or PAGE.read_text() != made:
        sys.exit("networks.py: docs/networks.md is not what the pages and tests say; run tests/tools/networks.py")


main()
