#!/usr/bin/env python3
"""Exports networks of torchvision as ONNX graphs without weights to Models/<name>/<name>.onnx.

Weights come from the seeded generator of fill_weights.py; this script chooses the range of each one, the
batch-norm statistics from the activations of a forward pass, so that activations keep their size through the
whole network. Needs torch 2.6, torchvision 0.21 and onnx.
"""

import argparse
import math
import pathlib
import tempfile

import numpy as np
import onnx
import torch
import torchvision
from torch import nn

from fill_weights import RANGE_PREFIX, SEED_KEY, generate, seeded_input

SEED = 1
NETWORKS = ["resnet18", "resnet50", "mobilenet_v2", "efficientnet_b0", "vgg16", "vit_b_16"]
FOLDED = ["vit_b_16"]


def rounded(value):
    return float(f"{value:.4g}")


class Ranges:
    """Sets parameters from the generator and remembers the range of each."""

    def __init__(self):
        self.ranges = {}

    def set(self, name, tensor, low, high):
        low, high = rounded(low), rounded(high)
        self.ranges[name] = (low, high)
        values = generate(name, tensor.numel(), low, high, SEED).reshape(tuple(tensor.shape))
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(values))


def ends_residual_branch(model):
    """The normalizations just before a residual addition; a smaller scale keeps the sum from growing."""
    found = set()
    for module in model.modules():
        kind = type(module).__name__
        if kind == "BasicBlock":
            found.add(module.bn2)
        elif kind == "Bottleneck":
            found.add(module.bn3)
        elif kind == "InvertedResidual" and module.use_res_connect:
            found.add(module.conv[-1])
        elif kind == "MBConv" and module.use_res_connect:
            found.add(module.block[-1][1])
    return found


def set_parameters(model, ranges):
    residual = ends_residual_branch(model)
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    for prefix, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            path = f"{prefix}.{name}" if prefix else name
            if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm)):
                if name == "weight":
                    low, high = (0.25, 0.75) if module in residual else (0.5, 1.5)
                else:
                    low, high = -0.2, 0.2
            elif parameter.dim() >= 2 and name.endswith("weight"):
                fan_in = math.prod(parameter.shape[1:])
                rectified = isinstance(module, nn.Conv2d) or (
                    module in linear[:-1] and type(model).__name__ == "VGG"
                )
                high = math.sqrt((6 if rectified else 3) / fan_in)
                low = -high
            else:
                low, high = (-0.5, 0.5) if parameter.dim() >= 2 else (-0.1, 0.1)
            ranges.set(path, parameter, low, high)


def set_statistics(model, ranges, batch):
    """Runs the model once; each batch norm gets the mean and variance of what reaches it."""

    def hook(path):
        def prepare(module, inputs):
            mean = float(inputs[0].mean())
            variance = float(inputs[0].var())
            spread = 0.1 * math.sqrt(variance)
            ranges.set(path + ".running_mean", module.running_mean, mean - spread, mean + spread)
            ranges.set(path + ".running_var", module.running_var, 0.9 * variance, 1.1 * variance)

        return prepare

    handles = [
        module.register_forward_pre_hook(hook(path))
        for path, module in model.named_modules()
        if isinstance(module, nn.BatchNorm2d)
    ]
    model(batch)
    for handle in handles:
        handle.remove()


def check_activations(model, batch):
    """Fails if any layer's output is not finite or far from order one; returns the extremes and the output."""
    deviations = {}

    def hook(path):
        def record(_, __, output):
            output = output[0] if isinstance(output, tuple) else output
            if not torch.isfinite(output).all():
                raise ValueError(f"{path}: not finite")
            deviations[path] = float(output.std())

        return record

    for path, module in model.named_modules():
        if not list(module.children()) and not isinstance(module, (nn.Dropout, nn.Identity)):
            module.register_forward_hook(hook(path))
    output = model(batch)
    gates = (nn.Sigmoid, nn.AdaptiveAvgPool2d)
    modules = dict(model.named_modules())
    judged = {path: value for path, value in deviations.items() if not isinstance(modules[path], gates)}
    smallest, largest = min(judged, key=judged.get), max(judged, key=judged.get)
    return (smallest, judged[smallest]), (largest, judged[largest]), output


