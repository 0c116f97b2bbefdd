#!/usr/bin/env python3
"""Measures matrix products and convolutions of common networks one by one, beside the peak of the same run."""

import argparse
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "peers"))
FOLDER = ROOT / ".cache" / "kernels"

# rows, columns, depth
GEMMS = [(1536, 1536, 1536), (768, 768, 768), (384, 384, 384), (197, 3072, 768), (197, 768, 3072), (128, 1536, 384)]
# height = width, input channels, output channels, kernel, stride, groups
CONVOLUTIONS = [
    (224, 3, 64, 7, 2, 1), (224, 64, 64, 3, 1, 1), (112, 128, 128, 3, 1, 1),
    (56, 64, 64, 3, 1, 1), (28, 128, 128, 3, 1, 1), (14, 256, 256, 3, 1, 1), (7, 512, 512, 3, 1, 1),
    (56, 128, 128, 3, 2, 1), (14, 512, 512, 3, 2, 1),
    (56, 64, 256, 1, 1, 1), (56, 256, 64, 1, 1, 1), (28, 512, 128, 1, 1, 1), (14, 1024, 256, 1, 1, 1),
    (7, 2048, 512, 1, 1, 1), (14, 576, 96, 1, 1, 1), (7, 960, 320, 1, 1, 1),
    (112, 32, 32, 3, 1, 32), (28, 192, 192, 3, 1, 192), (14, 672, 672, 5, 1, 672), (7, 960, 960, 3, 1, 960),
]


def gemm_model(rows, columns, depth):
    import numpy as np
    from onnx import helper, numpy_helper

    weights = np.random.default_rng(1).uniform(-1, 1, (depth, columns)).astype(np.float32)
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="kernel")
    return model(node, [rows, depth], [rows, columns], numpy_helper.from_array(weights, "w"))


def convolution_model(extent, inputs, outputs, kernel, stride, groups):
    import numpy as np
    from onnx import helper, numpy_helper

    shape = (outputs, inputs // groups, kernel, kernel)
    weights = np.random.default_rng(1).uniform(-0.1, 0.1, shape).astype(np.float32)
    node = helper.make_node(
        "Conv", ["x", "w"], ["y"], name="kernel", kernel_shape=[kernel, kernel], strides=[stride, stride],
        pads=[kernel // 2] * 4, group=groups,
    )
    result = (extent - 1) // stride + 1
    return model(node, [1, inputs, extent, extent], [1, outputs, result, result], numpy_helper.from_array(weights, "w"))


def model(node, source, result, weights):
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [node], "kernel",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, source)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, result)],
        [weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def measure(name, build, arguments):
    """The kernel's layer in `apus bench --profile-layers`, and the roof that the command measured."""
    import onnx

    path = FOLDER / (re.sub(r"[^a-z0-9]+", "-", name.lower()) + ".onnx")
    if not path.exists():
        onnx.save(build(), path)
    command = [arguments.apus, "bench", path, "--device", arguments.device, "--iterations", "20", "--profile-layers"]
    command += ["--json", "-"] + [option for name in arguments.disable_pass for option in ("--disable-pass", name)]
    values = {**os.environ, "POCL_MAX_PTHREAD_COUNT": str(arguments.threads)}
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=values)
    if result.returncode != 0:
        raise RuntimeError((result.stderr.strip().splitlines() or ["no message"])[-1])
    report = json.loads(result.stdout)
    layer = next(layer for layer in report["layers"] if layer["node"] == "kernel")
    return report, layer


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--apus", default=str(ROOT / ".build" / "release" / "apus"), help="the command to measure")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--disable-pass", action="append", default=[], help="passed on, such as winograd")
    parser.add_argument("--machine", help="the machine's name in the file name, instead of its processor")
    parser.add_argument("--no-save", action="store_true", help="print only; leave Benchmarks/results alone")
    arguments = parser.parse_args()
    import bench_peers

    bench_peers.enter_environment()
    FOLDER.mkdir(parents=True, exist_ok=True)
    cases = [(f"MatMul {m} x {n} x {k}", lambda m=m, n=n, k=k: gemm_model(m, n, k)) for m, n, k in GEMMS]
    for extent, inputs, outputs, kernel, stride, groups in CONVOLUTIONS:
        name = f"Conv {extent}x{extent} {inputs} -> {outputs}, {kernel}x{kernel}"
        name += (f", stride {stride}" if stride > 1 else "") + (f", {groups} groups" if groups > 1 else "")
        shape = (extent, inputs, outputs, kernel, stride, groups)
        cases.append((name, lambda shape=shape: convolution_model(*shape)))
    rows, device = [], "no device"
    for name, build in cases:
        report, layer = measure(name, build, arguments)
        device = report["device"]
        rows.append({"case": name, **layer, "roof": report["roof"]})
        print(f"{name}: {layer['gigaflopsPerSecond']:.0f} GFLOP/s", file=sys.stderr, flush=True)
    lines = [
        f"# Kernels, {datetime.date.today().isoformat()}",
        "",
        f"{bench_peers.processor()}, {arguments.threads} threads, {device}, fp32. Work is counted as the operator defines it; "
        "peak: float32 multiply-adds from registers, measured in the same process.",
        "",
        "| case | ms | GFLOP/s | of the peak | GB/s | kernels |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        peak = row["roof"]["operationsPerSecond"] / 1e9
        lines.append(
            f"| {row['case']} | {row['milliseconds']:.3f} | {row['gigaflopsPerSecond']:.0f} | "
            f"{row['gigaflopsPerSecond'] / peak * 100:.0f} % | {row['gigabytesPerSecond']:.1f} | {' '.join(row['kernels'])} |"
        )
    text = "\n".join(lines)
    print(text)
    if not arguments.no_save:
        slug = re.sub(r"[^a-z0-9]+", "-", (arguments.machine or bench_peers.processor()).lower()).strip("-")
        path = ROOT / "Benchmarks" / "results" / f"{datetime.date.today().isoformat()}-{slug}-kernels"
        path.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")
        path.with_suffix(".md").write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
