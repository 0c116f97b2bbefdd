#!/usr/bin/env python3
"""Turns a graph without weights (Models/README.md) into a complete ONNX file. Needs numpy and onnx."""

import argparse
import math

import numpy as np
import onnx

RANGE_PREFIX = "apus.range:"
SEED_KEY = "apus.seed"
MASK = (1 << 64) - 1
STEP = 0x9E3779B97F4A7C15


def name_hash(name):
    """FNV-1a, 64 bits, of the UTF-8 bytes."""
    value = 0xCBF29CE484222325
    for byte in name.encode("utf-8"):
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def generate(name, count, low, high, seed):
    """Returns `count` float32 values in low ... high that depend on the name, the seed and the index alone."""
    result = np.empty(count, np.float32)
    low, high = np.float32(low), np.float32(high)
    span = np.float32(high - low)
    base = np.uint64((seed * STEP + name_hash(name)) & MASK)
    chunk = 1 << 20
    for start in range(0, count, chunk):
        stop = min(start + chunk, count)
        z = np.arange(start + 1, stop + 1, dtype=np.uint64) * np.uint64(STEP) + base
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
        unit = (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
        result[start:stop] = low + unit * span
    return result


def seeded_input(name, shape, seed, low=-1.0, high=1.0):
    """The input that the committed outputs belong to."""
    return generate("input:" + name, math.prod(shape), low, high, seed).reshape(shape)


def properties(model):
    return {entry.key: entry.value for entry in model.metadata_props}


def fill(model):
    """Gives every initializer with a range its values, in place."""
    metadata = properties(model)
    if SEED_KEY not in metadata:
        raise ValueError(f"the model has no metadata entry {SEED_KEY}: its weights were not stripped")
    seed = int(metadata[SEED_KEY])
    for tensor in model.graph.initializer:
        text = metadata.get(RANGE_PREFIX + tensor.name)
        if text is None:
            continue
        if tensor.data_type != onnx.TensorProto.FLOAT:
            raise ValueError(f"initializer {tensor.name} has a range but is not float32")
        low, high = (np.float32(part) for part in text.split(","))
        tensor.raw_data = generate(tensor.name, math.prod(tensor.dims), low, high, seed).astype("<f4").tobytes()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("graph", help="the graph without weights, for example Models/resnet50/resnet50.onnx")
    parser.add_argument("output", help="the complete ONNX file to write")
    arguments = parser.parse_args()
    model = onnx.load(arguments.graph)
    fill(model)
    onnx.save(model, arguments.output)


if __name__ == "__main__":
    main()
