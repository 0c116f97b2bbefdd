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
    """The Q/DQ version of a network, int8 per channel.

    Raises LookupError where there is none.
    """
    path = CACHE / f"{network}-int8.onnx"
    if not path.exists():
        raise LookupError("there is no quantized model")
    return path
