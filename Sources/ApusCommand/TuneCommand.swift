import Apus
import ApusBackends
import ApusDevice
import ApusGraph
import ApusOpenCL
import ApusTensor
import ApusVerification
import ArgumentParser

struct TuneCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tune",
        abstract:
            "Measures variants of a model's kernels on a device and keeps the fastest that agree with the reference.",
        discussion: """
            What is found is stored for the device and its driver; from then on every model with the same problems uses \
            it. APUS_TUNING=0 runs without.
            """
    )

    @Argument(help: "The ONNX file.")
    var model: String?

    @OptionGroup var binding: BindingOptions

    @Option(help: "The most variants that are measured for a problem.")
    var candidates = 4

    @Option(help: "Begin no further problem after so many seconds; those with most work come first.")
    var budget = 60.0

    @Flag(help: "Remove what is stored for the device, for any number of threads, and measure nothing.")
    var forget = false

    @Option(help: ArgumentHelp("Write the result as JSON; - is standard output.", valueName: "file"))
    var json: String?

    func validate() throws {
        guard forget == (model == nil) else {
            throw ValidationError(forget ? "--forget takes no model" : "expected a model, or --forget")
        }
        guard (1...1000).contains(candidates), (0...1e9).contains(budget) else {
            throw ValidationError("--candidates must lie within 1 ... 1000, --budget within 0 ... 1e9 seconds")
        }
    }

    private struct Report: Encodable {
        struct Refused: Encodable {
            var variant: String
            var reason: String
        }
        struct Problem: Encodable {
            /// A layer that asks for it.
            var layer: String
            var operatorType: String
            var problem: String
            /// The layers of the model that ask for it.
            var layers: Int
            var standard: String
            /// `nil` where the standard is refused.
            var standard_ms: Double?
            var chosen: String
            var chosen_ms: Double
            var refused: [Refused]
        }
        var device: String
        var problems: [Problem]
        /// Problems that the budget left out.
        var left: Int
        var stored: Bool
    }

    func run() throws {
        if forget { return try forgetChoices() }
        guard let model else { return }
        let loaded = try binding.loadModel(model)
        let session = try Session(loaded, options: try binding.sessionOptions())
        guard let executor = session.executor as? OpenCLExecutor else {
            throw ModelError(.invalidInput, "the reference has no variants to tune; choose an OpenCL device")
        }
        progress("planning \(model)")
        let types = try boundTypes(loaded, try binding.givenShapes())
        let problems = try executor.plan(types).map { TuningProblem.problems(of: $0) } ?? []
        var tuner = Tuner(executor.openCLDevice)
        tuner.candidateCount = candidates
        let end = ContinuousClock.now + .seconds(budget)
        var outcomes: [Tuner.Outcome] = []
        var untunable: [String] = []
        var measured = 0
        for problem in problems where ContinuousClock.now < end {
            measured += 1
            progress(
                "problem \(measured) of \(problems.count): \(problem.layer.node.operatorType) \(problem.key.summary)"
            )
            if let outcome = try tuner.tune(problem) {
                outcomes.append(outcome)
            } else {
                untunable.append(
                    "\(problem.layer.node.name) (\(problem.layer.node.operatorType)) \(problem.key.summary)"
                )
            }
        }
        let device = executor.openCLDevice
        let stored = ProgramCache.shared.remember(outcomes: outcomes, on: device.info)
        let report = Report(
            device: session.deviceName,
            problems: outcomes.map(entry),
            left: problems.count - measured,
            stored: stored
        )
        if let json { try writeJSON(report, to: json) }
        if json != "-" { show(report, outcomes) }
        if let first = untunable.first {
            throw ComparisonFailure(message: "no variant agrees with the reference for \(first)")
        }
    }

    private func forgetChoices() throws {
        binding.limitDeviceThreads()
        guard let device = try binding.sessionOptions().device.resolve() else {
            throw ModelError(.invalidInput, "the reference has nothing to forget; choose an OpenCL device")
        }
        guard let count = ProgramCache.shared.forgetTunedChoices(of: device.info) else {
            throw ModelError(.invalidFile, "the record cannot be written")
        }
        print("forgot \(count) tuned choices of opencl:\(device.index) \(device.info.name)")
    }

    private func entry(_ outcome: Tuner.Outcome) -> Report.Problem {
        let problem = outcome.problem
        return Report.Problem(
            layer: layerName(problem.layer.node, problem.layer.graph),
            operatorType: problem.layer.node.displayType,
            problem: problem.key.summary,
            layers: problem.useCount,
            standard: outcome.standard.summary,
            standard_ms: outcome.standardNanoseconds.map { $0 * 1e-6 },
            chosen: outcome.choice.summary,
            chosen_ms: outcome.nanoseconds * 1e-6,
            refused: outcome.refused.map { Report.Refused(variant: $0.choice.summary, reason: $0.reason) }
        )
    }

    private func show(_ report: Report, _ outcomes: [Tuner.Outcome]) {
        print("device  \(report.device)")
        guard !report.problems.isEmpty else {
            print("nothing was tuned: \(report.left) problems were left out by --budget")
            return
        }
        printTable(
            ["layer", "operator", "problem", "layers", "default", "ms", "chosen", "ms", "saved"],
            report.problems.map { problem in
                let saved = problem.standard_ms.map { 1 - problem.chosen_ms / max($0, 1e-9) }
                let isStandard = problem.chosen == problem.standard
                return [
                    problem.layer, problem.operatorType, problem.problem, "\(problem.layers)", problem.standard,
                    problem.standard_ms.map { formatted($0, digits: 4) } ?? "-", isStandard ? "-" : problem.chosen,
                    isStandard ? "-" : formatted(problem.chosen_ms, digits: 4),
                    isStandard ? "-" : saved.map { formatted($0 * 100, digits: 1) + " %" } ?? "-",
                ]
            }
        )
        for problem in report.problems {
            for refused in problem.refused {
                print("refused  \(refused.variant) for \(problem.operatorType) \(problem.problem): \(refused.reason)")
            }
        }
        var (before, after) = (0.0, 0.0)
        for problem in report.problems {
            guard let standard = problem.standard_ms else { continue }
            before += standard * Double(problem.layers)
            after += problem.chosen_ms * Double(problem.layers)
        }
        let changed = outcomes.filter { $0.choice != $0.standard }.count
        print(
            "total \(formatted(before)) ms by default, \(formatted(after)) ms as tuned "
                + "(\(formatted((1 - after / max(before, 1e-9)) * 100, digits: 1)) % saved); "
                + "\(changed) of \(outcomes.count) problems changed"
        )
        if report.left > 0 { print("\(report.left) problems with less work were left out by --budget") }
        if !report.stored { print("nothing is stored: there is no cache folder") }
    }
}
