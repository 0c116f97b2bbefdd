public import Apus
public import ApusDevice
import ApusGraph
import ApusTensor
public import ArgumentParser
import Foundation

/// The options of every command that runs or binds a model.
struct SharedOptions: ParsableArguments {
    @Argument(help: "The ONNX file.")
    var model: String

    @OptionGroup var binding: BindingOptions

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
        for text in inputs where !text.dropFirst().contains("=") {
            throw ValidationError("--input \(text): expected NAME=FILE")
        }
        guard maxBytes.map({ $0 > 0 }) ?? true, maxIterations > 0 else {
            throw ValidationError("--max-bytes and --max-iterations must be positive")
        }
    }

    /// How the model is spread over the devices.
    ///
    /// - Throws: `ModelError` for a placement that is not there, or a file that cannot be read.
    private func sessionPlacement() throws -> Session.Placement {
        switch placement {
        case "single": return .single
        case "even", "pipeline": return .even(shapes: try binding.givenShapes())
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
        var options = try binding.sessionOptions()
        options.placement = try sessionPlacement()
        options.fallback = strict ? .never : fallback
        options.maximumBytes = maxBytes
        options.maximumIterations = maxIterations
        options.executionModel = executionModel
        return options
    }

    /// Loads the model, once the process is set up as the options say.
    ///
    /// - Throws: `ModelError` if the model is wrong or not to be had in the precision or placement asked for.
    func loadModel() throws -> Model {
        _ = try sessionPlacement()
        return try binding.loadModel(model)
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
