"""One measurement of one engine in a process of its own: loads a model, runs it, prints JSON, saves the outputs.

usage: engines.py ENGINE MODEL INPUTS.npz OUTPUTS.npz --precision P --threads N --iterations N --warmup N
"""

import argparse
import json
import multiprocessing
import pathlib
import statistics
import time

import numpy as np


class OnnxRuntime:
    """ONNX Runtime on the CPU with all its optimisations and sequential execution."""

    def __init__(self, path, feed, precision, threads):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.feed = feed
        self.names = [output.name for output in self.session.get_outputs()]

    def run(self):
        return dict(zip(self.names, self.session.run(None, self.feed)))


class OpenVINO:
    """OpenVINO on the CPU, one stream, shapes fixed before compiling; its precision is asked for, never its default."""

    def __init__(self, path, feed, precision, threads):
        import openvino

        core = openvino.Core()
        model = core.read_model(str(path))
        model.reshape({name: list(array.shape) for name, array in feed.items()})
        self.model = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
                "PERFORMANCE_HINT": "LATENCY",
            },
        )
        self.request = self.model.create_infer_request()
        self.feed = feed

    def run(self):
        result = self.request.infer(self.feed)
        return {output.get_any_name(): value for output, value in result.items()}


def convert_to_mnn(path, converted):
    """Writes MNN's version of an ONNX file.

    The converter is called inside its module: the wrapper installs packages and reports usage.
    """
    import _tools

    partial = converted.with_suffix(".partial")
    _tools.mnnconvert(["mnnconvert", "-f", "ONNX", "--modelFile", str(path), "--MNNModel", str(partial)])
    partial.rename(converted)


class MNN:
    """MNN on the CPU in full precision."""

    def __init__(self, path, feed, precision, threads):
        import MNN as mnn

        converted = path.with_suffix(".mnn")
        if not converted.exists() or converted.stat().st_mtime < path.stat().st_mtime:
            # In a process of its own, or its memory would count.
            process = multiprocessing.get_context("spawn").Process(target=convert_to_mnn, args=(path, converted))
            process.start()
            process.join()
            if process.exitcode != 0:
                raise RuntimeError(f"MNN's converter ended with {process.exitcode}")
        self.mnn = mnn
        self.started = time.perf_counter()
        self.interpreter = mnn.Interpreter(str(converted))
        self.session = self.interpreter.createSession(
            {"backend": "CPU", "numThread": threads, "precision": "low" if precision == "bf16" else "high"}
        )
        self.tensors = {}
        for name, array in feed.items():
            tensor = self.interpreter.getSessionInput(self.session, name)
            self.interpreter.resizeTensor(tensor, tuple(array.shape))
            self.tensors[name] = tensor
        self.interpreter.resizeSession(self.session)
        kinds = {"float32": mnn.Halide_Type_Float, "int64": mnn.Halide_Type_Int, "int32": mnn.Halide_Type_Int}
        self.sources = {}
        for name, array in feed.items():
            values = array.astype(np.int32) if array.dtype == np.int64 else array
            kind = kinds[str(values.dtype)]
            self.sources[name] = mnn.Tensor(tuple(values.shape), kind, values, mnn.Tensor_DimensionType_Caffe)

    def run(self):
        for name, source in self.sources.items():
            self.tensors[name].copyFrom(source)
        self.interpreter.runSession(self.session)
        outputs = {}
        for name, tensor in self.interpreter.getSessionOutputAll(self.session).items():
            shape = tensor.getShape()
            target = self.mnn.Tensor(
                shape, tensor.getDataType(), np.zeros(shape, np.float32), self.mnn.Tensor_DimensionType_Caffe
            )
            tensor.copyToHostTensor(target)
            outputs[name] = np.array(target.getNumpyData(), copy=True).reshape(shape)
        return outputs


def peak_resident_bytes():
    """The peak of resident memory of this program; ru_maxrss would begin with that of the process that started it."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM")


ENGINES = {"onnxruntime": OnnxRuntime, "openvino": OpenVINO, "mnn": MNN}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("inputs", type=pathlib.Path)
    parser.add_argument("outputs", type=pathlib.Path)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=3)
    arguments = parser.parse_args()

    feed = dict(np.load(arguments.inputs))
    started = time.perf_counter()
    engine = ENGINES[arguments.engine](arguments.model, feed, arguments.precision, arguments.threads)
    loaded = time.perf_counter()
    outputs = engine.run()
    first = time.perf_counter()
    np.savez(arguments.outputs, **outputs)
    for _ in range(arguments.warmup):
        engine.run()
    latencies = []
    for _ in range(arguments.iterations):
        begin = time.perf_counter()
        engine.run()
        latencies.append((time.perf_counter() - begin) * 1000)
    print(
        json.dumps(
            {
                "load_ms": (loaded - getattr(engine, "started", started)) * 1000,
                "first_run_ms": (first - loaded) * 1000,
                "latency_ms": {"median": statistics.median(latencies)},
                "peak_rss_bytes": peak_resident_bytes(),
            }
        )
    )


if __name__ == "__main__":
    main()
