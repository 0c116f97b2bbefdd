public import Apus
import ApusTensor
public import ArgumentParser

/// The options of every command that runs or binds a model.
struct SharedOptions: ParsableArguments {
    @Argument(help: "The ONNX file.")
    var model: String

    @Option(help: "auto, reference, opencl:N, opencl:gpu, opencl:cpu or opencl:NAME (part of a device's name).")
    var device = "auto"

    @Option(help: "What happens to operators without a kernel: node, device or never.")
    var fallback: Session.Fallback = .node

    @Flag(help: "The same as --fallback never.")
    var strict = false

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
        help: ArgumentHelp("The value of an input (.npy or TensorProto .pb); may be repeated.", valueName: "name=file")
    )
    var inputs: [String] = []

    @Option(help: "The largest tensor in bytes (default: the device's memory).")
    var maxBytes: Int?

    @Option(help: "The most iterations of a Loop or Scan.")
    var maxIterations = 1_000_000

    @Option(help: ArgumentHelp("Write the result as JSON; - is standard output.", valueName: "file"))
    var json: String?

    func validate() throws {
        _ = try sessionOptions()
        _ = try givenShapes()
        for text in inputs { _ = try split(text, "--input") }
        guard maxBytes.map({ $0 > 0 }) ?? true, maxIterations > 0 else {
            throw ValidationError("--max-bytes and --max-iterations must be positive")
        }
    }

    /// - Throws: `ValidationError` for a device selection that cannot be read.
    func sessionOptions() throws -> Session.Options {
        guard let selection = DeviceSelection(device) else {
            throw ValidationError(
                "\"\(device)\" is no device; use auto, reference, opencl:N, opencl:gpu, opencl:cpu or opencl:NAME"
            )
        }
        return Session.Options(
            device: selection,
            fallback: strict ? .never : fallback,
            disabledPasses: Set(disabledPasses),
            maximumBytes: maxBytes,
            maximumIterations: maxIterations
        )
    }

    /// The shapes given by `--shape`.
    ///
    /// - Throws: `ValidationError` for text that is no shape.
    func givenShapes() throws -> [String: [Int]] {
        var result: [String: [Int]] = [:]
        for text in shapes {
            let (name, value) = try split(text, "--shape")
            let extents = value.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
            let shape = extents.compactMap { $0 }.filter { $0 >= 0 }
            guard shape.count == extents.count else {
                throw ValidationError("--shape \(text): expected NAME=1x3x224x224")
            }
            result[name] = shape
        }
        return result
    }

    /// The values given by `--input`.
    ///
    /// - Throws: `ModelError` that names the file, or `ValidationError`.
    func givenInputs() throws -> [String: RuntimeValue] {
        var result: [String: RuntimeValue] = [:]
        for text in inputs {
            let (name, path) = try split(text, "--input")
            result[name] = try readValue(path)
        }
        return result
    }

    private func split(_ text: String, _ option: String) throws -> (String, String) {
        guard let separator = text.lastIndex(of: "="), separator != text.startIndex else {
            throw ValidationError("\(option) \(text): expected NAME=VALUE")
        }
        return (String(text[..<separator]), String(text[text.index(after: separator)...]))
    }
}

extension Session.Fallback: ExpressibleByArgument {}
