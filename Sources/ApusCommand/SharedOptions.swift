public import Apus
public import ApusDevice
import ApusGraph
import ApusOperators
import ApusTensor
public import ArgumentParser
import Foundation

/// The options of every command that runs or binds a model.
struct SharedOptions: ParsableArguments {
    @Argument(help: "The ONNX file.")
    var model: String

    @Option(
        help: """
            auto, reference, opencl:N, opencl:gpu, opencl:cpu or opencl:NAME (part of a device's name); several, \
            separated by commas, with a placement that uses them.
            """
    )
    var device = "auto"

    @Option(help: "What happens to operators without a kernel: node, device or never.")
    var fallback: Session.Fallback = .node

    @Flag(help: "The same as --fallback never.")
    var strict = false

    @Option(
        help: ArgumentHelp(
            """
            Where nodes run: single (all on one device), even or pipeline (one stage a device, of equal time), replicate \
            (a copy on each device), or a file that names the stages, their devices and layers.
            """,
            valueName: "file|name"
        )
    )
    var placement = "single"

    @Option(help: ArgumentHelp("The kernels of another kind of device: work-item, work-group.", visibility: .hidden))
    var executionModel: ExecutionModel?

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

    @Option(
        name: .customLong("input"),
        help: ArgumentHelp(
            "The value of an input (.npy, or .pb: TensorProto, SequenceProto, OptionalProto); may be repeated.",
            valueName: "name=file"
        )
    )
    var inputs: [String] = []

    @Option(help: "The largest tensor in bytes (default: the device's memory).")
    var maxBytes: Int?

    @Option(help: "The most iterations of a Loop or Scan.")
    var maxIterations = 1_000_000

    @Option(help: ArgumentHelp("Write the result as JSON; - is standard output.", valueName: "file"))
    var json: String?

    func validate() throws {
        _ = try selections()
        _ = try givenShapes()
        for text in inputs where !text.dropFirst().contains("=") {
            throw ValidationError("--input \(text): expected NAME=FILE")
        }
        guard ["model", "fp32", "tf32", "bf16", "fp16", "int8"].contains(precision) else {
            throw ValidationError("\"\(precision)\" is no precision; use model, fp32, bf16 or fp16")
        }
        guard threads.map({ (1...65536).contains($0) }) ?? true else {
            throw ValidationError("--threads must lie within 1 ... 65536")
        }
        guard maxBytes.map({ $0 > 0 }) ?? true, maxIterations > 0 else {
            throw ValidationError("--max-bytes and --max-iterations must be positive")
        }
    }

    /// The devices, in the order given.
    ///
    /// - Throws: `ValidationError` for a device selection that cannot be read.
    private func selections() throws -> [DeviceSelection] {
        try device.split(separator: ",", omittingEmptySubsequences: false).map { text in
            guard let selection = DeviceSelection(text.trimmingCharacters(in: .whitespaces)) else {
                throw ValidationError(
                    "\"\(text)\" is no device; use auto, reference, opencl:N, opencl:gpu, opencl:cpu or opencl:NAME"
                )
            }
            return selection
        }
    }

    /// How the model is spread over the devices.
    ///
    /// - Throws: `ModelError` for a placement that is not there, or a file that cannot be read.
    private func sessionPlacement() throws -> Session.Placement {
        switch placement {
        case "single": return .single
        case "even", "pipeline": return .even(shapes: try givenShapes())
        case "replicate": return .replicate
        case "latency", "split":
            throw ModelError(
                .unsupported,
                "the placement \(placement) is not available yet; use single, even, pipeline, replicate or a file"
            )
        default: return .stages(try PlacementFile.load(placement))
        }
    }

    /// - Throws: `ValidationError` or `ModelError` for devices or a placement that cannot be read.
    func sessionOptions() throws -> Session.Options {
        var options = Session.Options(
            devices: try selections(),
            placement: try sessionPlacement(),
            fallback: strict ? .never : fallback,
            disabledPasses: Set(disabledPasses),
            maximumBytes: maxBytes,
            maximumIterations: maxIterations
        )
        options.executionModel = executionModel
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
    /// - Throws: `ModelError` if the model is wrong or not to be had in the precision or placement asked for.
    func loadModel() throws -> Model {
        limitDeviceThreads()
        _ = try sessionPlacement()
        guard ["model", "fp32", "bf16", "fp16"].contains(precision) else {
            throw ModelError(
                .unsupported,
                "the precision \(precision) is not supported; supported are model, fp32, bf16 and fp16",
                file: model
            )
        }
        let loaded = try Model.load(model)
        if precision == "fp32", let other = elementTypes(loaded.graph).first(where: { $0 != .float32 }) {
            throw ModelError(
                .unsupported,
                "the model holds \(other), which --precision fp32 does not convert; use --precision model",
                file: model
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

    /// The values given by `--input`. Names and paths may hold `=`: the first one that ends a name counts.
    ///
    /// - Throws: `ModelError` that names the file, or the inputs there are.
    func givenInputs(_ model: Model) throws -> [String: RuntimeValue] {
        var result: [String: RuntimeValue] = [:]
        for text in inputs {
            let separators = text.indices.filter { text[$0] == "=" && $0 != text.startIndex }
            let separator = separators.first { index in model.inputs.contains { $0.name == text[..<index] } }
            guard let separator else { throw unknownInput(model, String(text[..<(separators.first ?? text.endIndex)])) }
            let name = String(text[..<separator])
            let id = model.graph.inputs.first { model.graph[$0].name == name }
            let path = String(text[text.index(after: separator)...])
            result[name] = try readValue(path, type: id.flatMap { model.graph[$0].type })
        }
        return result
    }
}

/// The option of commands that run a model.
struct TimeoutOption: ParsableArguments {
    @Option(help: "Give up after so many seconds; looked at between the steps of a run.")
    var timeout: Double?

    func validate() throws {
        guard timeout.map({ (0...1e9).contains($0) }) ?? true else {
            throw ValidationError("--timeout must lie within 0 ... 1e9 seconds")
        }
    }

    /// The end of the time, counted from now.
    var deadline: ContinuousClock.Instant? { timeout.map { .now + .seconds($0) } }
}

extension Session.Fallback: ExpressibleByArgument {}

extension ExecutionModel: ExpressibleByArgument {
    /// Reads `work-item` or `work-group`.
    package init?(argument: String) {
        switch argument {
        case "work-item": self = .workItemTile
        case "work-group": self = .workGroupTile
        default: return nil
        }
    }

    /// The texts that `init(argument:)` reads.
    package static var allValueStrings: [String] { ["work-item", "work-group"] }

    /// The text that `init(argument:)` reads.
    package var defaultValueDescription: String { name }
}

extension ExecutionModel {
    /// The name as options and reports show it.
    var name: String {
        switch self {
        case .workItemTile: "work-item"
        case .workGroupTile: "work-group"
        }
    }
}
