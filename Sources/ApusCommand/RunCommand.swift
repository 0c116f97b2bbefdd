import Apus
import ApusBackends
import ApusONNX
import ApusTensor
import ArgumentParser
import Foundation

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Runs a model once and shows or writes its outputs."
    )

    @OptionGroup var shared: SharedOptions

    @OptionGroup var limit: TimeoutOption

    @OptionGroup var trace: TraceOption

    @Option(help: ArgumentHelp("A PNG or JPEG picture for the first input.", valueName: "file"))
    var image: String?

    @Option(help: ArgumentHelp("Write each output to a file in this folder.", valueName: "folder"))
    var outputDir: String?

    @Option(help: "Show the K largest elements of the first output.")
    var top: Int?

    @Option(help: ArgumentHelp("Class names, one a line (default: from the model's metadata).", valueName: "file"))
    var labels: String?

    @Option(help: "Mean of each channel, separated by commas.")
    var mean: String?

    @Option(help: "Standard deviation of each channel, separated by commas.")
    var std: String?

    @Option(help: "Factor from bytes to the range of mean and std.")
    var scale: Double?

    @Option(help: "Axis order of a picture: NCHW or NHWC.")
    var layout: String?

    @Flag(help: "Show the time of every layer.")
    var profileLayers = false

    func validate() throws {
        guard top.map({ $0 >= 0 }) ?? true else { throw ValidationError("--top must not be negative") }
        _ = try (numbers(mean, "--mean"), numbers(std, "--std"))
    }

    private struct Report: Encodable {
        struct Output: Encodable {
            var name: String
            var type: String
        }
        struct Class: Encodable {
            var index: Int
            var label: String?
            var value: Double
        }
        var model: String
        var device: String
        var runMilliseconds: Double
        var outputs: [Output]
        var top: [Class]
    }

    func run() throws {
        let model = try shared.loadModel()
        let shapes = try shared.binding.givenShapes()
        try checkNames(model, shapes)
        var values = try shared.givenInputs(model)
        if let image, let port = model.inputs.first {
            let input = ImageInput(
                model,
                scale: scale,
                mean: try numbers(mean, "--mean"),
                standardDeviation: try numbers(std, "--std"),
                layout: layout
            )
            let type = try boundType(port, shapes[port.name])
            values[port.name] = .tensor(try input.tensor(image, shape: type.shape))
        }
        let session = try Session(model, options: try shared.sessionOptions())
        _ = try session.ordered(values)
        progress("preparing \(shared.model) for \(session.deviceName)")
        let profile = profileLayers || trace.profile != nil ? RunProfile() : nil
        let deadline = limit.deadline
        if profile != nil { _ = try session.run(values, RunOptions(deadline: deadline, profile: RunProfile())) }
        let started = ContinuousClock.now
        let outputs = try session.run(values, RunOptions(deadline: deadline, profile: profile)).outputs
        let elapsed = milliseconds(.now - started)

        var report = Report(
            model: shared.model,
            device: session.deviceName,
            runMilliseconds: elapsed,
            outputs: [],
            top: []
        )
        for port in model.outputs {
            report.outputs.append(Report.Output(name: port.name, type: outputs[port.name]?.kind ?? ""))
        }
        if let top { report.top = try best(top, model, outputs) }
        if let outputDir { try write(outputs, model, to: outputDir) }
        if let profile, let file = trace.profile { try writeJSON(Trace(profile.entries), to: file) }
        if let json = shared.json { try writeJSON(report, to: json) }
        if shared.json == "-" { return }
        print("device: \(session.deviceName)")
        for output in report.outputs { print("output \(output.name): \(output.type)") }
        for (rank, entry) in report.top.enumerated() {
            print("\(rank + 1). \(entry.label ?? "class \(entry.index)")  \(formatted(entry.value, digits: 6))")
        }
        if profileLayers, let profile {
            print("")
            printLayers(profile.entries, runs: 1)
        }
    }

    private func numbers(_ text: String?, _ option: String) throws -> [Double]? {
        guard let text else { return nil }
        let values = text.split(separator: ",").map { Double($0) }
        guard !values.isEmpty, !values.contains(nil) else {
            throw ValidationError("\(option) \(text): expected numbers separated by commas")
        }
        return values.compactMap { $0 }
    }

    private func best(_ count: Int, _ model: Model, _ outputs: [String: RuntimeValue]) throws -> [Report.Class] {
        guard let port = model.outputs.first, let tensor = try outputs[port.name]?.tensor() else { return [] }
        guard tensor.elementType == .float32 else {
            throw ModelError(.invalidInput, "--top needs float32, the output \"\(port.name)\" is \(tensor.type)")
        }
        var names = model.metadata["apus.labels"]?.split(separator: "\n").map(String.init) ?? []
        if let labels {
            guard let text = try? String(contentsOfFile: labels, encoding: .utf8) else {
                throw ModelError(.invalidFile, "the file cannot be read", file: labels)
            }
            names = text.split(separator: "\n").map(String.init)
        }
        let values = try tensor.array(of: Float.self)
        return values.indices.sorted { values[$0] > values[$1] }.prefix(max(count, 0)).map {
            Report.Class(index: $0, label: names.indices.contains($0) ? names[$0] : nil, value: Double(values[$0]))
        }
    }

    private func write(_ outputs: [String: RuntimeValue], _ model: Model, to folder: String) throws {
        var files: [String: [UInt8]] = [:]
        for port in model.outputs {
            guard let value = outputs[port.name] else { continue }
            let name = String(
                port.name.map { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) ? $0 : "_" }
            )
            let bytes: (name: String, bytes: [UInt8])
            if case .tensor(let tensor) = value, let npy = try? Npy.encode(tensor) {
                bytes = (name + ".npy", npy)
            } else {
                bytes = (name + ".pb", try ONNXImporter.bytes(of: value, name: port.name))
            }
            guard files.updateValue(bytes.bytes, forKey: bytes.name) == nil else {
                throw ModelError(.invalidInput, "two outputs would be written to \(bytes.name)")
            }
        }
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw ModelError(.invalidFile, "the folder cannot be made", file: folder)
        }
        for (name, bytes) in files.sorted(by: { $0.key < $1.key }) {
            try writeFile(bytes, to: folder + "/" + name)
        }
    }
}
