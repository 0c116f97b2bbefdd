#!/usr/bin/env python3
"""Measures Apus and ONNX Runtime on the same networks, weights and cores, or compares their outputs (--check)."""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "peers"
REQUIREMENTS = pathlib.Path(__file__).with_name("requirements.txt")
NETWORKS = ["resnet18", "resnet50", "mobilenet_v2", "efficientnet_b0", "vgg16"]
INPUT = "input"


def enter_environment():
    """Restarts this script in a virtual environment of its own that holds the pinned packages."""
    folder = CACHE / "venv"
    if pathlib.Path(sys.prefix).resolve() == folder.resolve():
        return
    python = folder / "bin" / "python"
    installed = folder / "requirements.txt"
    if not installed.exists() or installed.read_text() != REQUIREMENTS.read_text():
        print("==> installing", ", ".join(REQUIREMENTS.read_text().split()), file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(REQUIREMENTS)]
        subprocess.run(pip, check=True)
        installed.write_text(REQUIREMENTS.read_text())
    os.execv(python, [str(python), *sys.argv])


def filled(network):
    """The complete ONNX file of a network, made once."""
    graph = ROOT / "Models" / network / f"{network}.onnx"
    path = CACHE / f"{network}.onnx"
    if not path.exists() or path.stat().st_mtime < graph.stat().st_mtime:
        import onnx

        from fill_weights import fill

        model = onnx.load(graph)
        fill(model)
        temporary = path.with_suffix(".partial")
        onnx.save(model, temporary)
        temporary.rename(path)
    return path


def seeded(batch):
    from fill_weights import seeded_input

    return seeded_input(INPUT, (batch, 3, 224, 224), 1)


def onnx_runtime_session(path, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def measure_onnx_runtime(arguments):
    """Runs in a process of its own and prints latencies in milliseconds."""
    started = time.perf_counter()
    session = onnx_runtime_session(arguments.measure, arguments.threads)
    load = time.perf_counter() - started
    feed = {INPUT: seeded(arguments.batch)}
    for _ in range(arguments.warmup):
        session.run(None, feed)
    latencies = []
    for _ in range(arguments.iterations):
        started = time.perf_counter()
        session.run(None, feed)
        latencies.append((time.perf_counter() - started) * 1000)
    print(json.dumps({"load_ms": load * 1000, "latency_ms": {"median": statistics.median(latencies)}}))


def environment(threads):
    values = dict(os.environ)
    values["POCL_MAX_PTHREAD_COUNT"] = str(threads)
    values["OMP_NUM_THREADS"] = str(threads)
    return values


def run_json(command, threads):
    result = subprocess.run(command, capture_output=True, text=True, env=environment(threads))
    if result.returncode != 0:
        lines = (result.stderr or result.stdout).strip().splitlines()
        raise RuntimeError(f"exit {result.returncode}: {lines[-1] if lines else 'no message'}")
    return json.loads(result.stdout)


def measure(engine, network, arguments):
    counts = ["--iterations", str(arguments.iterations), "--warmup", str(arguments.warmup)]
    path = str(filled(network))
    if engine == "onnxruntime":
        command = [sys.executable, __file__, "--measure", path, "--batch", str(arguments.batch)]
        command += ["--threads", str(arguments.threads)]
    else:
        shape = f"{INPUT}={arguments.batch}x3x224x224"
        command = [arguments.apus, "bench", path, "--json", "-", "--shape", shape, "--device", arguments.device]
    return run_json(command + counts, arguments.threads)


def first_line(path, key):
    try:
        for line in pathlib.Path(path).read_text().splitlines():
            if line.startswith(key):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def describe(arguments):
    from importlib.metadata import version

    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": first_line("/proc/cpuinfo", "model name"),
        "threads": arguments.threads,
        "batch": arguments.batch,
        "rounds": arguments.rounds,
        "iterations": arguments.iterations,
        "system": platform.platform(),
        "apus": commit.stdout.strip() or "unknown",
        "onnxruntime": version("onnxruntime"),
    }


