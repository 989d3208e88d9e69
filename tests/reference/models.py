"""PyTorch models of the examples, with the parameter names of the .dl files.

`make(example, defines)` gives a module in its inference form. Its method of the entry's name (or
`forward`) takes the entry's inputs by name and gives the outputs by name (`out` if it has none).
Consts of the .dl file are keyword arguments here.
"""
import math
from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

MODELS = {}
LEARNERS = {}  # by a network's name in curves.py, a function of the module, images and labels
OWN = {}  # by the same name, of a module and a rate: a function of images and labels that learns and gives the loss


def model(build):
    MODELS[build.__name__] = build
    return build


def learner(run):
    LEARNERS[run.__name__] = run
    return run


def make(example, defines):
    return MODELS[example](**defines).eval()


class Function(nn.Module):
    """A function as an element of a list: it has a place and no parameters."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Net(nn.Module):
    """Submodules by name, the forward pass as a function of the module and its inputs."""

    def __init__(self, run, **children):
        super().__init__()
        for name, child in children.items():
            self.add_module(name, child)
        self.run = run

    def forward(self, *inputs, **named):
        return self.run(self, *inputs, **named)


def relu():
    return nn.ReLU()


def attend(q, k, v, mask):
    """By PyTorch's own kernel in single precision, where there is one: benchmarks are not to time another way."""
    if q.dtype == torch.float32 and hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    score = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).masked_fill(~mask, -math.inf)
    return score.softmax(-1) @ v


# ---- small ones ----
@model
def mlp(hidden=512):
    def run(m, image):
        return m.fc3(F.relu(m.fc2(F.relu(m.fc1(image)))))
    return Net(run, fc1=nn.Linear(784, hidden), fc2=nn.Linear(hidden, hidden), fc3=nn.Linear(hidden, 10))


def squash(x):
    return 1.7159 * torch.tanh(2.0 / 3 * x)


