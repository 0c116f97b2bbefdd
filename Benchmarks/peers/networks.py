"""The networks that are measured: their complete files, made once, and their inputs."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "peers"
sys.path.insert(0, str(ROOT / "Scripts"))

LANGUAGE = ["minilm"]
VISION = ["resnet18", "resnet50", "vgg16", "mobilenet_v2", "efficientnet_b0", "vit_b_16"]
SEQUENCE_LENGTH = 128


def names():
    return VISION + LANGUAGE


def graph(network):
    """The graph without weights that the repository holds."""
    return ROOT / "Models" / network / f"{network}.onnx"


def filled(network):
    """The complete ONNX file of a network, made once; language models have their real weights."""
    path = CACHE / f"{network}.onnx"
    if network in LANGUAGE:
        if not path.exists():
            script = ROOT / "Scripts" / f"export_{network}.py"
            subprocess.run([sys.executable, str(script), "--output", str(path)], check=True)
        return path
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

    if network in LANGUAGE:
        import numpy as np

        shape = (batch, SEQUENCE_LENGTH)
        ids = np.floor(seeded_input("input_ids", shape, 1, 0, 30522)).astype(np.int64)
        mask = np.ones(shape, np.int64)
        mask[2::3, SEQUENCE_LENGTH // 2 :] = 0
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros(shape, np.int64)}
    return {"input": seeded_input("input", (batch, 3, 224, 224), 1)}


def quantized(network, qoperator=False):
    """A network with uint8 activations and int8 weights per channel, made once by ONNX Runtime.

    Vision models are in Q/DQ form or made of quantized operators, language models quantize their activations dynamically.
    """
    if qoperator and network in LANGUAGE:
        raise LookupError("language models are quantized dynamically only")
    path = CACHE / f"{network}-int8{'-qoperator' if qoperator else ''}.onnx"
    source = filled(network)
    if not path.exists() or path.stat().st_mtime < source.stat().st_mtime:
        from quantize import quantize, quantize_dynamically, seeded_batches

        temporary = path.with_suffix(".partial")
        if network in LANGUAGE:
            quantize_dynamically(source, temporary)
        else:
            quantize(source, temporary, seeded_batches("input", (1, 3, 224, 224), 4), qoperator=qoperator)
        temporary.rename(path)
    return path
