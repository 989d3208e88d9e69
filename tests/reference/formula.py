"""Weights and inputs by formula: the same numbers, bit for bit, as formula.h gives in C.

Element i of the tensor NAME is made from 24 random bits: FNV-1a of the name, plus i, through
splitmix64. That gives x in [-1, 1), and the value is offset + scale * x with `scale` a float32, so
that the product is exact in double; it is rounded once, to float32.

    name ends in     offset  scale
    running_var      1       0.5
    running_mean     0       0.1
    bias             0       0.1
    of rank 0 or 1:
      weight         1       0.25         (of a norm)
      others         0       0.1
    of rank 2 or more:
      gain=G         0       sqrt(3 * G / product(shape[1:]))   variance G / fan-in; G is 1 if not given
      unit=U         0       sqrt(3 * U)                        variance U

`gain` and `unit` come from a case's row in tests/examples.txt, `gain=PREFIX:G` for the names that
begin so; the last one that fits counts. A float input is x; an integer one with range a..b is a plus
the upper half of (32 random bits) * (b - a); a bool is true three times in four.
"""
import math

import numpy

GOLDEN = numpy.uint64(0x9E3779B97F4A7C15)


def name_hash(name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return h


def bits(name, count):
    """64 random bits for each of the first `count` elements."""
    with numpy.errstate(over="ignore"):
        z = numpy.uint64(name_hash(name)) + numpy.arange(1, count + 1, dtype=numpy.uint64) * GOLDEN
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        return z ^ (z >> numpy.uint64(31))


def symmetric(name, count):
    """x in [-1, 1): a multiple of 2^-23."""
    return (bits(name, count) >> numpy.uint64(40)).astype(numpy.float64) * 2.0**-23 - 1.0


def parse_scales(words):
    """['gain=2', 'unit=mapping:10000'] as [('', 'gain', 2.0), ('mapping', 'unit', 10000.0)]"""
    scales = []
    for word in words:
        kind, value = word.split("=")
        prefix, _, number = value.rpartition(":")
        scales.append((prefix, kind, float(number)))
    return scales


def offset_and_scale(name, shape, scales=()):
    last = name.rsplit(".", 1)[-1]
    if last == "running_var":
        return 1.0, 0.5
    if last == "running_mean" or last.endswith("bias"):
        return 0.0, 0.1
    if len(shape) < 2:
        return (1.0, 0.25) if last == "weight" else (0.0, 0.1)
    kind, number = "gain", 1.0
    for prefix, k, n in scales:
        if name.startswith(prefix):
            kind, number = k, n
    return 0.0, math.sqrt(3.0 * number / (math.prod(shape[1:]) if kind == "gain" else 1.0))


def parameter(name, shape, scales=()):
    offset, scale = offset_and_scale(name, shape, scales)
    x = symmetric(name, math.prod(shape))
    return (offset + float(numpy.float32(scale)) * x).astype(numpy.float32).reshape(shape)


def input_value(name, element, shape, span=None):
    """`span`: (a, b) for integers, which are then at least a and below b."""
    name, count = "input " + name, math.prod(shape)
    if element in ("f32", "f64"):
        return symmetric(name, count).astype({"f32": numpy.float32, "f64": numpy.float64}[element]).reshape(shape)
    high = bits(name, count) >> numpy.uint64(32)
    if element == "bool":
        return (high >= numpy.uint64(2**30)).reshape(shape)
    low, end = span or ((0, 256) if element == "u8" else (0, 10))
    value = ((high * numpy.uint64(end - low)) >> numpy.uint64(32)).astype(numpy.int64) + low
    return value.astype({"i64": numpy.int64, "i32": numpy.int32, "u8": numpy.uint8, "i8": numpy.int8}[element]).reshape(shape)
