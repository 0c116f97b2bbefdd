#!/usr/bin/env python3
"""Runs ONNX Runtime on the graphs of Models with generated weights and inputs; writes output-b1.npy and output-b2.npy.

Needs numpy, onnx and onnxruntime 1.32 (Models/README.md).
"""

import argparse
import pathlib

import numpy as np
import onnx
import onnxruntime

from fill_weights import RANGE_PREFIX, SEED_KEY, fill, properties, seeded_input


def session_for(model):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="default: every graph with a seed")
    default = pathlib.Path(__file__).resolve().parent.parent / "Models"
    parser.add_argument("--models", type=pathlib.Path, default=default)
    arguments = parser.parse_args()
    for path in sorted(arguments.models.glob("*/*.onnx")):
        if arguments.networks and path.stem not in arguments.networks:
            continue
        model = onnx.load(path)
        metadata = properties(model)
        if not any(key.startswith(RANGE_PREFIX) for key in metadata):
            continue
        fill(model)
        onnx.checker.check_model(model)
        session = session_for(model)
        entry = session.get_inputs()[0]
        for batch in (1, 2):
            shape = [batch if isinstance(extent, str) else extent for extent in entry.shape]
            data = seeded_input(entry.name, shape, int(metadata[SEED_KEY]))
            output = session.run(None, {entry.name: data})[0].astype(np.float32)
            np.save(path.parent / f"output-b{batch}.npy", output)
            print(f"{path.stem} batch {batch}: shape {output.shape}, deviation {output.std():.4f}, top {output.argmax(1)}")


if __name__ == "__main__":
    main()