def export(model, name, batch, folder):
    with tempfile.TemporaryDirectory() as temporary:
        path = str(pathlib.Path(temporary) / "model.onnx")
        torch.onnx.export(
            model,
            batch,
            path,
            opset_version=17,
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=name in FOLDED,
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
            dynamo=False,
        )
        return onnx.load(path)


def parameter_of(tensor, ranges, state):
    """The parameter an initializer holds: of the same name, or transposed by the exporter under a new name."""
    values = onnx.numpy_helper.to_array(tensor)
    if tensor.name in ranges:
        if not np.array_equal(values, state[tensor.name].numpy()):
            raise ValueError(f"initializer {tensor.name} is not the parameter of that name")
        return tensor.name
    if values.dtype != np.float32 or values.ndim != 2:
        return None
    for name in ranges:
        if state[name].dim() == 2 and np.array_equal(values, state[name].numpy().T):
            return name
    return None


def strip(proto, ranges, state):
    """Removes the values of every parameter and records how to make them again."""
    metadata = {SEED_KEY: str(SEED)}
    found = set()
    for tensor in proto.graph.initializer:
        parameter = parameter_of(tensor, ranges, state)
        if parameter is None:
            if tensor.ByteSize() > 1024:
                raise ValueError(f"no parameter explains the large initializer {tensor.name}")
            continue
        found.add(parameter)
        low, high = ranges[parameter]
        metadata[RANGE_PREFIX + tensor.name] = f"{low!r},{high!r}"
        for field in ("raw_data", "float_data"):
            tensor.ClearField(field)
    missing = set(ranges) - found
    if missing:
        raise ValueError(f"parameters without an initializer: {sorted(missing)}")
    for node in proto.graph.node:
        node.ClearField("doc_string")
    onnx.helper.set_model_props(proto, metadata)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"default: {' '.join(NETWORKS)}")
    default = pathlib.Path(__file__).resolve().parent.parent / "Models"
    parser.add_argument("--output", type=pathlib.Path, default=default)
    parser.add_argument("--float64", action="store_true", help="compare output-b1.npy with a run in float64, where weights keep their names")
    arguments = parser.parse_args()
    torch.backends.mha.set_fastpath_enabled(False)
    torch.set_grad_enabled(False)

    for name in arguments.networks or NETWORKS:
        folder = arguments.output / name
        if arguments.float64 and name in FOLDED:
            continue
        model = torchvision.models.get_model(name, weights=None).eval()
        batch = torch.from_numpy(seeded_input("input", (2, 3, 224, 224), SEED))
        ranges = Ranges()
        set_parameters(model, ranges)
        set_statistics(model, ranges, batch)
        if arguments.float64:
            committed = np.load(folder / "output-b1.npy").astype(np.float64)
            exact = model.double()(batch[:1].double()).numpy()
            error = np.linalg.norm(committed - exact) / np.linalg.norm(exact)
            print(f"{name}: relative L2 error of output-b1.npy against float64 {error:.2e}")
            continue
        proto = export(model, name, batch[:1], folder)
        state = {key: value.clone() for key, value in model.state_dict().items()}
        smallest, largest, output = check_activations(model, batch)
        strip(proto, ranges.ranges, state)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.onnx"
        path.write_bytes(proto.SerializeToString(deterministic=True))
        probabilities = torch.softmax(output, dim=1)
        difference = float((output[0] - output[1]).norm() / output[0].norm())
        print(
            f"{name}: {len(proto.graph.node)} nodes, {path.stat().st_size:,} bytes, layer deviation "
            f"{smallest[1]:.3g} ({smallest[0]}) to {largest[1]:.3g} ({largest[0]}), output deviation "
            f"{float(output.std()):.3g}, largest probability {float(probabilities.max()):.3g}, "
            f"difference between the two images {difference:.2g}"
        )
        if not 0.05 < smallest[1] <= largest[1] < 20 or float(probabilities.max()) > 0.5:
            raise ValueError(f"{name}: the activations leave the sane range")


if __name__ == "__main__":
    main()
