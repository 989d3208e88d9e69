#!/bin/bash
# The lottery ticket from end to end: examples/lottery learns, its smallest weights are pruned, the rest rewound, it
# learns again; each file on the way is compared with what it must be.
# usage: lottery.sh DLC EXAMPLES
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$1" build "$2/lottery/lottery.dl" -o "$folder/lottery" -q
mkdir "$folder/data"
python3 - "$folder/data" <<'PYTHON'
# 600 pictures, then 120; class k is bright in its rows.
import gzip, random, struct, sys
random.seed(1)
for name, count in (("train", 600), ("t10k", 120)):
    labels = [random.randrange(10) for _ in range(count)]
    pixels = bytes(random.randrange(60) + (150 if row // 2 == label else 0)
                   for label in labels for row in range(28) for _ in range(28))
    with gzip.open("%s/%s-images-idx3-ubyte.gz" % (sys.argv[1], name), "wb", 1) as file:
        file.write(struct.pack(">HBBIII", 0, 8, 3, count, 28, 28) + pixels)
    with gzip.open("%s/%s-labels-idx1-ubyte.gz" % (sys.argv[1], name), "wb", 1) as file:
        file.write(struct.pack(">HBBI", 0, 8, 1, count) + bytes(labels))
PYTHON
DATA=$folder/data KEEP=true "$2/lottery/rounds.sh" "$folder/lottery" "$folder/rounds" 2 1 >"$folder/said" || {
  cat "$folder/said"
  exit 1
}
python3 - "$folder/rounds" "$folder/said" <<'PYTHON'
import json, struct, sys
from array import array

def load(name):
    with open("%s/%s.safetensors" % (sys.argv[1], name), "rb") as file:
        head = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    return {k: array("f", data[slice(*v["data_offsets"])]) for k, v in head.items() if k != "__metadata__"}

def check(good, *what):
    if not good:
        sys.exit("lottery: " + " ".join(map(str, what)))

LAYERS = {"fc1": (235200, 0.2), "fc2": (30000, 0.2), "fc3": (1000, 0.1)}
left = {layer: size for layer, (size, _) in LAYERS.items()}
said = [int(line.split()[2]) for line in open(sys.argv[2])]
check(said[0] == 266200 and len(said) == 3, said)
first = load("0.first")
for number in range(2):
    learnt, pruned, rewound, again = (load("%d.%s" % (number, what)) for what in ("learnt", "pruned", "rewound", "again"))
    for layer, (size, rate) in LAYERS.items():
        weight, bias = layer + ".weight", layer + ".bias"
        old, mask = learnt[layer + ".mask"], pruned[layer + ".mask"]
        kept = int(left[layer] * (1 - rate) + 1e-3)
        check(abs(sum(mask) - kept) <= 1, layer, "has", sum(mask), "weights, should have", kept)
        left[layer] = int(sum(mask))
        check(all(m <= o for m, o in zip(mask, old)), layer, "has pruned weights again")
        most = max((abs(w) for w, m, o in zip(learnt[weight], mask, old) if o and not m))
        check(most <= min(abs(w) for w, m in zip(learnt[weight], mask) if m), layer, "lost others than the smallest")
        check(rewound[weight] == array("f", (f * m for f, m in zip(first[weight], mask))), layer, "is not rewound")
        check(rewound[layer + ".first"] == first[weight], layer, "has other first values")
        check(again[layer + ".mask"] == mask and again[weight] != rewound[weight], layer, "has not learnt again")
        check(all(w == 0 for w, m in zip(again[weight], mask) if not m), layer, "moved pruned weights")
    check(said[number + 1] == sum(left.values()), said, left)
PYTHON
