#!/usr/bin/python3
"""Train the LeNet of lenet.dl (61,706 parameters) on Fashion-MNIST with PyTorch.

    apt-get install python3-torch dataset-fashion-mnist
    /usr/bin/python3 examples/lenet/train.py [--epochs 40] [--save examples/lenet/lenet.safetensors]

One core takes five minutes. The weights are the average of the last epochs' ones, saved under
the names that dlc gives the network's layers; how an image becomes the input stands in the file's
metadata, so that the compiled program reads the data set as it is.
"""
import argparse
import gzip
import json
import struct
import time

import numpy
import torch
from torch import nn
from torch.nn import functional as F

MEAN, STD = 0.286, 0.353  # of the training images, after division by 255
CLASSES = "t-shirt,trouser,pullover,dress,coat,sandal,shirt,sneaker,bag,boot"
FOLDER = "/usr/share/datasets/fashion-mnist/"


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv2d_0 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2d_1 = nn.Conv2d(6, 16, 5)
        self.linear_0 = nn.Linear(400, 120)
        self.linear_1 = nn.Linear(120, 84)
        self.linear_2 = nn.Linear(84, 10)

    def forward(self, image):
        x = F.avg_pool2d(torch.tanh(self.conv2d_0(image)), 2)
        x = F.avg_pool2d(torch.tanh(self.conv2d_1(x)), 2).flatten(1)
        x = torch.tanh(self.linear_0(x))
        return self.linear_2(torch.tanh(self.linear_1(x)))


def read_idx(path):
    with gzip.open(path) as f:
        rank = struct.unpack(">I", f.read(4))[0] & 255
        shape = struct.unpack(">" + rank * "I", f.read(4 * rank))
        return torch.from_numpy(numpy.frombuffer(f.read(), numpy.uint8).reshape(shape).copy())


def read_set(part):
    image = read_idx(FOLDER + part + "-images-idx3-ubyte.gz")
    label = read_idx(FOLDER + part + "-labels-idx1-ubyte.gz").long()
    return ((image.float() / 255 - MEAN) / STD)[:, None], label


def augment(image, random):
    """Mirror half of the images, and move each batch by up to one pixel (its edge is background)."""
    mirrored = torch.rand(len(image), 1, 1, 1, generator=random) < 0.5
    image = torch.where(mirrored, image.flip(3), image)
    down, right = torch.randint(0, 3, (2,), generator=random).tolist()
    return F.pad(image, (1, 1, 1, 1), value=-MEAN / STD)[:, :, down : down + 28, right : right + 28]


def accuracy(net, image, label):
    net.eval()
    with torch.no_grad():
        said = torch.cat([net(part).argmax(1) for part in image.split(1000)])
    return (said == label).float().mean().item() * 100


def save_safetensors(path, tensors, metadata):
    """Length of the header, its JSON padded to 8 bytes, the tensors' bytes one after the other."""
    header, place = {"__metadata__": metadata}, 0
    for name, t in tensors.items():
        size = 4 * t.numel()
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            f.write(t.contiguous().numpy().astype("<f4").tobytes())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--average", type=int, default=8, help="epochs at the end that are averaged")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", default="examples/lenet/lenet.safetensors")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    random = torch.Generator().manual_seed(1)
    train_image, train_label = read_set("train")
    test_image, test_label = read_set("t10k")
    net, mean = LeNet(), LeNet()
    count = sum(p.numel() for p in net.parameters())
    assert count == 61706, count
    steps = len(train_image) // options.batch
    optimizer = torch.optim.AdamW(net.parameters(), lr=options.lr, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.lr, total_steps=options.epochs * steps, pct_start=0.1, final_div_factor=100)
    averaged = 0
    for epoch in range(options.epochs):
        net.train()
        start, total = time.time(), 0.0
        order = torch.randperm(len(train_image), generator=random)
        for step in range(steps):
            take = order[step * options.batch : (step + 1) * options.batch]
            loss = F.cross_entropy(net(augment(train_image[take], random)), train_label[take])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        if epoch >= options.epochs - options.average:
            averaged += 1
            with torch.no_grad():
                for m, p in zip(mean.parameters(), net.parameters()):
                    m.copy_(p if averaged == 1 else m + (p - m) / averaged)
        print("epoch %d  loss %.4f  test %.2f %%  averaged %.2f %%  %.0f s" % (
            epoch + 1, total / steps, accuracy(net, test_image, test_label),
            accuracy(mean, test_image, test_label) if averaged else 0, time.time() - start), flush=True)

    save_safetensors(options.save, mean.state_dict(), {
        "dlc.inputs": "image=u8 /255 mean %g std %g" % (MEAN, STD), "dlc.classes": CLASSES})
    print("saved %s: %.2f %%" % (options.save, accuracy(mean, test_image, test_label)))


if __name__ == "__main__":
    main()
