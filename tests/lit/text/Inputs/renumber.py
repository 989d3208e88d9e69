"""FOLDER/vocab.json and FOLDER/merges.txt with the tokens of a merges' file, the last number first.

    renumber.py MERGES FOLDER
"""
import json
import pathlib
import sys

head, *merges = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").strip("\n").split("\n")
printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
names = [chr(byte) for byte in printed] + [chr(256 + i) for i in range(256 - len(printed))]
names += [merge.replace(" ", "") for merge in merges] + head.split(" special ")[1].split()
assert len(set(names)) == len(names)
folder = pathlib.Path(sys.argv[2])
folder.mkdir(exist_ok=True)
(folder / "vocab.json").write_text(json.dumps({name: len(names) - 1 - i for i, name in enumerate(names)}), encoding="utf-8")
(folder / "merges.txt").write_text("\n".join([head, *merges, ""]), encoding="utf-8")
