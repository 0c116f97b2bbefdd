import Apus
import ApusBackends
import ApusGraph
import ApusOperators
import ApusTensor
import ApusVerification
import ArgumentParser

struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Judges every layer against the reference and names the first bad one; exit status 2 if there is one."
    )

    @OptionGroup var shared: SharedOptions

    @OptionGroup var limit: TimeoutOption

    @Option(help: "The largest relative L2 error of a layer (default: 1e-5; with --precision bf16 0.05, fp16 0.01).")
    var tolerance: Double?

    @Flag(help: "Compare every layer as imported, without fusion.")
    var unfused = false

    @Option(help: ArgumentHelp("A .npy or .pb file that the first output must equal as well.", valueName: "file"))
    var expected: String?

    @Option(help: "The largest relative L2 error against --expected.")
    var expectedTolerance = 1e-4

    @Option(
        help: ArgumentHelp(
            "Cut the first bad layer out as model.onnx, with its inputs and what the reference makes of them.",
            valueName: "folder"
        )
    )
    var saveLayer: String?

    private struct Layer: Encodable {
        var value: String
        var operatorType: String
        var node: String
        var type: String
        var isGood: Bool
        var problem: String?
        /// `nil` where there are no numbers to compare.
        var difference: ErrorMetrics?

        init(_ value: ComparedValue) {
            self.value = value.name
            operatorType = value.operatorType
            node = value.node
            type = value.type
            isGood = value.isGood
            problem = value.problem
            difference = value.metrics
        }
    }

    private struct Report: Encodable {
        var model: String
        var device: String
        var tolerance: Double
        var layers: [Layer]
        /// Values of the model that the device did not keep, as kernels of several layers compute past them.
        var fusedValues: Int
        var firstBad: Layer?
        var expected: ErrorMetrics?
        /// The outputs against those of the model in its own types, for a precision of its own.
        var distance: [String: ErrorMetrics]?
    }

    /// Kernels that fuse several layers round less often than the reference, and vdpbf16ps takes denormals as 0.
    private var bound: Double {
        if let tolerance { return tolerance }
        switch shared.binding.precision {
        case "bf16": return 0.05
        case "fp16": return 0.01
        default: return 1e-5
        }
    }

    func run() throws {
        let deadline = limit.deadline
        let model = try shared.loadModel()
        let values = try seededInputs(
            model,
            shapes: try shared.binding.givenShapes(),
            given: try shared.givenInputs(model)
        )
        var options = try shared.sessionOptions()
        if unfused { options.disabledPasses.formUnion(["epilogue", "pointwise", "batch-norm", "pad"]) }
        let session = try Session(model, options: options, observesValues: true)
        progress("running on \(session.deviceName)")
        let found = try session.run(values, RunOptions(deadline: deadline))
        progress("running on the reference")
        let isPrecise = options.precision == .model
        guard isPrecise || session.stages.isEmpty else {
            throw ModelError(
                .unsupported,
                "compare has no reference in \(shared.binding.precision) for a model in stages; use --placement single"
            )
        }
        let graph = isPrecise ? model.graph : session.executor.graph
        let comparison = try judge(model, graph, session.ordered(values), found, deadline)
        var report = Report(
            model: shared.model,
            device: session.deviceName,
            tolerance: bound,
            layers: comparison.values.map(Layer.init),
            fusedValues: comparison.missingCount,
            firstBad: comparison.firstBad.map(Layer.init)
        )
        if let expected, let id = model.graph.outputs.first, let output = found.outputs[model.graph[id].name] {
            let wanted = try readValue(expected, type: model.graph[id].type).tensor()
            report.expected = try ErrorMetrics(reference: wanted, computed: output.tensor())
        }
        if !isPrecise {
            progress("running on the reference in the model's own types")
            report.distance = try distance(model, session.ordered(values), found.outputs, deadline)
        }
        if let json = shared.json { try writeJSON(report, to: json) }
        if shared.json != "-" { show(report, comparison) }
        if let saveLayer, let bad = comparison.firstBad {
            let inputs = try session.ordered(values)
            try save(bad, comparison, graphComparison(graph, deadline), inputs, options, to: saveLayer)
        }
        if !comparison.isGood {
            throw ComparisonFailure(
                message: "\(shared.model): \(comparison.summary), expected a relative L2 error of at most \(bound)"
            )
        }
        let accepted = ComparisonTolerance(relativeL2: expectedTolerance)
        if let error = report.expected, !accepted.accepts(error, .float32) {
            throw ComparisonFailure(
                message: "\(shared.model): the output differs from \(expected ?? ""): relative L2 error "
                    + "\(error.relativeL2), expected at most \(expectedTolerance)"
                    + (error.nonFiniteMismatchCount > 0
                        ? "; \(error.nonFiniteMismatchCount) elements are not finite in one of both" : "")
            )
        }
    }

    private func save(
        _ bad: ComparedValue,
        _ report: ComparisonReport,
        _ comparison: GraphComparison,
        _ inputs: [RuntimeValue],
        _ options: Session.Options,
        to folder: String
    ) throws {
        progress("cutting out the layer")
        let layer = try comparison.extract(bad.name, report, inputs: inputs)
        let saved = SavedLayer(folder: folder, layer: layer)
        try saved.write()
        guard shared.json != "-" else { return }
        print("the first bad layer is in \(folder)/model.onnx: \(layer.graph.nodes.count) nodes")
        if let error = try saved.run(options) {
            let verdict = comparison.tolerance.accepts(error, layer.elementType)
            print("alone it \(verdict ? "agrees" : "is bad too"): relative L2 error \(scientific(error.relativeL2))")
        }
    }

    private func judge(
        _ model: Model,
        _ graph: Graph,
        _ inputs: [RuntimeValue],
        _ found: (outputs: [String: RuntimeValue], observed: [String: RuntimeValue]),
        _ deadline: ContinuousClock.Instant?
    ) throws -> ComparisonReport {
        let comparison = graphComparison(graph, deadline)
        do {
            return try comparison.run(
                inputs,
                observed: found.observed,
                outputs: model.graph.outputs.compactMap { found.outputs[model.graph[$0].name] }
            )
        } catch let error as ModelError {
            throw error.code == .cancelled ? error : error.at(file: shared.model)
        }
    }

    private func graphComparison(_ graph: Graph, _ deadline: ContinuousClock.Instant?) -> GraphComparison {
        GraphComparison(graph, tolerance: ComparisonTolerance(relativeL2: bound), limits: limits(deadline))
    }

    private func limits(_ deadline: ContinuousClock.Instant?) -> EvaluationLimits {
        var limits = EvaluationLimits(maximumIterations: shared.maxIterations)
        if let maxBytes = shared.maxBytes { limits.maximumBytes = maxBytes }
        let runOptions = RunOptions(deadline: deadline)
        limits.checkCancellation = { try runOptions.checkCancellation() }
        return limits
    }

    /// How far the outputs are from what the reference computes in the model's own types, by name.
    private func distance(
        _ model: Model,
        _ inputs: [RuntimeValue],
        _ outputs: [String: RuntimeValue],
        _ deadline: ContinuousClock.Instant?
    ) throws -> [String: ErrorMetrics] {
        let reference: [RuntimeValue]
        do {
            reference = try GraphInterpreter(model.graph, limits: limits(deadline)).run(inputs)
        } catch let error as ModelError {
            throw error.code == .cancelled ? error : error.at(file: shared.model)
        }
        var result: [String: ErrorMetrics] = [:]
        for (id, wanted) in zip(model.graph.outputs, reference) {
            let name = model.graph[id].name
            guard case .tensor(let wanted) = wanted, case .tensor(let found)? = outputs[name] else { continue }
            result[name] = try ErrorMetrics(reference: wanted, computed: found)
        }
        return result
    }

    private func show(_ report: Report, _ comparison: ComparisonReport) {
        printTable(
            ["layer", "operator", "relative L2", "largest", "cosine", "problem"],
            report.layers.map { layer in
                let error = layer.difference
                return [
                    layer.node.isEmpty ? layer.value : layer.node, layer.operatorType,
                    error.map { scientific($0.relativeL2) } ?? "-", error.map { scientific($0.maximumAbsolute) } ?? "-",
                    error.map { formatted($0.cosine, digits: 9) } ?? "-", layer.problem ?? (layer.isGood ? "" : "bad"),
                ]
            }
        )
        let worst = comparison.worst?.metrics?.relativeL2 ?? 0
        print(
            "device \(report.device): \(report.layers.count) layers compared, \(report.fusedValues) fused into others, "
                + "worst relative L2 error \(scientific(worst))"
        )
        for (name, error) in (report.distance ?? [:]).sorted(by: { $0.key < $1.key }) {
            print("\(name): relative L2 distance \(scientific(error.relativeL2)) from the model's own precision")
        }
        if let error = report.expected {
            print("expected output: relative L2 error \(scientific(error.relativeL2))")
        }
    }

    private func scientific(_ value: Double) -> String {
        value == 0 ? "0" : String(describing: Float(value))
    }
}
