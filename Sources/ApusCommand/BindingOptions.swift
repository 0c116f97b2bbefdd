import Apus
import ApusGraph
import ApusOperators
import ApusTensor
import ArgumentParser
import Foundation

/// The options of every command that binds a model to a device.
struct BindingOptions: ParsableArguments {
    @Option(
        help: """
            auto, reference, opencl:N, opencl:gpu, opencl:cpu or opencl:NAME (part of a device's name); several, \
            separated by commas, where a placement uses them.
            """
    )
    var device = "auto"

    @Option(
        help: """
            How float32 values between inputs and outputs are stored: model (as they are), fp32 (the same, for models \
            that hold float32 alone), bf16 or fp16.
            """
    )
    var precision = "model"

    @Option(help: "The most threads of the reference and of OpenCL on the CPU by pocl (default: all cores).")
    var threads: Int?

    @Option(name: .customLong("disable-pass"), help: "Leave out a compiler pass; may be repeated.")
    var disabledPasses: [String] = []

    @Option(
        name: .customLong("shape"),
        help: ArgumentHelp(
            "The shape of an input, such as input=1x3x224x224; may be repeated.",
            valueName: "name=shape"
        )
    )
    var shapes: [String] = []

    func validate() throws {
        _ = try selections()
        _ = try givenShapes()
        guard ["model", "fp32", "tf32", "bf16", "fp16", "int8"].contains(precision) else {
            throw ValidationError("\"\(precision)\" is no precision; use model, fp32, bf16 or fp16")
        }
        guard threads.map({ (1...65536).contains($0) }) ?? true else {
            throw ValidationError("--threads must lie within 1 ... 65536")
        }
    }

    /// The devices, in the order given.
    ///
    /// - Throws: `ValidationError` for a device selection that cannot be read.
    func selections() throws -> [DeviceSelection] {
        try device.split(separator: ",", omittingEmptySubsequences: false).map { text in
            guard let selection = DeviceSelection(text.trimmingCharacters(in: .whitespaces)) else {
                throw ValidationError(
                    "\"\(text)\" is no device; use auto, reference, opencl:N, opencl:gpu, opencl:cpu or opencl:NAME"
                )
            }
            return selection
        }
    }

    /// The devices, the passes and the precision; all else is the default.
    ///
    /// - Throws: `ValidationError` for a device selection that cannot be read.
    func sessionOptions() throws -> Session.Options {
        var options = Session.Options(
            devices: try selections(),
            placement: .single,
            disabledPasses: Set(disabledPasses)
        )
        options.precision = Session.Precision(rawValue: precision) ?? .model
        return options
    }

    /// Sets the process up for `--threads`, before the first OpenCL call.
    func limitDeviceThreads() {
        guard let threads else { return }
        limitThreads(threads)
        // pocl reads these at its first call; the name changed with its version 4.
        for name in ["POCL_MAX_PTHREAD_COUNT", "POCL_CPU_MAX_CU_COUNT"] { setenv(name, String(threads), 1) }
    }

    /// Loads the model, once the process is set up as the options say.
    ///
    /// - Throws: `ModelError` if the model is wrong or not to be had in the precision asked for.
    func loadModel(_ path: String) throws -> Model {
        limitDeviceThreads()
        guard ["model", "fp32", "bf16", "fp16"].contains(precision) else {
            throw ModelError(
                .unsupported,
                "the precision \(precision) is not supported; supported are model, fp32, bf16 and fp16",
                file: path
            )
        }
        let loaded = try Model.load(path)
        if precision == "fp32", let other = elementTypes(loaded.graph).first(where: { $0 != .float32 }) {
            throw ModelError(
                .unsupported,
                "the model holds \(other), which --precision fp32 does not convert; use --precision model",
                file: path
            )
        }
        return loaded
    }

    /// The types of real numbers that a graph holds.
    private func elementTypes(_ graph: Graph) -> [ElementType] {
        var types: [ElementType] = []
        for value in graph.values { if case .tensor(let type, _)? = value.type { types.append(type) } }
        for value in graph.constants.values { if case .tensor(let tensor) = value { types.append(tensor.elementType) } }
        for node in graph.nodes {
            if node.operatorType == "Cast", let code = node.attributes.values["to"], case .int(let raw) = code {
                if let type = ElementType(rawValue: Int32(clamping: raw)) { types.append(type) }
            }
            for body in node.attributes.subgraphs { types += elementTypes(body.subgraph.graph) }
        }
        return types.filter(\.isFloatingPoint)
    }

    /// The shapes given by `--shape`.
    ///
    /// - Throws: `ValidationError` for text that is no shape.
    func givenShapes() throws -> [String: [Int]] {
        var result: [String: [Int]] = [:]
        for text in shapes {
            guard let separator = text.lastIndex(of: "="), separator != text.startIndex else {
                throw ValidationError("--shape \(text): expected NAME=1x3x224x224")
            }
            let value = text[text.index(after: separator)...]
            let extents = value.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
            let shape = extents.compactMap { $0 }.filter { $0 >= 0 }
            guard shape.count == extents.count else {
                throw ValidationError("--shape \(text): expected NAME=1x3x224x224")
            }
            result[String(text[..<separator])] = shape
        }
        return result
    }
}