def bench(arguments):
    engines = ["onnxruntime", "apus"]
    medians = {network: {engine: [] for engine in engines} for network in arguments.networks}
    loads = {network: {engine: [] for engine in engines} for network in arguments.networks}
    failures = {}
    devices = set()
    for network in arguments.networks:
        filled(network)
    for turn in range(arguments.rounds):
        for network in arguments.networks:
            for engine in engines if turn % 2 == 0 else reversed(engines):
                if (network, engine) in failures:
                    continue
                try:
                    result = measure(engine, network, arguments)
                except (RuntimeError, ValueError) as error:
                    failures[network, engine] = str(error)
                    print(f"{network}: {engine}: {error}", file=sys.stderr)
                    continue
                medians[network][engine].append(result["latency_ms"]["median"])
                loads[network][engine].append(result["load_ms"])
                if engine == "apus":
                    devices.add(str(result["device"]))
            print(f"round {turn + 1}/{arguments.rounds}: {network} done", file=sys.stderr)

    rows = []
    for network in arguments.networks:
        row = {"network": network}
        for engine in engines:
            values = medians[network][engine]
            row[engine] = {
                "median_ms": statistics.median(values) if values else None,
                "rounds_ms": values,
                "load_ms": statistics.median(loads[network][engine]) if values else None,
                "error": failures.get((network, engine)),
            }
        pair = [row[engine]["median_ms"] for engine in engines]
        row["ratio"] = pair[1] / pair[0] if all(pair) else None
        rows.append(row)
    report = {**describe(arguments), "device": sorted(devices), "results": rows}
    text = markdown(report)
    print(text)
    if not arguments.no_save:
        slug = re.sub(r"[^a-z0-9]+", "-", arguments.machine or report["cpu"].lower()).strip("-")
        name = f"{report['date']}-{slug}-{arguments.threads}threads-b{arguments.batch}"
        results = ROOT / "Benchmarks" / "results"
        results.mkdir(exist_ok=True)
        (results / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")
        (results / f"{name}.md").write_text(text + "\n")
    return 1 if failures else 0


def markdown(report):
    lines = [
        f"# Apus and ONNX Runtime, {report['date']}",
        "",
        f"{report['cpu']}, {report['threads']} threads, batch {report['batch']}, fp32; Apus {report['apus']} on "
        f"{', '.join(report['device']) or 'no device'}; ONNX Runtime {report['onnxruntime']}; {report['system']}.",
        f"Medians over {report['rounds']} interleaved rounds of the median of {report['iterations']} runs; "
        "in brackets the fastest and slowest round.",
        "",
        "| network | ONNX Runtime ms | Apus ms | Apus / ONNX Runtime |",
        "|---|---|---|---|",
    ]
    for row in report["results"]:
        cells = [row["network"]]
        for engine in ("onnxruntime", "apus"):
            values = row[engine]["rounds_ms"]
            median = row[engine]["median_ms"]
            cells.append(f"{median:.1f} [{min(values):.1f}, {max(values):.1f}]" if values else "failed")
        cells.append(f"{row['ratio']:.2f}" if row["ratio"] else "-")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def check(arguments):
    """Compares Apus with ONNX Runtime on the seeded input, for one and two images."""
    import numpy as np

    def error(found, expected):
        difference = found.astype(np.float64) - expected
        return float(np.linalg.norm(difference) / np.linalg.norm(expected.astype(np.float64)))

    failed = False
    print("| network | batch | relative L2 error | result |\n|---|---|---|---|")
    for network in arguments.networks:
        path = filled(network)
        for batch in (1, 2):
            data = seeded(batch)
            expected = onnx_runtime_session(path, arguments.threads).run(None, {INPUT: data})[0]
            with tempfile.TemporaryDirectory() as folder:
                source = pathlib.Path(folder) / "input.npy"
                np.save(source, data)
                command = [arguments.apus, "run", str(path), "--input", f"{INPUT}={source}", "--output-dir", folder]
                result = subprocess.run(
                    command + ["--device", arguments.device], capture_output=True, text=True,
                    env=environment(arguments.threads),
                )
                if result.returncode == 0:
                    found = np.load(pathlib.Path(folder) / "output.npy")
                    value = error(found, expected) if found.shape == expected.shape else float("inf")
                    good = value < arguments.tolerance
                    text = f"{value:.2e} | {'ok' if good else 'too large'}"
                else:
                    good = False
                    text = f"- | {(result.stderr.strip().splitlines() or ['no message'])[-1]}"
            failed = failed or not good
            print(f"| {network} | {batch} | {text} |", flush=True)
    return 2 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"default: {' '.join(NETWORKS)}")
    parser.add_argument("--check", action="store_true", help="compare outputs instead of times")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="relative L2 error that --check allows")
    parser.add_argument("--apus", default=str(ROOT / ".build" / "release" / "apus"), help="the command to measure")
    parser.add_argument("--device", default="auto", help="the device of Apus")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--machine", help="the machine's name in the file names, instead of its processor")
    parser.add_argument("--no-save", action="store_true", help="print only; leave Benchmarks/results alone")
    parser.add_argument("--measure", metavar="FILE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    enter_environment()
    sys.path.insert(0, str(ROOT / "Scripts"))
    if arguments.measure:
        measure_onnx_runtime(arguments)
        return 0
    unknown = [name for name in arguments.networks if not (ROOT / "Models" / name / f"{name}.onnx").exists()]
    if unknown:
        parser.error(f"no such network in Models: {', '.join(unknown)}")
    arguments.networks = arguments.networks or NETWORKS
    CACHE.mkdir(parents=True, exist_ok=True)
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < arguments.threads:
        parser.error(f"{arguments.threads} threads asked for, {len(cores)} cores usable")
    os.sched_setaffinity(0, cores[: arguments.threads])
    return check(arguments) if arguments.check else bench(arguments)


if __name__ == "__main__":
    sys.exit(main())
