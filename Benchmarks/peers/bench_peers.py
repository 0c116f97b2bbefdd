#!/usr/bin/env python3
"""Measures Apus beside ONNX Runtime, OpenVINO and MNN on the same files, inputs and cores, and judges the answers."""

import argparse
import datetime
import itertools
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".cache" / "peers"
ENVIRONMENTS = {"venv": HERE / "requirements.txt", "venv-mnn": HERE / "requirements-mnn.txt"}
PEERS = {
    "fp32": ["onnxruntime", "openvino", "mnn"],
    "bf16": ["openvino"],
    "int8": ["onnxruntime", "openvino"],
    "int8-qoperator": ["onnxruntime"],
}
NAMES = {"apus": "Apus", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "mnn": "MNN"}
FP32_TOLERANCE = 1e-4
BF16_FACTOR = 1.2


def python_of(environment):
    return CACHE / environment / "bin" / "python"


def install(environment):
    """Makes a virtual environment that holds the pinned packages, unless it is there."""
    requirements = ENVIRONMENTS[environment].read_text()
    installed = CACHE / environment / "requirements.txt"
    if installed.exists() and installed.read_text() == requirements:
        return
    print("==> installing", ", ".join(requirements.split()), file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(CACHE / environment)], check=True)
    pip = [str(python_of(environment)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run(pip + ["-r", str(ENVIRONMENTS[environment])], check=True)
    installed.write_text(requirements)


def enter_environment():
    """Restarts this script in the environment of its packages."""
    if pathlib.Path(sys.prefix).resolve() == (CACHE / "venv").resolve():
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    for environment in ENVIRONMENTS:
        install(environment)
    python = python_of("venv")
    os.execv(python, [str(python), *sys.argv])


def run(command, threads):
    values = dict(os.environ)
    values["POCL_MAX_PTHREAD_COUNT"] = str(threads)
    values["OMP_NUM_THREADS"] = str(threads)
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=values)
    if result.returncode != 0:
        lines = (result.stderr or result.stdout).strip().splitlines()
        raise RuntimeError(f"exit {result.returncode}: {lines[-1] if lines else 'no message'}")
    return result.stdout


class Row:
    """One network, batch and precision: what it runs on and what came out."""

    def __init__(self, network, batch, precision, arguments):
        import networks
        import numpy as np

        self.network, self.batch, self.precision = network, batch, precision
        self.arguments = arguments
        self.engines = ["apus"] + [name for name in PEERS[precision] if name in arguments.engines]
        if precision.startswith("int8"):
            self.model = networks.quantized(network, qoperator=precision == "int8-qoperator")
        else:
            self.model = networks.filled(network)
        self.folder = CACHE / "runs" / f"{network}-{precision}-b{batch}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.inputs = networks.inputs(network, batch)
        np.savez(self.folder / "inputs.npz", **self.inputs)
        for name, array in self.inputs.items():
            np.save(self.folder / f"{name}.npy", array)
        self.samples = {engine: [] for engine in self.engines}
        self.failures = {}

    def __str__(self):
        return f"{self.network} {self.precision} batch {self.batch}"

    def apus(self, command, *options):
        inputs = [f"--input={name}={self.folder / name}.npy" for name in self.inputs]
        precision = "model" if self.precision.startswith("int8") else self.precision
        return [
            self.arguments.apus, command, self.model, "--device", self.arguments.device, "--precision", precision,
            *inputs, *options,
        ]

    def measure(self, engine):
        counts = ["--iterations", self.arguments.iterations, "--warmup", self.arguments.warmup]
        if engine == "apus":
            return json.loads(run(self.apus("bench", "--json", "-", *counts), self.arguments.threads))
        environment = "venv-mnn" if engine == "mnn" else "venv"
        command = [python_of(environment), HERE / "engines.py", engine, self.model]
        command += [self.folder / "inputs.npz", self.folder / f"{engine}.npz", "--precision", self.precision]
        output = run(command + ["--threads", self.arguments.threads, *counts], self.arguments.threads)
        return json.loads(output.strip().splitlines()[-1])

    def step(self, engine):
        if engine in self.failures:
            return
        try:
            self.samples[engine].append(self.measure(engine))
        except (RuntimeError, ValueError) as error:
            self.failures[engine] = str(error)
            print(f"{self}: {engine}: {error}", file=sys.stderr)

    def outputs(self, engine):
        """The outputs of an engine by name, those of Apus from a run of their own."""
        import numpy as np

        if engine != "apus":
            return dict(np.load(self.folder / f"{engine}.npz"))
        return self.run_apus(self.folder / "apus", "--device", self.arguments.device)

    def run_apus(self, folder, *options):
        import numpy as np

        folder.mkdir(exist_ok=True)
        run(self.apus("run", "--output-dir", folder, *options), self.arguments.threads)
        return {path.stem: np.load(path) for path in folder.glob("*.npy")}

    def error(self, found, expected):
        """The largest relative L2 error of an output; MNN is free to rename a single output."""
        import numpy as np

        if len(found) == 1 and len(expected) == 1:
            pairs = [(next(iter(found.values())), next(iter(expected.values())))]
        else:
            pairs = [(found[name], expected[name]) for name in expected]
        worst = 0.0
        for one, other in pairs:
            if one.shape != other.shape:
                return float("inf")
            other = other.astype(np.float64)
            worst = max(worst, float(np.linalg.norm(one - other) / np.linalg.norm(other)))
        return worst

    def judge(self):
        """Distances of all engines from the fp32 answer, and whether that of Apus is good enough to count."""
        errors = {}
        try:
            expected = self.expected()
        except (RuntimeError, ValueError, OSError) as error:
            self.failures["reference"] = str(error)
            return errors, False
        for engine in self.engines:
            if engine in self.failures or not self.samples[engine]:
                continue
            try:
                errors[engine] = self.error(self.outputs(engine), expected)
            except (RuntimeError, ValueError, KeyError, OSError) as error:
                self.failures[engine] = str(error)
        if "apus" not in errors:
            return errors, False
        bounds = {
            "fp32": FP32_TOLERANCE,
            "bf16": BF16_FACTOR * errors.get("openvino", 0),
            "int8": errors.get("onnxruntime", 0),
            "int8-qoperator": errors.get("onnxruntime", 0),
        }
        return errors, errors["apus"] <= bounds[self.precision]

    def expected(self):
        """What the network answers in fp32: Apus's own reference for a batch of one, else ONNX Runtime in fp32."""
        import networks
        import numpy as np

        float_model = networks.filled(self.network)
        folder = CACHE / "runs" / f"{self.network}-expected-b{self.batch}"
        if not any(folder.glob("*.npy")) or folder.stat().st_mtime < float_model.stat().st_mtime:
            if self.batch == 1:
                model, self.model = self.model, float_model
                precision, self.precision = self.precision, "fp32"
                try:
                    return self.run_apus(folder, "--device", "reference")
                finally:
                    self.model, self.precision = model, precision
            folder.mkdir(exist_ok=True)
            import onnxruntime

            session = onnxruntime.InferenceSession(str(float_model), providers=["CPUExecutionProvider"])
            for output, value in zip(session.get_outputs(), session.run(None, self.inputs)):
                np.save(folder / f"{output.name}.npy", value)
        return {path.stem: np.load(path) for path in folder.glob("*.npy")}

    def report(self):
        errors, counts = self.judge()
        result = {"network": self.network, "batch": self.batch, "precision": self.precision, "engines": {}}
        for engine in self.engines:
            samples = self.samples[engine]
            entry = {"relative_l2_error": errors.get(engine), "error": self.failures.get(engine)}
            if samples:
                rounds = [sample["latency_ms"]["median"] for sample in samples]
                entry["median_ms"] = statistics.median(rounds)
                entry["rounds_ms"] = rounds
                for key in ("load_ms", "first_run_ms", "peak_rss_bytes"):
                    entry[key] = statistics.median(sample[key] for sample in samples)
            result["engines"][engine] = entry
        peers = {name: entry["median_ms"] for name, entry in result["engines"].items()
                 if name != "apus" and "median_ms" in entry}
        best = min(peers, key=peers.get) if peers else None
        own = result["engines"]["apus"].get("median_ms")
        result["best_peer"] = best
        result["ratio"] = own / peers[best] if best and own else None
        result["counts"] = counts
        result["device"] = sorted({str(sample["device"]) for sample in self.samples["apus"]})
        return result


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def describe(arguments):
    from importlib.metadata import version

    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    pinned = dict(line.split("==") for line in ENVIRONMENTS["venv-mnn"].read_text().split())
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": processor(),
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "iterations": arguments.iterations,
        "system": platform.platform(),
        "versions": {
            "apus": commit.stdout.strip() or "unknown",
            "onnxruntime": version("onnxruntime"),
            "openvino": version("openvino"),
            "mnn": pinned["MNN"],
        },
    }


