#!/usr/bin/env python3
"""Makes the quantized forms of the demo network with ONNX Runtime.

Models/digits/digits-int8.onnx is in Q/DQ form with static parameters, digits-qoperator.onnx the same made of quantized
operators, digits-dynamic.onnx quantizes activations during the run. Calibrates with the images that the network was
trained on. Needs onnx, onnxruntime and scikit-learn (Models/README.md).
"""

import pathlib
import sys

import numpy as np
from sklearn.datasets import load_digits

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "Benchmarks" / "peers"))

SEED = 1
HELD_OUT = 360


def main():
    from quantize import quantize, quantize_dynamically

    folder = ROOT / "Models" / "digits"
    data = load_digits()
    training = np.random.RandomState(SEED).permutation(len(data.target))[HELD_OUT:]
    scaled = data.images / 16
    mean = round(float(scaled[training].mean()), 4)
    std = round(float(scaled[training].std()), 4)
    images = ((scaled[training] - mean) / std).astype(np.float32)[:, None]
    batches = [{"image": image[None]} for image in images]
    quantize(folder / "digits.onnx", folder / "digits-int8.onnx", batches)
    quantize(folder / "digits.onnx", folder / "digits-qoperator.onnx", batches, qoperator=True)
    quantize_dynamically(folder / "digits.onnx", folder / "digits-dynamic.onnx")


if __name__ == "__main__":
    main()
