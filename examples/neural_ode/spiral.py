#!/usr/bin/env python3
"""Starts and, one unit of time later, ends on the spiral dy/dt = y^3 A, as y0.csv and y1.csv in a folder.

    examples/neural_ode/spiral.py FOLDER
"""
import pathlib
import random
import sys

A = ((-0.1, 2.0), (-2.0, -0.1))


def slope(y):
    cubes = [v ** 3 for v in y]
    return [sum(c * row[i] for c, row in zip(cubes, A)) for i in range(2)]


def later(y, steps=200):
    for _ in range(steps):  # the midpoint rule
        half = [v + s * 0.5 / steps for v, s in zip(y, slope(y))]
        y = [v + s / steps for v, s in zip(y, slope(half))]
    return y


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(1)
    starts = [[draw.uniform(-1, 1) for _ in range(2)] for _ in range(1000)]
    for name, rows in (("y0", starts), ("y1", [later(y) for y in starts])):
        (folder / (name + ".csv")).write_text("".join("%.9g,%.9g\n" % tuple(row) for row in rows))


if __name__ == "__main__":
    main()
