"""Writes runtime/unicode_classes.def from the Unicode Character Database (Debian's unicode-data):

    python3 tests/tools/unicode_classes.py /usr/share/unicode > runtime/unicode_classes.def

A row is where a class begins, which holds up to the next row: 4 * code point + class, with 0 for
what is none of the others, 1 for letters (general category L*), 2 for numbers (N*), 3 for white
space (White_Space).
"""
import sys


def classes(folder):
    found = bytearray(0x110000)
    first = None
    for line in open(f"{folder}/UnicodeData.txt", encoding="ascii"):
        code, name, category = line.split(";")[:3]
        code = int(code, 16)
        begin = code
        if name.endswith(", First>"):
            first = code
            continue
        if name.endswith(", Last>"):
            begin = first
        kind = {"L": 1, "N": 2}.get(category[0], 0)
        for at in range(begin, code + 1):
            found[at] = kind
    for line in open(f"{folder}/PropList.txt", encoding="utf-8"):
        fields = line.split("#")[0].split(";")
        if len(fields) == 2 and fields[1].strip() == "White_Space":
            ends = [int(end, 16) for end in fields[0].strip().split("..")]
            for at in range(ends[0], ends[-1] + 1):
                found[at] = 3
    return found


def main():
    folder = sys.argv[1]
    version = open(f"{folder}/PropList.txt", encoding="utf-8").readline().split("-")[1].split(".txt")[0]
    found = classes(folder)
    rows = [4 * at + found[at] for at in range(0x110000) if at == 0 or found[at] != found[at - 1]]
    print(f"/* Unicode {version}; made by tests/tools/unicode_classes.py. */")
    print("// clang-format off")
    for at in range(0, len(rows), 12):
        print(" ".join(f"{row}," for row in rows[at:at + 12]))
    print("// clang-format on")


main()
