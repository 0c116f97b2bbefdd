"""The networks that are measured: their complete files, made once, and their inputs."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "peers"
sys.path.insert(0, str(ROOT / "Scripts"))

VISION = ["resnet18", "resnet50", "vgg16", "mobilenet_v2", "efficientnet_b0", "vit_b_16"]
SEQUENCE_LENGTH = 128


def names():
    return VISION


def graph(network):
    """The graph without weights that the repository holds."""
    return ROOT / "Models" / network / f"{network}.onnx"


def filled(network):
    """The complete ONNX file of a network, made once."""
    path = CACHE / f"{network}.onnx"
    if not path.exists() or path.stat().st_mtime < graph(network).stat().st_mtime:
        import onnx

        from fill_weights import fill

        model = onnx.load(graph(network))
        fill(model)
        temporary = path.with_suffix(".partial")
        onnx.save(model, temporary)
        temporary.rename(path)
    return path


def inputs(network, batch):
    """What every engine is given: input names and arrays, the first of a batch being that of a batch of one."""
    from fill_weights import seeded_input

    return {"input": seeded_input("input", (batch, 3, 224, 224), 1)}


def quantized(network):
    """The Q/DQ version of a network, uint8 activations and int8 weights per channel, made once by ONNX Runtime."""
    path = CACHE / f"{network}-int8.onnx"
    source = filled(network)
    if not path.exists() or path.stat().st_mtime < source.stat().st_mtime:
        from quantize import quantize, seeded_batches

        temporary = path.with_suffix(".partial")
        quantize(source, temporary, seeded_batches("input", (1, 3, 224, 224), 4))
        temporary.rename(path)
    return path
