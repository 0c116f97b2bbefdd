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

    @Option(help: "How often each case runs.")
    var repetitions = 2

    @Option(help: ArgumentHelp("Run the cases of the ONNX backend suite in this folder.", valueName: "folder"))
    var onnxSuite: String?

    @Option(help: ArgumentHelp("The cases that are known not to pass; any other outcome fails.", valueName: "file"))
    var manifest: String?

    @Flag(help: "Write the manifest instead of holding the outcomes against it.")
    var updateManifest = false

    @Option(help: "Worker processes for the ONNX backend suite.")
    var jobs = ProcessInfo.processInfo.activeProcessorCount

    @Option(help: "The longest that a case of the ONNX backend suite may take, in seconds.")
    var timeout = 60.0

    @Option(help: ArgumentHelp("Write the result as JSON; - is standard output.", valueName: "file"))
    var json: String?

    @Flag(help: .hidden)
    var worker = false

    func validate() throws {
        guard DeviceSelection(device) != nil else {
            throw ValidationError(
                "\"\(device)\" is no device; use auto, reference, opencl:N, opencl:gpu, opencl:cpu or opencl:NAME"
            )
        }
        guard repetitions > 0, jobs > 0, timeout > 0 else {
            throw ValidationError("--repetitions, --jobs and --timeout must be positive")
        }
        guard manifest == nil || onnxSuite != nil else {
            throw ValidationError("--manifest goes with --onnx-suite")
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
        if worker {
            ConformanceWorker(device: selection).serve()
        } else if let onnxSuite {
            try runConformance(onnxSuite)
        } else {
            try runOperatorSuite(selection)
        }
    }

    private func runOperatorSuite(_ selection: DeviceSelection) throws {
        guard let device = try selection.resolve() else {
            throw ModelError(.invalidInput, "the reference judges and cannot be judged by itself; choose a device")
        }
        let certification = Certification(device, repetitions: repetitions)
        var verdicts: [CaseVerdict] = []
        for operatorCase in OperatorSuite.cases
        where operators.isEmpty || operators.contains(operatorCase.operatorType) {
            if verdicts.count % 100 == 0 { progress("\(verdicts.count) of \(OperatorSuite.cases.count) cases") }
            verdicts.append(try certification.judge(operatorCase))
        }
        if let json {
            try writeJSON(
                CertificationReport(device: device.info.name, repetitions: repetitions, cases: verdicts),
                to: json
            )
        }
        let bad = verdicts.filter { !$0.isGood }
        if json != "-" {
            let types = Set(verdicts.map(\.operatorType)).sorted()
            printTable(
                ["operator", "cases", "on device", "failed", "worst relative L2"],
                types.map { type in
                    let cases = verdicts.filter { $0.operatorType == type }
                    let worst = cases.map(\.relativeL2).max() ?? 0
                    return [
                        type, "\(cases.count)", "\(cases.filter(\.isOnDevice).count)",
                        "\(cases.filter { !$0.isGood }.count)", worst == 0 ? "0" : "\(Float(worst))",
                    ]
                }
            )
            print(
                "device \(device.info.name): \(verdicts.count) cases, each \(repetitions) times, "
                    + "\(verdicts.filter(\.isOnDevice).count) on the device, \(bad.count) failed"
            )
            for verdict in bad { print("\(verdict.operatorType) \(verdict.name): \(verdict.problem ?? "")") }
        }
        if let first = bad.first {
            throw ComparisonFailure(
                message: "\(device.info.name): \(bad.count) of \(verdicts.count) cases failed, the first is "
                    + "\(first.operatorType) \(first.name): \(first.problem ?? "")"
            )
        }
    }

    private func runConformance(_ folder: String) throws {
        let cases = try conformanceCases(in: folder)
        let pool = ConformancePool(device: device, jobs: jobs, timeout: timeout)
        let outcomes = try pool.run(cases) { done in
            if done % 100 == 0 { progress("\(done) of \(cases.count) cases") }
        }
        if let json { try writeJSON(ConformanceReport(device: device, cases: outcomes), to: json) }
        let counts = ConformanceOutcome.Status.allCases.map { status in
            (status, outcomes.filter { $0.status == status }.count)
        }
        if json != "-" {
            print("device \(device): " + counts.map { "\($0.1) \($0.0.rawValue)" }.joined(separator: ", "))
        }
        guard let manifest else {
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
        if updateManifest {
            let header = """
                Cases of the ONNX backend suite that do not pass on \(device).
                \(counts.map { "\($0.1) \($0.0.rawValue)" }.joined(separator: ", "))
                """
            try writeFile([UInt8](ConformanceManifest.text(outcomes, header: header).utf8), to: manifest)
            return
        }
        let contradictions = try readManifest(manifest).contradictions(outcomes)
        if let first = contradictions.first {
            for line in contradictions { print(line) }
            throw ComparisonFailure(
                message: "\(contradictions.count) outcomes contradict \(manifest), the first: \(first)"
            )
        }
    }

    private func readManifest(_ path: String) throws -> ConformanceManifest {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ModelError(.invalidFile, "the file cannot be read", file: path)
        }
        do throws(ModelError) {
            return try ConformanceManifest(parsing: String(decoding: data, as: UTF8.self))
        } catch {
            throw error.at(file: path)
        }
    }
}

private struct CertificationReport: Encodable {
    var device: String
    var repetitions: Int
    var cases: [CaseVerdict]
}

private struct ConformanceReport: Encodable {
    var device: String
    var cases: [ConformanceOutcome]
}
