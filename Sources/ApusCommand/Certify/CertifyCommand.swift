import Apus
import ApusDevice
import ApusOpenCL
import ApusOperatorSuite
import ApusTensor
import ApusVerification
import ArgumentParser
import Foundation

struct CertifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "certify",
        abstract: "Judges a device: every operator case against the reference; exit status 2 if one disagrees.",
        discussion: """
            With --onnx-suite the cases of the ONNX backend suite are run instead: a folder that holds \
            test_*/model.onnx with its inputs and outputs (onnx/backend/test/data/node of the Python package onnx).
            """
    )

    @Option(help: "auto, reference, opencl:N, opencl:gpu, opencl:cpu or opencl:NAME (part of a device's name).")
    var device = "auto"

    @Option(name: .customLong("operator"), help: "Only the cases of this operator; may be repeated.")
    var operators: [String] = []

    @Option(
        help: """
            Only the kernels of one kind of device: work-item (CPUs) or work-group (GPUs); both run on every device.
            """
    )
    var executionModel: ExecutionModel?

    @Flag(help: "Run the launches of every case by the persistent kernel that joins those of networks.")
    var persistent = false

    @Option(help: "How often each case runs; every run must give the same bits.")
    var repetitions = 20

    @Flag(help: "Run the cases in this process: a crash of the driver then ends it.")
    var inProcess = false

    @Option(help: ArgumentHelp("Run the cases of the ONNX backend suite in this folder.", valueName: "folder"))
    var onnxSuite: String?

    @Option(
        help: ArgumentHelp(
            "The cases that are known not to pass, or not run; any other outcome fails.",
            valueName: "file"
        )
    )
    var manifest: String?

    @Flag(help: "Write the manifest instead of holding the outcomes against it.")
    var updateManifest = false

    @Option(help: "The most worker processes.")
    var jobs = ProcessInfo.processInfo.activeProcessorCount

    @Option(help: "The longest that a case may take, in seconds.")
    var timeout = 60.0

    @Option(help: ArgumentHelp("Write the result as JSON; - is standard output.", valueName: "file"))
    var json: String?

    @Flag(help: .hidden)
    var worker = false

    @Flag(help: .hidden)
    var avoidRefused = false

    func validate() throws {
        guard DeviceSelection(device) != nil else {
            throw ValidationError(
                "\"\(device)\" is no device; use auto, reference, opencl:N, opencl:gpu, opencl:cpu or opencl:NAME"
            )
        }
        guard repetitions > 0, jobs > 0, timeout > 0 else {
            throw ValidationError("--repetitions, --jobs and --timeout must be positive")
        }
        guard !updateManifest || manifest != nil else {
            throw ValidationError("--update-manifest needs --manifest")
        }
        let known = Set(OperatorSuite.cases.map(\.operatorType))
        if onnxSuite == nil, let unknown = operators.first(where: { !known.contains($0) }) {
            throw ValidationError("the suite has no cases of an operator \"\(unknown)\"")
        }
    }

    func run() throws {
        guard let selection = DeviceSelection(device) else { return }
        if worker, onnxSuite != nil {
            serveCases(ConformanceWorker(device: selection).run)
        } else if worker {
            let device = try resolved(selection)
            serveCases(makeWorker(device, avoidsRefused: avoidRefused).run)
        } else if let onnxSuite {
            try runConformance(onnxSuite)
        } else {
            try runOperatorSuite(try resolved(selection))
        }
    }

    private func resolved(_ selection: DeviceSelection) throws -> OpenCLDevice {
        guard let device = try selection.resolve() else {
            throw ModelError(.invalidInput, "the reference judges and cannot be judged by itself; choose a device")
        }
        return device
    }

    private func runOperatorSuite(_ device: OpenCLDevice) throws {
        let models = executionModel.map { [$0] } ?? ExecutionModel.allCases
        let chosen = OperatorSuite.cases.indices.filter {
            operators.isEmpty || operators.contains(OperatorSuite.cases[$0].operatorType)
        }
        let known = try readManifest()
        let all = models.flatMap { model in chosen.map { OperatorWorker.task($0, model) } }
        let tasks = all.filter { known.omission(of: OperatorWorker.name($0)) == nil }
        let verdicts = try judge(tasks, on: device)
        var report = CertificationReport(device: device.info.name, repetitions: repetitions, cases: verdicts)
        let cache = ProgramCache.shared
        let review = RefusalReview(
            zip(tasks, verdicts).compactMap { task, verdict in
                OperatorWorker.parse(task).map { (operatorCase: $0.operatorCase, verdict: verdict) }
            },
            by: Certification(device),
            known: cache.refusals(on: device.info)
        )
        report.refused = review.found
        report.isRemembered = cache.remember(review.refusals, on: device.info)
        if report.isRemembered, !review.found.isEmpty {
            let failed = zip(tasks, verdicts).filter { !$1.isGood }.map(\.0)
            report.avoided = try judge(failed, on: device, avoidsRefused: true)
        }
        if let json { try writeJSON(report, to: json) }
        if json != "-" {
            report.show()
            let omitted = Dictionary(grouping: all) { known.omission(of: OperatorWorker.name($0)) }
            for omission in known.omissions {
                print("not run: \(omission.pattern), \(omitted[omission]?.count ?? 0) cases: \(omission.reason)")
            }
        }
        let outcomes = verdicts.map(\.outcome)
        if manifest != nil {
            try judge(outcomes)
        } else if let first = verdicts.first(where: { !$0.isGood }) {
            throw ComparisonFailure(
                message: "\(device.info.name): \(outcomes.filter { $0.status != .passed }.count) of "
                    + "\(outcomes.count) cases failed, the first is \(first.outcome.name): \(first.problem ?? "")"
            )
        }
    }

    private func makeWorker(_ device: OpenCLDevice, avoidsRefused: Bool) -> OperatorWorker {
        OperatorWorker(
            device: device,
            repetitions: repetitions,
            avoidsRefused: avoidsRefused,
            persistent: persistent
        )
    }

    private func judge(
        _ tasks: [String],
        on device: OpenCLDevice,
        avoidsRefused: Bool = false
    ) throws -> [CaseVerdict] {
        if inProcess {
            return tasks.map(makeWorker(device, avoidsRefused: avoidsRefused).run)
        }
        let arguments = ["--device", "opencl:\(device.index)", "--repetitions", "\(repetitions)"]
        let pool = WorkerPool(
            arguments: arguments + (avoidsRefused ? ["--avoid-refused"] : []) + (persistent ? ["--persistent"] : []),
            jobs: min(jobs, 4),
            timeout: timeout
        )
        return try pool.run(tasks, blame: OperatorWorker.blame) { done in
            if done % 100 == 0 { progress("\(done) of \(tasks.count) cases") }
        }
    }

    private func runConformance(_ folder: String) throws {
        let cases = try conformanceCases(in: folder)
        let pool = WorkerPool(arguments: ["--device", device, "--onnx-suite", folder], jobs: jobs, timeout: timeout)
        let outcomes = try pool.run(cases, blame: ConformanceWorker.blame) { done in
            if done % 100 == 0 { progress("\(done) of \(cases.count) cases") }
        }
        if let json { try writeJSON(ConformanceReport(device: device, cases: outcomes), to: json) }
        let counts = ConformanceOutcome.Status.allCases.map { status in
            (status, outcomes.filter { $0.status == status }.count)
        }
        if json != "-" {
            print("device \(device): " + counts.map { "\($0.1) \($0.0.rawValue)" }.joined(separator: ", "))
        }
        if manifest == nil {
            for outcome in outcomes where outcome.status != .passed && json != "-" {
                print("\(outcome.name)  \(outcome.status.rawValue): \(outcome.reason ?? "")")
            }
            let bad = outcomes.filter { $0.status != .passed && $0.status != .unsupported }
            if let first = bad.first {
                throw ComparisonFailure(
                    message: "\(bad.count) of \(outcomes.count) cases of \(folder) went wrong, the first is "
                        + "\(first.name) (\(first.status.rawValue)): \(first.reason ?? "")"
                )
            }
            return
        }
        try judge(outcomes)
    }

    /// Holds outcomes against the manifest, or writes it.
    private func judge(_ outcomes: [ConformanceOutcome]) throws {
        guard let manifest else { return }
        if updateManifest {
            let counts = ConformanceOutcome.Status.allCases.map { status in
                "\(outcomes.filter { $0.status == status }.count) \(status.rawValue)"
            }
            let suite = onnxSuite == nil ? "operator suite" : "ONNX backend suite"
            let header = """
                Cases of the \(suite) that do not pass on \(device).
                \(counts.joined(separator: ", "))
                """
            let text = ConformanceManifest.text(outcomes, omissions: try readManifest().omissions, header: header)
            try writeFile([UInt8](text.utf8), to: manifest)
            return
        }
        let contradictions = try readManifest().contradictions(outcomes)
        if let first = contradictions.first {
            for line in contradictions { print(line) }
            throw ComparisonFailure(
                message: "\(contradictions.count) outcomes contradict \(manifest), the first: \(first)"
            )
        }
    }

    /// The manifest; an empty one where none is given, or where the one to be written is not there yet.
    private func readManifest() throws -> ConformanceManifest {
        guard let path = manifest else { return ConformanceManifest() }
        guard let data = FileManager.default.contents(atPath: path) else {
            if updateManifest { return ConformanceManifest() }
            throw ModelError(.invalidFile, "the file cannot be read", file: path)
        }
        do throws(ModelError) {
            return try ConformanceManifest(parsing: String(decoding: data, as: UTF8.self))
        } catch {
            throw error.at(file: path)
        }
    }
}

private struct ConformanceReport: Encodable {
    var device: String
    var cases: [ConformanceOutcome]
}