class Maps(nn.Module):
    def __init__(self, inputs, out, size):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out, inputs, 5, 5))
        self.bias = nn.Parameter(torch.zeros(out, size // 2, size // 2))

    def forward(self, x):
        return F.conv2d(F.pad(x, (2, 2, 2, 2), value=-1.0), self.weight, stride=2) + self.bias


@model
def lecun1989():
    def run(m, image):
        x = squash(m.h1(image))
        parts = [x[:, 0:8], x[:, 4:12], torch.cat([x[:, 0:4], x[:, 8:12]], 1)]
        x = squash(torch.cat([maps(part) for maps, part in zip(m.h2, parts)], 1)).flatten(1)
        return squash(m.output(squash(m.h3(x))))
    return Net(run, h1=Maps(1, 12, 16), h2=nn.ModuleList(Maps(8, 4, 8) for _ in range(3)),
               h3=nn.Linear(192, 30), output=nn.Linear(30, 10))


@model
def lenet():
    def run(m, image):
        x = F.avg_pool2d(torch.tanh(m.conv2d_0(image)), 2)
        x = F.avg_pool2d(torch.tanh(m.conv2d_1(x)), 2).flatten(1)
        return m.linear_2(torch.tanh(m.linear_1(torch.tanh(m.linear_0(x)))))
    return Net(run, conv2d_0=nn.Conv2d(1, 6, 5, padding=2), conv2d_1=nn.Conv2d(6, 16, 5),
               linear_0=nn.Linear(400, 120), linear_1=nn.Linear(120, 84), linear_2=nn.Linear(84, 10))


class Subsample(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return squash(4 * F.avg_pool2d(x, 2) * self.weight[:, None, None] + self.bias[:, None, None])


@model
def lenet5_1998():
    table = [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [0, 4, 5], [0, 1, 5], [0, 1, 2, 3], [1, 2, 3, 4],
             [2, 3, 4, 5], [0, 3, 4, 5], [0, 1, 4, 5], [0, 1, 2, 5], [0, 1, 3, 4], [1, 2, 4, 5], [0, 2, 3, 5],
             [0, 1, 2, 3, 4, 5]]

    def run(m, image):
        x = m.s2(squash(m.c1(image)))
        x = torch.cat([conv(x[:, maps]) for conv, maps in zip(m.c3, table)], 1)
        x = squash(m.c5(m.s4(squash(x)))).flatten(1)
        return ((squash(m.f6(x))[:, None] - m.codes) ** 2).sum(-1)
    net = Net(run, c1=nn.Conv2d(1, 6, 5), s2=Subsample(6),
              c3=nn.ModuleList(nn.Conv2d(len(maps), 1, 5) for maps in table), s4=Subsample(16),
              c5=nn.Conv2d(16, 120, 5), f6=nn.Linear(120, 84))
    net.register_buffer("codes", torch.zeros(10, 84))
    return net


@model
def highway(depth=50, width=50):
    def layer(m, x):
        t = torch.sigmoid(m.gate(x))
        return t * F.relu(m.plain(x)) + (1 - t) * x

    def run(m, image):
        return m.leave(m.layers(F.relu(m.enter(image))))
    return Net(run, enter=nn.Linear(784, width), leave=nn.Linear(width, 10), layers=nn.Sequential(*(
        Net(layer, plain=nn.Linear(width, width), gate=nn.Linear(width, width)) for _ in range(depth))))


@model
def neural_ode():
    """By Runge-Kutta's fourth order in 20 steps; and by Dormand, Prince, whose steps follow from an
    error: all numbers as in the page, but for what float32 rounds."""
    a = [[], [1 / 5], [3 / 40, 9 / 40], [44 / 45, -56 / 15, 32 / 9],
         [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
         [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
         [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84]]
    e = [71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40]

    def weighted(weights, slopes):
        return sum((w * k for w, k in zip(weights, slopes)), torch.zeros(()))

    def solve(m, y0):
        y, h = y0, 1 / 20
        for _ in range(20):
            k1 = m.net(y ** 3)
            k2 = m.net((y + h / 2 * k1) ** 3)
            k3 = m.net((y + h / 2 * k2) ** 3)
            k4 = m.net((y + h * k3) ** 3)
            y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return y

    def predict(m, y0, tol=1e-5):
        y, t, h = y0, 0.0, 0.01
        while t < 1:
            h = min(h, 1 - t)
            slopes = []
            for row in a:
                slopes.append(m.net((y + h * weighted(row, slopes)) ** 3))
            after = y + h * weighted(a[6], slopes[:6])
            bound = tol + tol * torch.maximum(y.abs(), after.abs())
            error = (h * weighted(e, slopes) / bound).square().mean().sqrt().item()
            if error <= 1:
                t, y = t + h, after
            h *= min(max(0.9 * error ** -0.2, 0.2), 5)
        return y

    net = Net(predict, net=nn.Sequential(nn.Linear(2, 50), nn.Tanh(), nn.Linear(50, 2)))
    net.entries = {"solve": lambda y0: solve(net, y0)}
    return net


@model
def dqn(actions=6, size=84):
    side = (((size - 8) // 4 + 1 - 4) // 2 + 1) - 2

    def q(m, frames):
        x = F.relu(m.conv3(F.relu(m.conv2(F.relu(m.conv1(frames / 255)))))).flatten(1)
        return m.fc2(F.relu(m.fc1(x)))

    def run(m, frames):
        value = m.online(frames)
        return {"q": value, "best": value.argmax(1)}
    return Net(run, online=Net(
        q, conv1=nn.Conv2d(4, 32, 8, 4), conv2=nn.Conv2d(32, 64, 4, 2), conv3=nn.Conv2d(64, 64, 3),
        fc1=nn.Linear(64 * side * side, 512), fc2=nn.Linear(512, actions)))


# ---- image classifiers ----
@model
def alexnet(classes=1000, size=224, thin=1):
    def conv(inputs, out, *rest):
        return nn.Conv2d(inputs if inputs == 3 else inputs // thin, out // thin, *rest)

    def run(m, image):
        return m.classifier(F.adaptive_avg_pool2d(m.features(image), 6).flatten(1))
    hidden = 4096 // thin
    return Net(
        run,
        features=nn.Sequential(
            conv(3, 64, 11, 4, 2), relu(), nn.MaxPool2d(3, 2), conv(64, 192, 5, 1, 2), relu(), nn.MaxPool2d(3, 2),
            conv(192, 384, 3, 1, 1), relu(), conv(384, 256, 3, 1, 1), relu(), conv(256, 256, 3, 1, 1), relu(),
            nn.MaxPool2d(3, 2)),
        classifier=nn.Sequential(
            nn.Dropout(), nn.Linear(256 // thin * 36, hidden), relu(), nn.Dropout(), nn.Linear(hidden, hidden), relu(),
            nn.Linear(hidden, classes)))


@model
def alexnet_2012(size=227, thin=1):
    side = ((((size - 11) // 4 + 1 - 3) // 2 + 1 - 3) // 2 + 1 - 3) // 2 + 1

    def norm(x):  # PyTorch divides alpha by the size; the paper does not
        return F.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0)

    def run(m, image):
        x = F.max_pool2d(norm(F.relu(m.conv1(image))), 3, 2)
        x = F.max_pool2d(norm(F.relu(m.conv2(x))), 3, 2)
        x = F.relu(m.conv5(F.relu(m.conv4(F.relu(m.conv3(x))))))
        x = F.max_pool2d(x, 3, 2).flatten(1)
        return m.fc8(F.relu(m.fc7(F.relu(m.fc6(x)))))
    a, b, c, hidden = 96 // thin, 256 // thin, 384 // thin, 4096 // thin
    return Net(run, conv1=nn.Conv2d(3, a, 11, 4), conv2=nn.Conv2d(a, b, 5, padding=2, groups=2),
               conv3=nn.Conv2d(b, c, 3, padding=1), conv4=nn.Conv2d(c, c, 3, padding=1, groups=2),
               conv5=nn.Conv2d(c, b, 3, padding=1, groups=2), fc6=nn.Linear(b * side * side, hidden),
               fc7=nn.Linear(hidden, hidden), fc8=nn.Linear(hidden, 1000))


@model
def vgg(depth=16, classes=1000, size=224, width=64):
    convs = {11: [1, 1, 2, 2, 2], 13: [2, 2, 2, 2, 2], 16: [2, 2, 3, 3, 3], 19: [2, 2, 4, 4, 4]}[depth]
    features, inputs = [], 3
    for out, n in zip([width, 2 * width, 4 * width, 8 * width, 8 * width], convs):
        for _ in range(n):
            features += [nn.Conv2d(inputs, out, 3, padding=1), relu()]
            inputs = out
        features.append(nn.MaxPool2d(2))

    def run(m, image):
        return m.classifier(F.adaptive_avg_pool2d(m.features(image), 7).flatten(1))
    return Net(run, features=nn.Sequential(*features), classifier=nn.Sequential(
        nn.Linear(49 * 8 * width, 64 * width), relu(), nn.Dropout(), nn.Linear(64 * width, 64 * width), relu(),
        nn.Dropout(), nn.Linear(64 * width, classes)))


class ConvNorm(nn.Module):
    """Convolution, batch norm, relu under the names `conv` and `bn`; widths divided by `thin`."""

    thin = 1

    def __init__(self, inputs, out, kernel, stride=1, pad=0):
        super().__init__()
        self.out = out // ConvNorm.thin
        self.conv = nn.Conv2d(inputs, self.out, kernel, stride, pad, bias=False)
        self.bn = nn.BatchNorm2d(self.out, eps=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


def chain(inputs, *rows):
    """ConvNorm after ConvNorm; a row is its (out, kernel, stride, pad)."""
    layers = []
    for row in rows:
        layers.append(ConvNorm(inputs, *row))
        inputs = layers[-1].out
    return layers if len(layers) > 1 else layers[0]


class Branches(nn.Module):
    """Concatenates what its children give, in their order, and `ends` (functions) after or before them."""

    def __init__(self, before=(), after=(), **children):
        super().__init__()
        for name, child in children.items():
            self.add_module(name, nn.Sequential(*child) if isinstance(child, list) else child)
        self.before, self.after = before, after

    def forward(self, x):
        return torch.cat([f(x) for f in self.before] + [child(x) for child in self.children()] +
                         [f(x) for f in self.after], 1)


def width(part, inputs):
    """The number of channels that a module gives for `inputs`, found by trying."""
    with torch.no_grad():
        return part.eval()(torch.zeros(1, inputs, 15, 15)).shape[1]


@model
def googlenet(classes=1000, size=224, thin=1):
    ConvNorm.thin = thin
    pool = Function(lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True))

    def inception(c, n1, r3, n3, r5, n5, p):
        return Branches(branch1=chain(c, (n1, 1)), branch2=chain(c, (r3, 1), (n3, 3, 1, 1)),
                        branch3=chain(c, (r5, 1), (n5, 3, 1, 1)),
                        branch4=[nn.MaxPool2d(3, 1, 1, ceil_mode=True), chain(c, (p, 1))])
    children, order, c = {}, [], 192 // thin
    for name, row in (("3a", (64, 96, 128, 16, 32, 32)), ("3b", (128, 128, 192, 32, 96, 64)), ("pool", None),
                      ("4a", (192, 96, 208, 16, 48, 64)), ("4b", (160, 112, 224, 24, 64, 64)),
                      ("4c", (128, 128, 256, 24, 64, 64)), ("4d", (112, 144, 288, 32, 64, 64)),
                      ("4e", (256, 160, 320, 32, 128, 128)), ("pool2", None),
                      ("5a", (256, 160, 320, 32, 128, 128)), ("5b", (384, 192, 384, 48, 128, 128))):
        if row is None:
            order.append(pool if name == "pool" else Function(lambda x: F.max_pool2d(x, 2, 2, ceil_mode=True)))
            continue
        children["inception" + name] = inception(c, *row)
        order.append(children["inception" + name])
        c = (row[0] + row[2] + row[4] + row[5]) // thin

    def run(m, image):
        x = pool(m.conv3(m.conv2(pool(m.conv1(image)))))
        for part in order:
            x = part(x)
        return m.fc(x.mean((2, 3)))
    conv1, conv2, conv3 = chain(3, (64, 7, 2, 3), (64, 1), (192, 3, 1, 1))
    return Net(run, conv1=conv1, conv2=conv2, conv3=conv3, **children, fc=nn.Linear(c, classes))


@model
def resnet(depth=50, classes=1000, size=224, width=64, groups=1, group_width=64):
    blocks = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3], 101: [3, 4, 23, 3], 152: [3, 8, 36, 3]}[depth]
    grow = 1 if depth < 50 else 4

    def conv(inputs, out, kernel, stride=1, groups=1):
        return nn.Conv2d(inputs, out, kernel, stride, kernel // 2, groups=groups, bias=False)

    def run_block(m, x):
        y = F.relu(m.bn1(m.conv1(x)))
        y = m.bn2(m.conv2(y))
        if grow > 1:
            y = m.bn3(m.conv3(F.relu(y)))
        return F.relu(y + (m.downsample(x) if hasattr(m, "downsample") else x))

    def block(inputs, w, stride):
        if grow == 1:
            children = dict(conv1=conv(inputs, w, 3, stride), bn1=nn.BatchNorm2d(w), conv2=conv(w, w, 3), bn2=nn.BatchNorm2d(w))
        else:
            v = w * group_width // 64 * groups
            children = dict(conv1=conv(inputs, v, 1), bn1=nn.BatchNorm2d(v), conv2=conv(v, v, 3, stride, groups), bn2=nn.BatchNorm2d(v),
                            conv3=conv(v, 4 * w, 1), bn3=nn.BatchNorm2d(4 * w))
        if stride > 1 or inputs != grow * w:
            children["downsample"] = nn.Sequential(conv(inputs, grow * w, 1, stride), nn.BatchNorm2d(grow * w))
        return Net(run_block, **children)
    stages, inputs = {}, width
    for s in range(4):
        stage = []
        for i in range(blocks[s]):
            stage.append(block(inputs, width * 2**s, 2 if i == 0 and s > 0 else 1))
            inputs = grow * width * 2**s
        stages["layer%d" % (s + 1)] = nn.Sequential(*stage)

    def run(m, image):
        x = F.max_pool2d(F.relu(m.bn1(m.conv1(image))), 3, 2, 1)
        return m.fc(m.layer4(m.layer3(m.layer2(m.layer1(x)))).mean((2, 3)))
    return Net(run, conv1=conv(3, width, 7, 2), bn1=nn.BatchNorm2d(width), **stages, fc=nn.Linear(inputs, classes))


@model
def densenet(depth=121, classes=1000, size=224, growth=None):
    blocks = {121: [6, 12, 24, 16], 161: [6, 12, 36, 24], 169: [6, 12, 32, 32], 201: [6, 12, 48, 32]}[depth]
    growth = growth or (48 if depth == 161 else 32)

    def dense(inputs):
        return Net(lambda m, x: torch.cat([x, m.conv2(F.relu(m.norm2(m.conv1(F.relu(m.norm1(x))))))], 1),
                   norm1=nn.BatchNorm2d(inputs), conv1=nn.Conv2d(inputs, 4 * growth, 1, bias=False),
                   norm2=nn.BatchNorm2d(4 * growth), conv2=nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False))

    def transition(inputs):
        return Net(lambda m, x: F.avg_pool2d(m.conv(F.relu(m.norm(x))), 2),
                   norm=nn.BatchNorm2d(inputs), conv=nn.Conv2d(inputs, inputs // 2, 1, bias=False))
    c = 2 * growth
    parts = {"conv0": nn.Conv2d(3, c, 7, 2, 3, bias=False), "norm0": nn.BatchNorm2d(c), "relu0": nn.ReLU(),
             "pool0": nn.MaxPool2d(3, 2, 1)}
    for b, count in enumerate(blocks):
        layers = {"denselayer%d" % (i + 1): dense(c + i * growth) for i in range(count)}
        parts["denseblock%d" % (b + 1)] = nn.Sequential(OrderedDict(layers))
        c += count * growth
        if b < 3:
            parts["transition%d" % (b + 1)] = transition(c)
            c //= 2
    parts["norm5"] = nn.BatchNorm2d(c)
    return Net(lambda m, image: m.classifier(F.relu(m.features(image)).mean((2, 3))),
               features=nn.Sequential(OrderedDict(parts)), classifier=nn.Linear(c, classes))


@model
def resnet20(n=3, planes=1, size=28):
    def conv(inputs, out, stride=1):
        return nn.Conv2d(inputs, out, 3, stride, 1, bias=False)

    def block(inputs, width, stride):
        def run(m, x):
            y = m.bn2(m.conv2(F.relu(m.bn1(m.conv1(x)))))
            return F.relu(y + F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, 0, width - inputs)))
        return Net(run, conv1=conv(inputs, width, stride), bn1=nn.BatchNorm2d(width), conv2=conv(width, width), bn2=nn.BatchNorm2d(width))

    def stage(inputs, width):
        return nn.Sequential(*(block(inputs if i == 0 else width, width, 2 if inputs != width and i == 0 else 1) for i in range(n)))

    def run(m, image):
        x = F.relu(m.bn1(m.conv1(image)))
        return m.fc(m.layer3(m.layer2(m.layer1(x))).mean((2, 3)))
    return Net(run, conv1=conv(planes, 16), bn1=nn.BatchNorm2d(16), layer1=stage(16, 16), layer2=stage(16, 32),
               layer3=stage(32, 64), fc=nn.Linear(64, 10))


def row(out, n):
    return out, (1, n), 1, (0, n // 2)


def column(out, n):
    return out, (n, 1), 1, (n // 2, 0)


@model
def inception_v3(classes=1000, size=299, thin=1):
    ConvNorm.thin = thin

    def smooth(x):
        return F.avg_pool2d(x, 3, 1, 1)

    def shrink(x):
        return F.max_pool2d(x, 3, 2)

    def block(c, chains, pool=None, fork=None):
        """A chain's parts are named branch_1, branch_2, ...; one alone has its branch's name. `fork`
        ends a chain in parts of their own names: {branch: ({name: row}, inputs)}."""
        children, ways = {}, []
        for name, rows in chains.items():
            parts = chain(c, *rows) if len(rows) > 1 else [chain(c, *rows)]
            named = {name: parts[0]}
            if len(rows) > 1 or name in (fork or {}):
                named = {"%s_%d" % (name, i + 1): part for i, part in enumerate(parts)}
            children.update(named)
            ends, inputs = (fork or {}).get(name, ({}, 0))
            children.update((end, ConvNorm(inputs // thin, *r)) for end, r in ends.items())
            ways.append((list(named), list(ends)))
        if pool:
            children["branch_pool"] = chain(c, (pool, 1))

        def run(m, x):
            outs = []
            for parts, ends in ways:
                y = x
                for part in parts:
                    y = getattr(m, part)(y)
                outs += [getattr(m, end)(y) for end in ends] if ends else [y]
            return torch.cat(outs + [m.branch_pool(smooth(x)) if pool else shrink(x)], 1)
        return Net(run, **children)

    def a(c, pool):
        return block(c, {"branch1x1": [(64, 1)], "branch5x5": [(48, 1), (64, 5, 1, 2)],
                         "branch3x3dbl": [(64, 1), (96, 3, 1, 1), (96, 3, 1, 1)]}, pool)

    def seven(c, w):
        return block(c, {"branch1x1": [(192, 1)], "branch7x7": [(w, 1), row(w, 7), column(192, 7)],
                         "branch7x7dbl": [(w, 1), column(w, 7), row(w, 7), column(w, 7), row(192, 7)]}, 192)

    def e(c):
        return block(c, {"branch1x1": [(320, 1)], "branch3x3": [(384, 1)], "branch3x3dbl": [(448, 1), (384, 3, 1, 1)]}, 192,
                     {"branch3x3": ({"branch3x3_2a": row(384, 3), "branch3x3_2b": column(384, 3)}, 384),
                      "branch3x3dbl": ({"branch3x3dbl_3a": row(384, 3), "branch3x3dbl_3b": column(384, 3)}, 384)})
    t = thin
    names = ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"]
    stem = dict(zip(names, chain(3, (32, 3, 2), (32, 3), (64, 3, 1, 1), (80, 1), (192, 3))))
    mixed = dict(
        Mixed_5b=a(192 // t, 32), Mixed_5c=a(256 // t, 64), Mixed_5d=a(288 // t, 64),
        Mixed_6a=block(288 // t, {"branch3x3": [(384, 3, 2)], "branch3x3dbl": [(64, 1), (96, 3, 1, 1), (96, 3, 2)]}),
        Mixed_6b=seven(768 // t, 128), Mixed_6c=seven(768 // t, 160), Mixed_6d=seven(768 // t, 160), Mixed_6e=seven(768 // t, 192),
        Mixed_7a=block(768 // t, {"branch3x3": [(192, 1), (320, 3, 2)],
                                  "branch7x7x3": [(192, 1), row(192, 7), column(192, 7), (192, 3, 2)]}),
        Mixed_7b=e(1280 // t), Mixed_7c=e(2048 // t))

    def run(m, image):
        x = image
        for name in names:
            x = getattr(m, name)(x)
            if name in ("Conv2d_2b_3x3", "Conv2d_4a_3x3"):
                x = shrink(x)
        for name in mixed:
            x = getattr(m, name)(x)
        return m.fc(x.mean((2, 3)))
    return Net(run, **stem, **mixed, fc=nn.Linear(2048 // t, classes))


def smooth():
    return nn.AvgPool2d(3, 1, 1, count_include_pad=False)


def shrink(x):
    return F.max_pool2d(x, 3, 2)


@model
def inception_v4(classes=1000, size=299, thin=1):
    ConvNorm.thin = thin
    layers, c = [], 3

    def add(make_layer):
        nonlocal c
        layers.append(make_layer(c))
        c = width(layers[-1], c)

    def inception_c():
        def run(m, x):
            p, q = m.branch1_0(x), m.branch2_2(m.branch2_1(m.branch2_0(x)))
            return torch.cat([m.branch0(x), m.branch1_1a(p), m.branch1_1b(p), m.branch2_3a(q), m.branch2_3b(q), m.branch3(x)], 1)
        b = chain(c, (384, 1), column(448, 3), row(512, 3))
        return Net(run, branch0=chain(c, (256, 1)), branch1_0=chain(c, (384, 1)),
                   branch1_1a=chain(384 // thin, row(256, 3)), branch1_1b=chain(384 // thin, column(256, 3)),
                   branch2_0=b[0], branch2_1=b[1], branch2_2=b[2],
                   branch2_3a=chain(512 // thin, row(256, 3)), branch2_3b=chain(512 // thin, column(256, 3)),
                   branch3=nn.Sequential(smooth(), chain(c, (256, 1))))
    add(lambda c: chain(c, (32, 3, 2)))
    add(lambda c: chain(c, (32, 3)))
    add(lambda c: chain(c, (64, 3, 1, 1)))
    add(lambda c: Branches(before=[shrink], conv=chain(c, (96, 3, 2))))
    add(lambda c: Branches(branch0=chain(c, (64, 1), (96, 3)), branch1=chain(c, (64, 1), row(64, 7), column(64, 7), (96, 3))))
    add(lambda c: Branches(after=[shrink], conv=chain(c, (192, 3, 2))))
    for _ in range(4):
        add(lambda c: Branches(
            branch0=chain(c, (96, 1)), branch1=chain(c, (64, 1), (96, 3, 1, 1)),
            branch2=chain(c, (64, 1), (96, 3, 1, 1), (96, 3, 1, 1)), branch3=[smooth(), chain(c, (96, 1))]))
    add(lambda c: Branches(after=[shrink], branch0=chain(c, (384, 3, 2)), branch1=chain(c, (192, 1), (224, 3, 1, 1), (256, 3, 2))))
    for _ in range(7):
        add(lambda c: Branches(
            branch0=chain(c, (384, 1)), branch1=chain(c, (192, 1), row(224, 7), column(256, 7)),
            branch2=chain(c, (192, 1), column(192, 7), row(224, 7), column(224, 7), row(256, 7)),
            branch3=[smooth(), chain(c, (128, 1))]))
    add(lambda c: Branches(after=[shrink], branch0=chain(c, (192, 1), (192, 3, 2)),
                           branch1=chain(c, (256, 1), row(256, 7), column(320, 7), (320, 3, 2))))
    for _ in range(3):
        add(lambda c: inception_c())

    def run(m, image):
        return m.last_linear(m.features(image).mean((2, 3)))
    return Net(run, features=nn.Sequential(*layers), last_linear=nn.Linear(c, classes))


@model
def inception_resnet_v2(classes=1000, size=299, thin=1, repeats=(10, 20, 9)):
    ConvNorm.thin = thin

    def residual(c, scale, act=F.relu, **branches):
        def run(m, x):
            return act(x + scale * m.conv2d(torch.cat([getattr(m, name)(x) for name in branches], 1)))
        branches = {name: nn.Sequential(*b) if isinstance(b, list) else b for name, b in branches.items()}
        inner = sum(width(b, c) for b in branches.values())
        return Net(run, **branches, conv2d=nn.Conv2d(inner, c, 1))

    def block8(scale, act=F.relu):
        return residual(e, scale, act, branch0=chain(e, (192, 1)), branch1=chain(e, (192, 1), row(224, 3), column(256, 3)))
    names = ["conv2d_1a", "conv2d_2a", "conv2d_2b", "conv2d_3b", "conv2d_4a"]
    stem = dict(zip(names, chain(3, (32, 3, 2), (32, 3), (64, 3, 1, 1), (80, 1), (192, 3))))
    b = 192 // thin
    mixed_5b = Branches(branch0=chain(b, (96, 1)), branch1=chain(b, (48, 1), (64, 5, 1, 2)),
                        branch2=chain(b, (64, 1), (96, 3, 1, 1), (96, 3, 1, 1)), branch3=[smooth(), chain(b, (64, 1))])
    c = width(mixed_5b, b)
    repeat = nn.Sequential(*(residual(
        c, 0.17, branch0=chain(c, (32, 1)), branch1=chain(c, (32, 1), (32, 3, 1, 1)),
        branch2=chain(c, (32, 1), (48, 3, 1, 1), (64, 3, 1, 1))) for _ in range(repeats[0])))
    mixed_6a = Branches(after=[shrink], branch0=chain(c, (384, 3, 2)), branch1=chain(c, (256, 1), (256, 3, 1, 1), (384, 3, 2)))
    d = width(mixed_6a, c)
    repeat_1 = nn.Sequential(*(residual(
        d, 0.10, branch0=chain(d, (192, 1)), branch1=chain(d, (128, 1), row(160, 7), column(192, 7))) for _ in range(repeats[1])))
    mixed_7a = Branches(after=[shrink], branch0=chain(d, (256, 1), (384, 3, 2)), branch1=chain(d, (256, 1), (288, 3, 2)),
                        branch2=chain(d, (256, 1), (288, 3, 1, 1), (320, 3, 2)))
    e = width(mixed_7a, d)

    def run(m, image):
        x = shrink(m.conv2d_2b(m.conv2d_2a(m.conv2d_1a(image))))
        x = shrink(m.conv2d_4a(m.conv2d_3b(x)))
        x = m.mixed_7a(m.repeat_1(m.mixed_6a(m.repeat(m.mixed_5b(x)))))
        return m.classif(m.conv2d_7b(m.block8(m.repeat_2(x))).mean((2, 3)))
    return Net(run, **stem, mixed_5b=mixed_5b, repeat=repeat, mixed_6a=mixed_6a, repeat_1=repeat_1, mixed_7a=mixed_7a,
               repeat_2=nn.Sequential(*(block8(0.20) for _ in range(repeats[2]))), block8=block8(1.0, lambda x: x),
               conv2d_7b=chain(e, (1536, 1)), classif=nn.Linear(1536 // thin, classes))


@model
def mobilenet_v2(classes=1000, size=224, thin=1):
    def conv_bn(inputs, out, kernel, stride=1, groups=1):
        return nn.Sequential(nn.Conv2d(inputs, out, kernel, stride, kernel // 2, groups=groups, bias=False),
                             nn.BatchNorm2d(out), nn.ReLU6())

    def residual(inputs, out, stride, t):
        def run(m, x):
            y = m.conv(x)
            return x + y if stride == 1 and inputs == out else y
        w = t * inputs
        widen = [conv_bn(inputs, w, 1)] if t > 1 else []
        return Net(run, conv=nn.Sequential(*widen, conv_bn(w, w, 3, stride, w), nn.Conv2d(w, out, 1, bias=False), nn.BatchNorm2d(out)))
    features, inputs = [conv_bn(3, 32 // thin, 3, 2)], 32 // thin
    for t, c, n, s in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(n):
            features.append(residual(inputs, c // thin, s if i == 0 else 1, t))
            inputs = c // thin
    features.append(conv_bn(inputs, 1280 // thin, 1))

    def run(m, image):
        return m.classifier(m.features(image).mean((2, 3)))
    return Net(run, features=nn.Sequential(*features), classifier=nn.Sequential(nn.Dropout(0.2), nn.Linear(1280 // thin, classes)))


def of_cells(normal, reduction, shrink, stack_size, F, end=None):
    """The CIFAR-10 network of two searched cells, each its steps and what comes out; shrink: layers that halve a map."""
    def convolution(inputs, out, kernel, stride=1, groups=1):
        kernel = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        return nn.Conv2d(inputs, out, kernel, stride, (kernel[0] // 2, kernel[1] // 2), groups=groups, bias=False)

    def separable(c, k, stride):
        return [relu(), convolution(c, c, k, stride, c), convolution(c, c, 1), nn.BatchNorm2d(c),
                relu(), convolution(c, c, k, 1, c), convolution(c, c, 1), nn.BatchNorm2d(c)]

    def operation(kind, c, stride):
        if kind == "avg_3x3":
            return [nn.AvgPool2d(3, stride, 1, count_include_pad=False)]
        if kind == "max_3x3":
            return [nn.MaxPool2d(3, stride, 1)]
        if kind.startswith("sep"):
            return separable(c, int(kind[-1]), stride)
        if kind == "conv_7x1_1x7":
            return [relu(), convolution(c, c, (1, 7), (1, stride)), convolution(c, c, (7, 1), (stride, 1)), nn.BatchNorm2d(c)]
        return [] if stride == 1 else [relu(), convolution(c, c, 1, stride), nn.BatchNorm2d(c)]

    def cell(kind, c0, c1, shrunk, w, stride):
        steps = [(step.split()[0], int(step.split()[1])) for step in kind[0].split(", ")]

        def run(m, before, last):
            states = [m.preprocess0(before), m.preprocess1(last)]
            for i in range(len(steps) // 2):
                states.append(sum(m._ops[j](states[steps[j][1]]) for j in (2 * i, 2 * i + 1)))
            return torch.cat([states[i] for i in kind[1]], 1)
        plain = [relu(), convolution(c0, w, 1), nn.BatchNorm2d(w)]
        return Net(run, preprocess0=nn.Sequential(*(shrink(c0, w) if shrunk > 1 else plain)),
                   preprocess1=nn.Sequential(relu(), convolution(c1, w, 1), nn.BatchNorm2d(w)),
                   _ops=nn.ModuleList(nn.Sequential(*operation(op, w, stride if at < 2 else 1)) for op, at in steps))
    cells, c0, c1, shrunk = [], 3 * F, 3 * F, 1
    for level in range(3):
        for i in range(0 if level else 1, stack_size + 1):
            kind, stride = (reduction, 2) if i == 0 else (normal, 1)
            cells.append(cell(kind, c0, c1, shrunk, F * 2**level, stride))
            c0, c1, shrunk = c1, F * 2**level * len(kind[1]), stride

    def run(m, image):
        before = last = m.stem(image)
        for part in m.cells:
            before, last = last, part(before, last)
        return m.classifier((end(last) if end else last).mean((2, 3)))
    return Net(run, stem=nn.Sequential(convolution(3, 3 * F, 3), nn.BatchNorm2d(3 * F)), cells=nn.ModuleList(cells),
               classifier=nn.Linear(c1, 10))


@model
def amoebanet_cell(stack_size=6, F=36, size=32):
    def shrink(inputs, out):
        return [relu(), nn.Conv2d(inputs, out, 1, 2, bias=False), nn.BatchNorm2d(out)]
    return of_cells(
        ("avg_3x3 0, max_3x3 1, sep_3x3 0, sep_5x5 2, sep_3x3 0, avg_3x3 3, sep_3x3 1, skip 1, skip 0, avg_3x3 1", (4, 5, 6)),
        ("avg_3x3 0, sep_3x3 1, max_3x3 0, sep_7x7 2, sep_7x7 0, avg_3x3 1, max_3x3 0, max_3x3 1, conv_7x1_1x7 0, sep_3x3 5",
         (3, 4, 6)), shrink, stack_size, F)


@model
def nasnet_cell(stack_size=6, F=32, size=32):
    def shrink(inputs, out):
        def run(m, x):
            x = torch.relu(x)
            return m.bn(torch.cat([m.conv1(x), m.conv2(x[:, :, 1:, 1:])], 1))
        return [Net(run, conv1=nn.Conv2d(inputs, out // 2, 1, 2, bias=False),
                    conv2=nn.Conv2d(inputs, out - out // 2, 1, 2, bias=False), bn=nn.BatchNorm2d(out))]
    return of_cells(
        ("sep_5x5 1, sep_3x3 0, sep_5x5 0, sep_3x3 0, avg_3x3 1, skip 0, avg_3x3 0, avg_3x3 0, sep_3x3 1, skip 1",
         (0, 2, 3, 4, 5, 6)),
        ("sep_5x5 1, sep_7x7 0, max_3x3 1, sep_7x7 0, avg_3x3 1, sep_5x5 0, skip 3, avg_3x3 2, sep_3x3 2, max_3x3 1",
         (3, 4, 5, 6)), shrink, stack_size, F, torch.relu)


# ---- Go ----
class Bias(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, x):
        return x + self.bias


@model
def alphago(board=19, filters=192):
    points = board * board

    def tower(planes):
        return [nn.Conv2d(planes, filters, 5, padding=2), relu()] + [
            nn.Sequential(nn.Conv2d(filters, filters, 3, padding=1), relu()) for _ in range(2, 13)]
    net = Net(None, policy=nn.Sequential(*tower(48), nn.Conv2d(filters, 1, 1, bias=False), nn.Flatten(), Bias(points)),
              value=nn.Sequential(*tower(49), nn.Conv2d(filters, 1, 1), nn.Flatten(), nn.Linear(points, 256), relu(),
                                  nn.Linear(256, 1), nn.Tanh()))
    net.entries = {"move": lambda planes: net.policy(planes).softmax(1), "outcome": lambda planes: net.value(planes)[:, 0]}
    net.owners = {"move": ["policy."], "outcome": ["value."]}
    return net


@model
def alphago_zero(board=19, filters=256, blocks=19):
    def conv(inputs, out, kernel):
        return Net(lambda m, x: m.bn(m.conv(x)), conv=nn.Conv2d(inputs, out, kernel, padding=kernel // 2, bias=False),
                   bn=nn.BatchNorm2d(out))

    def residual():
        return Net(lambda m, x: F.relu(x + m.conv2(F.relu(m.conv1(x)))), conv1=conv(filters, filters, 3), conv2=conv(filters, filters, 3))
    points = board * board

    def run(m, planes):
        x = m.tower(planes)
        return {"p": m.policy(x).softmax(1), "v": m.value(x)[:, 0]}
    return Net(run, tower=nn.Sequential(conv(17, filters, 3), relu(), *(residual() for _ in range(blocks))),
               policy=nn.Sequential(conv(filters, 2, 1), relu(), nn.Flatten(), nn.Linear(2 * points, points + 1)),
               value=nn.Sequential(conv(filters, 1, 1), relu(), nn.Flatten(), nn.Linear(points, 256), relu(), nn.Linear(256, 1), nn.Tanh()))


# ---- generators ----
@model
def dcgan(width=128, noise=100):
    def up(inputs, out, stride=2, pad=1):
        return nn.ConvTranspose2d(inputs, out, 4, stride, pad, bias=False)

    def down(inputs, out, stride=2, pad=1):
        return nn.Conv2d(inputs, out, 4, stride, pad, bias=False)
    w, norm = width, nn.BatchNorm2d

    def leaky():
        return nn.LeakyReLU(0.2)
    net = Net(None, G=nn.Sequential(up(noise, 8 * w, 1, 0), norm(8 * w), relu(), up(8 * w, 4 * w), norm(4 * w), relu(),
                                    up(4 * w, 2 * w), norm(2 * w), relu(), up(2 * w, w), norm(w), relu(), up(w, 3), nn.Tanh()),
              D=nn.Sequential(down(3, w), leaky(), down(w, 2 * w), norm(2 * w), leaky(), down(2 * w, 4 * w), norm(4 * w), leaky(),
                              down(4 * w, 8 * w), norm(8 * w), leaky(), down(8 * w, 1, 1, 0), nn.Flatten()))
    net.entries = {"generate": lambda z: net.G(z[:, :, None, None]), "judge": lambda image: torch.sigmoid(net.D(image)[:, 0])}
    net.owners = {"generate": ["G."], "judge": ["D."]}
    return net


class EqualLinear(nn.Module):
    def __init__(self, inputs, out, gain=math.sqrt(2), rate=1.0):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(out, inputs)), nn.Parameter(torch.zeros(out))
        self.scale, self.rate = gain * rate / math.sqrt(inputs), rate

    def forward(self, x):
        return F.linear(x, self.weight * self.scale, self.bias * self.rate)


class EqualConv(nn.Module):
    def __init__(self, inputs, out, kernel, gain=math.sqrt(2)):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out, inputs, kernel, kernel))
        self.scale = gain / math.sqrt(inputs * kernel * kernel)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.scale, padding=self.weight.shape[-1] // 2)


class Noise(nn.Module):
    def __init__(self, channels, size):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels))
        self.register_buffer("noise", torch.zeros(1, 1, size, size))

    def forward(self, x):
        return x + self.weight[:, None, None] * self.noise


class Epilogue(nn.Module):
    def __init__(self, channels, size, dlatent):
        super().__init__()
        self.noise = Noise(channels, size)
        self.adain = Net(None, style=EqualLinear(dlatent, 2 * channels, gain=1.0))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x, w):
        x = F.leaky_relu(self.noise(x) + self.bias[:, None, None], 0.2)
        scale, shift = self.adain.style(w)[:, :, None, None].chunk(2, 1)
        return F.instance_norm(x) * (1 + scale) + shift


class First(nn.Module):
    def __init__(self, most, dlatent):
        super().__init__()
        self.const_input = nn.Parameter(torch.zeros(1, most, 4, 4))
        self.epi1, self.epi2 = Epilogue(most, 4, dlatent), Epilogue(most, 4, dlatent)
        self.conv = EqualConv(most, most, 3)

    def forward(self, w1, w2):
        x = self.const_input.expand(len(w1), -1, -1, -1)
        return self.epi2(self.conv(self.epi1(x, w1)), w2)


class Block(nn.Module):
    def __init__(self, inputs, out, size, dlatent):
        super().__init__()
        self.conv0_up, self.conv1 = EqualConv(inputs, out, 3), EqualConv(out, out, 3)
        self.epi1, self.epi2 = Epilogue(out, size, dlatent), Epilogue(out, size, dlatent)

    def forward(self, x, w1, w2):
        x = self.conv0_up(F.interpolate(x, scale_factor=2, mode="nearest"))
        blur = torch.tensor([[1, 2, 1], [2, 4, 2], [1, 2, 1]], dtype=x.dtype) / 16
        x = F.conv2d(x, blur.expand(x.shape[1], 1, 3, 3), padding=1, groups=x.shape[1])
        return self.epi2(self.conv1(self.epi1(x, w1)), w2)


class Stylegan(nn.Module):
    def __init__(self, size, dlatent, most):
        super().__init__()
        channels = {res: most if res <= 16384 // most else 16384 // res for res in (2**i for i in range(2, 11))}
        sizes = [2**i for i in range(3, size.bit_length())]
        self.mapping = nn.ModuleList(EqualLinear(dlatent, dlatent, rate=0.01) for _ in range(8))
        self.first = First(most, dlatent)
        self.blocks = nn.ModuleList(Block(channels[res // 2], channels[res], res, dlatent) for res in sizes)
        self.to_rgb = EqualConv(channels[size], 3, 1, gain=1.0)
        self.rgb_bias = nn.Parameter(torch.zeros(3))
        self.register_buffer("w_mean", torch.zeros(dlatent))

    def map(self, z):
        w = z * ((z * z).mean(-1, keepdim=True) + 1e-8).rsqrt()
        for fc in self.mapping:
            w = F.leaky_relu(fc(w), 0.2)
        return w

    def forward(self, z1, z2, cut, psi):
        w1, w2 = self.map(z1), self.map(z2)
        ws = [self.w_mean + psi * ((w1 if i < cut else w2) - self.w_mean) for i in range(2 * len(self.blocks) + 2)]
        x = self.first(ws[0], ws[1])
        for i, block in enumerate(self.blocks):
            x = block(x, ws[2 * i + 2], ws[2 * i + 3])
        return self.to_rgb(x) + self.rgb_bias[:, None, None]


@model
def stylegan(size=1024, dlatent=512, most=512):
    return Stylegan(size, dlatent, most)


# ---- BERT: Hugging Face's names, where Python's attribute rules allow any nesting ----
def nest(**children):
    """{'a.b': module}: modules under dotted paths."""
    root = nn.Module()
    for path, child in children.items():
        at, names = root, path.split(".")
        for name in names[:-1]:
            if name not in at._modules:
                at.add_module(name, nn.Module())
            at = at._modules[name]
        at.add_module(names[-1], child)
    return root


@model
def bert(D=768, depth=12, vocab=30522, longest=512, drop=0.0):
    assert drop == 0.0, "as it infers"
    heads = D // 64

    def norm():
        return nn.LayerNorm(D, eps=1e-12)

    def layer():
        return nest(**{
            "attention.self.query": nn.Linear(D, D), "attention.self.key": nn.Linear(D, D), "attention.self.value": nn.Linear(D, D),
            "attention.output.dense": nn.Linear(D, D), "attention.output.LayerNorm": norm(),
            "intermediate.dense": nn.Linear(D, 4 * D), "output.dense": nn.Linear(4 * D, D), "output.LayerNorm": norm()})

    def run_layer(m, x, mask):
        def split(y):
            return y.view(*y.shape[:2], heads, 64).transpose(1, 2)
        own = m.attention._modules["self"]
        q, k, v = split(own.query(x)), split(own.key(x)), split(own.value(x))
        y = attend(q, k, v, mask).transpose(1, 2).reshape(x.shape)
        x = m.attention.output.LayerNorm(x + m.attention.output.dense(y))
        return m.output.LayerNorm(x + m.output.dense(F.gelu(m.intermediate.dense(x))))

    def run(m, token, segment, mask):
        e = m.bert.embeddings
        x = e.word_embeddings(token) + e.position_embeddings(torch.arange(token.shape[1])) + e.token_type_embeddings(segment)
        x = e.LayerNorm(x)
        for part in m.bert.encoder.layer:
            x = run_layer(part, x, mask[:, None, None])
        pooled = torch.tanh(m.bert.pooler.dense(x[:, 0]))
        y = m.cls.predictions.transform.LayerNorm(F.gelu(m.cls.predictions.transform.dense(x)))
        words = y @ e.word_embeddings.weight.T + m.cls.predictions.bias
        return {"words": words, "next": m.cls.seq_relationship(pooled), "hidden": x, "pooled": pooled}
    root = nest(**{
        "bert.embeddings.word_embeddings": nn.Embedding(vocab, D), "bert.embeddings.position_embeddings": nn.Embedding(longest, D),
        "bert.embeddings.token_type_embeddings": nn.Embedding(2, D), "bert.embeddings.LayerNorm": norm(),
        "bert.encoder.layer": nn.ModuleList(layer() for _ in range(depth)), "bert.pooler.dense": nn.Linear(D, D),
        "cls.predictions.transform.dense": nn.Linear(D, D), "cls.predictions.transform.LayerNorm": norm(),
        "cls.seq_relationship": nn.Linear(D, 2)})
    root.cls.predictions.bias = nn.Parameter(torch.zeros(vocab))
    return Net(run, bert=root.bert, cls=root.cls)
