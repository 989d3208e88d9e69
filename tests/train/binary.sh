#!/bin/bash
# A real binary learns, is killed and goes on to the same bits, with one thread as with two, and
# writes what others read strictly.    binary.sh DLC OUT
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dlc=$1 out=$2
rm -rf "$out"
mkdir -p "$out"
cd "$out"
cp "$here/small.dl" .
"$dlc" build small.dl -q -o small

# 300 pictures; class k has a bright row 2 k.
python3 - <<'PYTHON'
import struct, random
random.seed(1)
count = 300
labels = [random.randrange(3) for _ in range(count)]
with open('images.idx', 'wb') as file:
    file.write(struct.pack('>HBBIII', 0, 8, 3, count, 6, 6))
    for label in labels:
        file.write(bytes(random.randrange(120) + (110 if row == 2 * label else 0)
                         for row in range(6) for _ in range(6)))
with open('labels.idx', 'wb') as file:
    file.write(struct.pack('>HBBI', 0, 8, 1, count) + bytes(labels))
PYTHON

data="image=images.idx label=labels.idx"
options="--lr 0.003 --batch 16 --seed 5 --validate 60 --norm image=0.3,0.25 -q"
fail() {
  echo "binary: $*" >&2
  exit 1
}

./small train $data $options --epochs 40 --threads 2 --save whole.safetensors --log whole.log
./small train $data $options --epochs 40 --threads 1 --save one.safetensors
cmp whole.safetensors one.safetensors || fail "1 and 2 threads differ"
cmp whole.checkpoint.safetensors one.checkpoint.safetensors >/dev/null &&
  fail "checkpoints do not hold their arguments" || true

# Killed at any moment, several times; the last run ends.
rm -f part.*
./small train $data $options --epochs 40 --save part.safetensors &
for wait in 0.15 0.1 0.2 0.05; do
  while [ ! -e part.checkpoint.safetensors ]; do sleep 0.01; done
  sleep $wait
  kill -9 $! 2>/dev/null || break
  wait $! 2>/dev/null || true
  ./small train --resume part.checkpoint.safetensors --threads 1 &
done
wait $!
cmp whole.safetensors part.safetensors || fail "after kill -9 the bits differ"

# Ended by timeout, which sends its signal twice: it stops in order, with a checkpoint.
for wait in 0.11 0.12 0.13 0.14 0.15; do
  rm -f part.*
  ./small train $data $options --epochs 1000000 --save part.safetensors -q &
  while [ ! -e part.checkpoint.safetensors ]; do sleep 0.01; done
  sleep $wait
  rm part.checkpoint.safetensors
  kill -TERM $!
  kill -TERM $!
  status=0
  wait $! || status=$?
  [ $status = 130 ] && [ -e part.checkpoint.safetensors ] || fail "after TERM twice: exit code $status, $(ls part.*)"
done

accuracy=$(./small predict image=images.idx --expect labels.idx --weights whole.safetensors --json -q |
  sed -E 's/.*"accuracy":([0-9.]+).*/\1/')
awk -v a="$accuracy" 'BEGIN { exit !(a >= 0.95) }' || fail "the accuracy is $accuracy"

# What was quiet once is not so when it goes on without -q.
./small train --resume one.checkpoint.safetensors --epochs 41 2>said.txt
grep -q '^resume ' said.txt || fail "--resume took the -q of the first training"
./small train --resume one.checkpoint.safetensors --epochs 41 -q 2>said.txt
[ ! -s said.txt ] || fail "-q of --resume: $(cat said.txt)"

# Names and shapes that a strict reader wants, and every line of the log is JSON.
python3 - <<'PYTHON'
import json, struct
def tensors(path):
    with open(path, 'rb') as file:
        head = json.loads(file.read(struct.unpack('<Q', file.read(8))[0]))
    meta = head.pop('__metadata__')
    return {name: tuple(entry['shape']) for name, entry in head.items()}, meta
network = {'conv2d_0.weight': (4, 1, 3, 3), 'conv2d_0.bias': (4,), 'batchnorm2d_0.weight': (4,),
           'batchnorm2d_0.bias': (4,), 'batchnorm2d_0.running_mean': (4,),
           'batchnorm2d_0.running_var': (4,), 'linear_0.weight': (3, 64), 'linear_0.bias': (3,)}
found, meta = tensors('whole.safetensors')
found = {n: s for n, s in found.items() if not n.endswith('num_batches_tracked')}
assert found == network, found
assert meta['dlc.inputs'] == 'image=u8 /255 mean 0.3 std 0.25', meta
found, meta = tensors('whole.checkpoint.safetensors')
assert found['fit.adam_0.linear_0.weight.m'] == (3, 64) and found['best.linear_0.weight'] == (3, 64)
assert int(meta['dlc.step']) == 600 and meta['dlc.position'] == '0', meta
events = [json.loads(line) for line in open('whole.log')]
assert [e['event'] for e in events[:1]] == ['start'] and events[-1]['reason'] == 'done'
epochs = [e for e in events if e['event'] == 'epoch']
assert len(epochs) == 40 and epochs[-1]['validation']['loss'] < epochs[0]['validation']['loss'] / 2
PYTHON

# A loss that is no number names where it came from.
if ./small train $data --lr 1e38 --batch 16 --epochs 3 --save nan.safetensors -q 2>nan.txt; then
  fail "a loss that is no number was taken"
fi
grep -qE 'the loss is (nan|infinite) at step [0-9]+; first: .*small.dl:[0-9]+:[0-9]+' nan.txt ||
  fail "$(cat nan.txt)"
echo "binary: ok"
