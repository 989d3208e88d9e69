#!/bin/bash
# Programs for AVX-512 and AVX512-BF16 on the emulated CPU: one infers in bf16, one learns.
# usage: programs.sh DLC EMULATE FOLDER EXAMPLES TRAIN OUT
set -euo pipefail
dlc=$1 examples=$4 train=$5 out=$6
emulated=("$2" "$3")
fail() {
  echo "programs: $*" >&2
  exit 1
}
rm -rf "$out"
mkdir -p "$out"
cd "$out"
python3 - <<'EOF'
import struct
def idx(name, shape, numbers):
    with open(name, "wb") as file:
        file.write(struct.pack(">HBB%dI" % len(shape), 0, 8, len(shape), *shape) + bytes(numbers))
idx("pictures.idx", (7, 28, 28), [(i * i + i // 28) % 251 for i in range(7 * 784)])
idx("small.idx", (30, 6, 6), [i * 37 % 251 for i in range(30 * 36)])
idx("labels.idx", (30,), [i % 3 for i in range(30)])
EOF
# differs A B MOST: the largest difference of two results is more than that part of the largest number
differs() {
  python3 - "$@" <<'EOF'
import struct, sys
def numbers(path):
    data = open(path, "rb").read()
    head = 10 + struct.unpack_from("<H", data, 8)[0]
    return struct.unpack("<%df" % ((len(data) - head) // 4), data[head:])
a, b = numbers(sys.argv[1]), numbers(sys.argv[2])
off = max(abs(x - y) for x, y in zip(a, b, strict=True)) / max(map(abs, a))
print("largest difference %.2g" % off)
sys.exit(off <= float(sys.argv[3]))
EOF
}

# One row alone, and more than a tile of them: what weights and maps rounded to 8 bits allow, not more.
lenet=("$examples/lenet/lenet.dl" --entry lenet --weights "$examples/lenet/lenet.safetensors" -q)
"$dlc" build "${lenet[@]}" -O0 --cpu x86-64-v2 -o plain
"$dlc" build "${lenet[@]}" --cpu znver4 --compute-type bf16 -o pairs
"${emulated[@]}" ./pairs info >info
grep -q "^program .*, znver4;" info || fail "info"
for batch in 1 7; do
  ./plain predict image=pictures.idx --batch $batch -o plain.npy >/dev/null
  "${emulated[@]}" ./pairs predict image=pictures.idx --batch $batch -o pairs.npy >/dev/null
  differs plain.npy pairs.npy 0.01 && fail "bf16 at batch $batch"
  differs plain.npy pairs.npy 1e-5 >/dev/null || fail "nothing was rounded to bf16"
done

# Losses as those of this machine's own code. No bias in front of the normalisation: its slope is 0 but for
# rounding, of which Adam makes steps.
sed 's/kernel=3)/kernel=3, use_bias=false)/' "$train/small.dl" >small.dl
losses() {
  grep '"epoch"' "$1" | sed 's/,"seconds".*//' | tr -c '0-9.e\n-' ' '
}
given=(image=small.idx label=labels.idx --lr 0.01 --batch 8 --epochs 2 --validate 6 --threads 1 --seed 1 -q)
for cpu in v2 v4; do
  "$dlc" build small.dl --cpu x86-64-$cpu -q -o learner_$cpu
done
./learner_v2 train "${given[@]}" --save v2.safetensors --log v2.log
"${emulated[@]}" ./learner_v4 train "${given[@]}" --save v4.safetensors --log v4.log
paste <(losses v2.log) <(losses v4.log) | awk '
  { for (i = 1; i <= NF / 2; i++) { d = $i - $(i + NF / 2); if (d < 0) d = -d; if (d > 1e-5) { print "losses: " $0; bad = 1 } } }
  END { exit bad || NR != 2 }' || fail "what is learnt"
