"""Time one training step in PyTorch: NET THREADS eager|compile SECONDS. One line of JSON.

The step is what a user writes: gradients to zero, forward, backward, Adam; the same batch each time.
Weights and batch are those of step.c (tests/reference/formula.py), so the losses of the first steps are
to be the same. Memory is what the process holds at its largest, above what it held once torch was
imported, in bytes. Run by train.py with the Python that has torch.
"""
import json
import pathlib
import resource
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "reference"))
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import formula  # noqa: E402
import language_models  # noqa: E402
import models  # noqa: E402

WARM = 3  # steps whose losses are compared, and whose times are not taken


def resnet18():
    """For 32x32 images: the first convolution is 3x3 with stride 1, and nothing is pooled after it."""
    net = models.make("resnet", {"depth": 18, "classes": 10})
    net.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)

    def run(m, image):
        x = F.relu(m.bn1(m.conv1(image)))
        return m.fc(m.layer4(m.layer3(m.layer2(m.layer1(x)))).mean((2, 3)))
    net.run = run
    return net


def lstm():
    return models.make("char_rnn", {"depth": 1, "hidden": 256, "vocab": 128})


def gpt(drop):
    """As fast as PyTorch's operators let it: its own attention, GELU and linear map."""
    def attend(m, x):
        n, T, D = x.shape
        q, k, v = (y.view(n, T, D // 64, 64).transpose(1, 2) for y in m.c_attn(x).split(D, 2))
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=drop if m.training else 0.0, is_causal=True)
        return F.dropout(m.c_proj(y.transpose(1, 2).reshape(x.shape)), drop, m.training)

    def feed(m, x):
        return F.dropout(m.c_proj(F.gelu(m.c_fc(x), approximate="tanh")), drop, m.training)
    language_models.Conv1D.forward = lambda m, x: F.linear(x, m.weight.t(), m.bias)
    net = models.make("gpt2", {"D": 256, "depth": 4, "vocab": 256, "longest": 128, "drop": drop})
    for block in net.h:
        block.attn.run, block.mlp.run = attend, feed
    return net


# net: how it is made, what its results are called, the shape of the inputs, whether these are words,
# and how many there are, or classes
NETS = {
    "lenet": (lambda: models.make("lenet", {}), None, (64, 1, 28, 28), False, 10),
    "mlp": (lambda: models.make("mlp", {}), None, (128, 784), False, 10),
    "resnet18": (resnet18, None, (32, 3, 32, 32), False, 10),
    "lstm": (lstm, "logits", (16, 64), True, 128),
    "gpt": (lambda: gpt(0.0), "logits", (8, 128), True, 256),
    "gpt-dropout": (lambda: gpt(0.1), "logits", (8, 128), True, 256),
}


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


def fill(net):
    with torch.no_grad():
        for name, t in net.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                t.copy_(torch.from_numpy(formula.parameter(name, tuple(t.shape))))


def main():
    name, threads, mode, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
    torch.set_num_threads(threads)
    make, result, shape, words, classes = NETS[name]
    idle = resident()
    net = make().train()
    fill(net)
    given = formula.input_value("given", "i64" if words else "f32", shape, (0, classes))
    wanted = formula.input_value("wanted", "i64", shape if words else shape[:1], (0, classes))
    given, wanted = torch.from_numpy(given), torch.from_numpy(wanted).flatten()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def loss_of(given, wanted):
        out = net(given)
        return F.cross_entropy((out[result] if result else out).flatten(0, -2), wanted)
    if mode == "compile":
        loss_of = torch.compile(loss_of)

    def step():
        optimizer.zero_grad()
        loss = loss_of(given, wanted)
        loss.backward()
        optimizer.step()
        return loss
    losses, times = [step().item() for _ in range(WARM)], []
    end = time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        step().item()
        times.append(time.perf_counter() - start)
    times.sort()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"ms": times[len(times) // 2] * 1e3, "least_ms": times[0] * 1e3, "calls": len(times), "losses": losses,
                      "memory": peak - idle, "version": torch.__version__}))


if __name__ == "__main__":
    main()