def markdown(report):
    versions = report["versions"]
    devices = sorted({device for row in report["results"] for device in row["device"]})
    engines = ["apus"] + [name for name in NAMES if any(name in row["engines"] for row in report["results"])][1:]
    lines = [
        f"# Apus beside other engines, {report['date']}",
        "",
        f"{report['cpu']}, {report['threads']} threads, {report['system']}; Apus {versions['apus']} on "
        f"{', '.join(devices) or 'no device'}, "
        + ", ".join(f"{NAMES[name]} {versions[name]}" for name in engines[1:]) + ".",
        f"Milliseconds an inference of the whole batch: medians over {report['rounds']} interleaved rounds of the "
        f"median of {report['iterations']} runs. The ratio is Apus's time to that of the fastest peer; it counts only "
        "if Apus's answers of the same run are right (error: relative L2 distance from the fp32 answer).",
        "",
        "| network | precision | batch | " + " | ".join(NAMES[name] for name in engines) + " | ratio | error |",
        "|---|---|---|" + "---|" * (len(engines) + 2),
    ]
    for row in report["results"]:
        cells = [row["network"], row["precision"], str(row["batch"])]
        for name in engines:
            entry = row["engines"].get(name)
            median = entry.get("median_ms") if entry else None
            cells.append(f"{median:.2f}" if median else "failed" if entry else "")
        cells.append((f"{row['ratio']:.2f}" if row["counts"] else "wrong answers") if row["ratio"] else "-")
        error = row["engines"]["apus"]["relative_l2_error"]
        cells.append(f"{error:.1e}" if error is not None else "-")
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "Start with warm caches: milliseconds from loading the model to its first answer, and the peak of resident memory "
        "in MiB.",
        "",
        "| network | precision | batch | " + " | ".join(f"{NAMES[name]} start | memory" for name in engines) + " |",
        "|---|---|---|" + "---|" * (2 * len(engines)),
    ]
    for row in report["results"]:
        cells = [row["network"], row["precision"], str(row["batch"])]
        for name in engines:
            entry = row["engines"].get(name) or {}
            if "load_ms" in entry:
                cells += [f"{entry['load_ms'] + entry['first_run_ms']:.0f}", f"{entry['peak_rss_bytes'] >> 20:.0f}"]
            else:
                cells += ["", ""]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def save(report, text, arguments):
    slug = re.sub(r"[^a-z0-9]+", "-", (arguments.machine or report["cpu"]).lower()).strip("-")
    name = f"{report['date']}-{slug}-{arguments.threads}threads"
    if arguments.label:
        name += f"-{arguments.label}"
    results = ROOT / "Benchmarks" / "results"
    results.mkdir(exist_ok=True)
    (results / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")
    (results / f"{name}.md").write_text(text + "\n")


def bench(arguments):
    rows = []
    for network, precision, batch in itertools.product(arguments.networks, arguments.precision, arguments.batch):
        try:
            rows.append(Row(network, batch, precision, arguments))
        except (LookupError, OSError) as error:
            print(f"{network} {precision} batch {batch}: {error}", file=sys.stderr)
    for number in range(arguments.rounds):
        for row in rows:
            for engine in row.engines if number % 2 == 0 else reversed(row.engines):
                row.step(engine)
            print(f"round {number + 1}/{arguments.rounds}: {row} done", file=sys.stderr, flush=True)
    report = {**describe(arguments), "results": [row.report() for row in rows]}
    text = markdown(report)
    print(text)
    if not arguments.no_save:
        save(report, text, arguments)
    return 1 if any(row.failures for row in rows) else 0


def check(arguments):
    """Compares Apus with ONNX Runtime, for one and two images."""
    failed = False
    arguments.engines = ["onnxruntime"]
    arguments.iterations, arguments.warmup = 1, 0
    print("| network | batch | relative L2 error | result |\n|---|---|---|---|")
    for network, batch in itertools.product(arguments.networks, (1, 2)):
        row = Row(network, batch, "fp32", arguments)
        try:
            row.measure("onnxruntime")
            value = row.error(row.outputs("apus"), row.outputs("onnxruntime"))
            good = value < arguments.tolerance
            text = f"{value:.2e} | {'ok' if good else 'too large'}"
        except RuntimeError as error:
            good, text = False, f"- | {error}"
        failed = failed or not good
        print(f"| {network} | {batch} | {text} |", flush=True)
    return 2 if failed else 0


def words(text):
    return [word for word in text.split(",") if word]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="default: all")
    parser.add_argument("--check", action="store_true", help="compare outputs with ONNX Runtime's instead of times")
    parser.add_argument("--tolerance", type=float, default=FP32_TOLERANCE, help="relative L2 error that --check allows")
    parser.add_argument("--precision", type=words, default=["fp32"], help="a comma list of fp32, bf16, int8, int8-qoperator")
    parser.add_argument("--batch", type=lambda text: [int(word) for word in words(text)], default=[1],
                        help="a comma list of batch sizes")
    parser.add_argument("--engines", type=words, default=["onnxruntime", "openvino", "mnn"], help="a comma list of peers")
    parser.add_argument("--apus", default=str(ROOT / ".build" / "release" / "apus"), help="the command to measure")
    parser.add_argument("--device", default="auto", help="the device of Apus")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--machine", help="the machine's name in the file names, instead of its processor")
    parser.add_argument("--label", help="a further word in the file names")
    parser.add_argument("--no-save", action="store_true", help="print only; leave Benchmarks/results alone")
    arguments = parser.parse_args()
    enter_environment()
    import networks

    unknown = [name for name in arguments.networks if name not in networks.names()]
    unknown += [name for name in arguments.precision if name not in PEERS]
    unknown += [name for name in arguments.engines if name not in NAMES]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(networks.names())}")
    arguments.networks = arguments.networks or networks.names()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < arguments.threads:
        parser.error(f"{arguments.threads} threads asked for, {len(cores)} cores usable")
    os.sched_setaffinity(0, cores[: arguments.threads])
    return check(arguments) if arguments.check else bench(arguments)


if __name__ == "__main__":
    sys.exit(main())
