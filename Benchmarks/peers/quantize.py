#!/usr/bin/env python3
"""Makes a Q/DQ model with ONNX Runtime's static quantization: uint8 activations, int8 weights, per channel.

Calibration takes the extrema over the given arrays, or over seeded inputs of the network's input range. --qoperator
writes QLinearConv and its kin instead of QuantizeLinear and DequantizeLinear around float operators. --dynamic leaves
the parameters of activations to the run: DynamicQuantizeLinear, then MatMulInteger or ConvInteger.
"""

import argparse
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Scripts"))


def quantize(source, target, batches, signed=False, qoperator=False):
    """Writes the quantized model; `batches` are dictionaries of inputs."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.batches = iter(batches)

        def get_next(self):
            return next(self.batches, None)

    with tempfile.TemporaryDirectory() as folder:
        prepared = str(pathlib.Path(folder) / "prepared.onnx")
        quant_pre_process(str(source), prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            str(target),
            Reader(),
            quant_format=QuantFormat.QOperator if qoperator else QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8 if signed else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    model = onnx.load(target)
    del model.metadata_props[:]
    model.metadata_props.extend(
        entry for entry in onnx.load(source).metadata_props if not entry.key.startswith(("apus.range:", "apus.seed"))
    )
    onnx.save(model, target)


def quantize_dynamically(source, target):
    """Writes the model with products of dynamically quantized activations and int8 weights, per channel."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(str(source), str(target), weight_type=QuantType.QInt8, per_channel=True)


def seeded_batches(name, shape, count):
    from fill_weights import seeded_input

    return [{name: seeded_input(name, shape, seed)} for seed in range(1, count + 1)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a complete ONNX file")
    parser.add_argument("output", help="the quantized ONNX file to write")
    parser.add_argument("--input", default="input", help="the name of the input")
    parser.add_argument("--shape", default="1x3x224x224", help="its shape where no data is given")
    parser.add_argument("--data", help="a .npy file with images to calibrate with, one a row")
    parser.add_argument("--count", type=int, default=8, help="how many inputs to calibrate with")
    parser.add_argument("--signed", action="store_true", help="int8 activations instead of uint8")
    parser.add_argument("--qoperator", action="store_true", help="quantized operators instead of Q/DQ")
    parser.add_argument("--dynamic", action="store_true", help="quantize activations during the run")
    arguments = parser.parse_args()
    if arguments.dynamic:
        quantize_dynamically(arguments.model, arguments.output)
        return
    if arguments.data:
        import numpy as np

        images = np.load(arguments.data)[: arguments.count]
        batches = [{arguments.input: image[None]} for image in images]
    else:
        shape = tuple(int(extent) for extent in arguments.shape.split("x"))
        batches = seeded_batches(arguments.input, shape, arguments.count)
    quantize(arguments.model, arguments.output, batches, arguments.signed, arguments.qoperator)


if __name__ == "__main__":
    main()
