import ApusBackends
import ApusDevice
import ApusOpenCL
import ApusOperatorSuite
import ApusVerification

/// Runs cases of the operator suite by number and family of kernels.
struct OperatorWorker {
    private let device: OpenCLDevice
    private let certification: Certification

    /// - Parameters:
    ///   - avoidsRefused: whether kernels that were refused before are left out, as sessions do.
    ///   - persistent: whether a persistent kernel runs the launches of every case.
    init(device: OpenCLDevice, repetitions: Int, avoidsRefused: Bool = false, persistent: Bool = false) {
        self.device = device
        var certification = Certification(device, repetitions: repetitions)
        if persistent { certification.minimumSequenceLength = 1 }
        if avoidsRefused { certification.tuning = TuningTable(refusalsOn: device.info, in: .shared) }
        self.certification = certification
    }

    /// The line that names a case.
    static func task(_ index: Int, _ model: ExecutionModel) -> String { "\(model.rawValue) \(index)" }

    /// The name that manifests know a case by.
    static func name(_ task: String) -> String { verdict(task, "").outcome.name }

    /// The verdict on a case whose worker gave none.
    static func blame(_ task: String, _ failure: WorkerPool.Failure) -> CaseVerdict {
        switch failure {
        case .crashed(let cause): verdict(task, "the driver ended the process: \(cause)")
        case .timedOut(let cause): verdict(task, cause)
        }
    }

    func run(_ task: String) -> CaseVerdict {
        guard let (model, operatorCase) = Self.parse(task) else { return Self.verdict(task, "no such case") }
        do {
            return try certification.judge(operatorCase, as: model)
        } catch {
            return Self.verdict(task, "the reference: \(error)")
        }
    }

    static func parse(_ task: String) -> (model: ExecutionModel, operatorCase: OperatorCase)? {
        let parts = task.split(separator: " ")
        guard parts.count == 2, let model = ExecutionModel(rawValue: String(parts[0])), let index = Int(parts[1]),
            OperatorSuite.cases.indices.contains(index)
        else { return nil }
        return (model, OperatorSuite.cases[index])
    }

    private static func verdict(_ task: String, _ problem: String) -> CaseVerdict {
        let found = parse(task)
        return CaseVerdict(
            executionModel: found?.0 ?? .workItemTile,
            operatorType: found?.1.operatorType ?? "?",
            name: found?.1.name ?? task,
            problem: problem
        )
    }
}
