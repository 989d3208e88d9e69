"""PyTorch models of the networks for telephones that shuffle channels."""
import torch
from torch import nn
from torch.nn import functional as F

from models import Net, learner, model, relu


def conv(inputs, out, kernel, stride=1, groups=1):
    return [nn.Conv2d(inputs, out, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(out)]


def chain(*parts):
    return nn.Sequential(*(module for part in parts for module in part))


def dealt(x, groups):
    """Channels as cards are dealt: the first of each group, then the second."""
    return torch.cat([x[:, i :: x.shape[1] // groups] for i in range(x.shape[1] // groups)], 1)


def stages(unit, counts, run, first, **more):
    """Of three: `counts` as (channels, further arguments of the first unit, of the others)."""
    made, inputs = {}, first
    for number, ((out, *one), blocks) in enumerate(zip(counts, (4, 8, 4))):
        units = []
        for i in range(blocks):
            units.append(unit(inputs, out, 2 if i == 0 else 1, *(a[min(i, 1)] for a in one)))
            inputs = out
        made["stage%d" % (number + 2)] = nn.Sequential(*units)
    return Net(run, **made, **{name: make(inputs) for name, make in more.items()})


@model
def shufflenet(groups=3, classes=1000, size=224, thin=1):
    width, first = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}[groups] // thin, 24 // thin

    def unit(inputs, out, stride, of):
        def run(m, x):
            y = m.expand(m.depth(dealt(F.relu(m.squeeze(x)), groups)))
            return F.relu(x + y if stride == 1 else torch.cat([F.avg_pool2d(x, 3, 2, 1), y], 1))
        middle = out // 4
        return Net(run, squeeze=chain(conv(inputs, middle, 1, 1, of)), depth=chain(conv(middle, middle, 3, stride, middle)),
                   expand=chain(conv(middle, out - (inputs if stride == 2 else 0), 1, 1, groups)))

    def run(m, image):
        x = F.max_pool2d(F.relu(m.conv1(image)), 3, 2, 1)
        return m.fc(m.stage4(m.stage3(m.stage2(x))).mean((2, 3)))
    counts = [(width, (1, groups)), (2 * width, (groups, groups)), (4 * width, (groups, groups))]
    return stages(unit, counts, run, first, conv1=lambda _: chain(conv(3, first, 3, 2)), fc=lambda inputs: nn.Linear(inputs, classes))


@model
def shufflenet_v2(scale="x1_0", classes=1000, size=224, thin=1):
    widths = [w // thin for w in {"x0_5": (24, 48, 96, 192, 1024), "x1_0": (24, 116, 232, 464, 1024),
                                  "x1_5": (24, 176, 352, 704, 1024), "x2_0": (24, 244, 488, 976, 2048)}[scale]]

    def unit(inputs, out, stride):
        def run(m, x):
            same = m.branch1(x) if stride == 2 else x[:, : out // 2]
            return dealt(torch.cat([same, m.branch2(x if stride == 2 else x[:, out // 2 :])], 1), 2)
        half = out // 2
        sides = {"branch1": chain(conv(inputs, inputs, 3, 2, inputs), conv(inputs, half, 1), [relu()])} if stride == 2 else {}
        return Net(run, **sides, branch2=chain(conv(inputs if stride == 2 else half, half, 1), [relu()],
                                               conv(half, half, 3, stride, half), conv(half, half, 1), [relu()]))

    def run(m, image):
        x = F.max_pool2d(m.conv1(image), 3, 2, 1)
        return m.fc(m.conv5(m.stage4(m.stage3(m.stage2(x)))).mean((2, 3)))
    return stages(unit, [(w,) for w in widths[1:4]], run, widths[0], conv1=lambda _: chain(conv(3, widths[0], 3, 2), [relu()]),
                  conv5=lambda inputs: chain(conv(inputs, widths[4], 1), [relu()]), fc=lambda _: nn.Linear(widths[4], classes))


@learner
def dealt_out(m, image, label):
    return F.cross_entropy(m(image), label)


@learner
def grouped(m, image, label):
    return F.cross_entropy(m(image), label)
