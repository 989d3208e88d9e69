"""Time one training step in PyTorch: NET THREADS eager|compile SECONDS. One line of JSON.

The step is what a user writes: gradients to zero, forward, backward, Adam; the same batch each time.
Memory is what the process holds at its largest, above what it held once torch was imported, in bytes.
Run by train.py with the Python that has torch.
"""
import json
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10))


def mlp():
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


class Block(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.downsample = None
        if stride > 1 or inputs != width:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (self.downsample(x) if self.downsample else x))


def resnet18():
    """For 32x32 images: the first convolution is 3x3 with stride 1, and nothing is pooled after it."""
    layers, inputs = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()], 64
    for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(inputs, width, stride), Block(width, width, 1)]
        inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


# net: how it is made, the image's shape, the batch, the number of its parameters
NETS = {"lenet": (lenet, (1, 28, 28), 64, 61706), "mlp": (mlp, (784,), 128, 669706),
        "resnet18": (resnet18, (3, 32, 32), 32, 11173962)}


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


def main():
    name, threads, mode, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    make, shape, batch, count = NETS[name]
    idle = resident()
    net = make().train()
    assert sum(p.numel() for p in net.parameters()) == count
    image, label = torch.rand(batch, *shape) * 2 - 1, torch.randint(0, 10, (batch,))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def loss_of(image, label):
        return F.cross_entropy(net(image), label)
    if mode == "compile":
        loss_of = torch.compile(loss_of)

    def step():
        optimizer.zero_grad()
        loss = loss_of(image, label)
        loss.backward()
        optimizer.step()
        return loss
    for _ in range(3):
        step()
    times, end = [], time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        loss = step().item()
        times.append(time.perf_counter() - start)
    times.sort()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"ms": times[len(times) // 2] * 1e3, "least_ms": times[0] * 1e3, "calls": len(times), "loss": loss,
                      "memory": peak - idle, "version": torch.__version__}))


if __name__ == "__main__":
    main()
