import Apus
import ApusBackends
import ApusGraph
import ApusTensor
import ApusVerification
import ArgumentParser

struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Judges every layer against the reference and names the first bad one; exit status 2 if there is one."
    )

    @OptionGroup var shared: SharedOptions

    @Option(help: "The largest relative L2 error of a layer.")
    var tolerance = 1e-5

    @Flag(help: "Compare every layer as imported, without fusion.")
    var unfused = false

    @Option(help: ArgumentHelp("A .npy file that the first output must equal as well.", valueName: "file"))
    var expected: String?

    @Option(help: "The largest relative L2 error against --expected.")
    var expectedTolerance = 1e-4

    private struct Layer: Encodable {
        var value: String
        var operatorType: String
        var node: String
        var difference: TensorDifference
    }

    private struct Report: Encodable {
        var model: String
        var device: String
        var tolerance: Double
        var layers: [Layer]
        var firstBad: Layer?
        var expected: TensorDifference?
    }

    func run() throws {
        let model = try Model.load(shared.model)
        let values = try seededInputs(model, shapes: try shared.givenShapes(), given: try shared.givenInputs())
        var options = try shared.sessionOptions()
        if unfused { options.disabledPasses.formUnion(["epilogue", "pointwise", "batch-norm", "pad"]) }
        let session = try Session(model, options: options, observesValues: true)
        progress("running on \(session.deviceName)")
        let found = try session.run(values, RunOptions())
        var referenceOptions = options
        referenceOptions.device = .reference
        referenceOptions.disabledPasses = []
        let reference = try Session(model, options: referenceOptions, observesValues: true)
        progress("running on the reference")
        let wanted = try reference.run(values, RunOptions())

        var report = Report(model: shared.model, device: session.deviceName, tolerance: tolerance, layers: [])
        for node in model.graph.nodes {
            for id in node.outputs {
                guard let id else { continue }
                let name = model.graph[id].name
                guard case .tensor(let right)? = wanted.observed[name] ?? wanted.outputs[name],
                    case .tensor(let tensor)? = found.observed[name] ?? found.outputs[name]
                else { continue }
                report.layers.append(
                    Layer(
                        value: name,
                        operatorType: node.displayType,
                        node: node.name,
                        difference: try TensorDifference(tensor, right)
                    )
                )
            }
        }
        report.firstBad = report.layers.first { !($0.difference.relativeL2 <= tolerance) }
        if let expected, let port = model.outputs.first, let output = try found.outputs[port.name]?.tensor() {
            report.expected = try TensorDifference(output, try readValue(expected).tensor())
        }
        if let json = shared.json { try writeJSON(report, to: json) }
        if shared.json != "-" { show(report) }
        if let bad = report.firstBad {
            throw ComparisonFailure(
                message: "\(shared.model): the first bad layer is \"\(bad.node)\" (\(bad.operatorType)): "
                    + "relative L2 error \(bad.difference.relativeL2), expected at most \(tolerance)"
            )
        }
        if let difference = report.expected, !(difference.relativeL2 <= expectedTolerance) {
            throw ComparisonFailure(
                message: "\(shared.model): the output differs from \(expected ?? ""): relative L2 error "
                    + "\(difference.relativeL2), expected at most \(expectedTolerance)"
            )
        }
    }

    private func show(_ report: Report) {
        printTable(
            ["layer", "operator", "relative L2", "largest", "cosine"],
            report.layers.map {
                [
                    $0.node.isEmpty ? $0.value : $0.node, $0.operatorType, scientific($0.difference.relativeL2),
                    scientific($0.difference.maximum), formatted($0.difference.cosine, digits: 9),
                ]
            }
        )
        let worst = report.layers.map(\.difference.relativeL2).max() ?? 0
        print(
            "device \(report.device): \(report.layers.count) layers compared, worst relative L2 error \(scientific(worst))"
        )
        if let difference = report.expected {
            print("expected output: relative L2 error \(scientific(difference.relativeL2))")
        }
    }

    private func scientific(_ value: Double) -> String {
        value == 0 ? "0" : String(describing: Float(value))
    }
}
