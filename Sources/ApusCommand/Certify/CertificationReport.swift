import ApusOpenCL
import ApusVerification

/// What `apus certify` found on a device.
struct CertificationReport: Encodable {
    var device: String
    var repetitions: Int
    var cases: [CaseVerdict]
    /// The kernels behind the cases that failed.
    var refused: [Refusal] = []
    /// Whether sessions will avoid them; not without a cache folder.
    var isRemembered = false
    /// The cases that failed, once more without the kernels that were refused.
    var avoided: [CaseVerdict] = []

    /// Prints a table by operator, then every case that failed.
    func show() {
        struct Key: Hashable, Comparable {
            var operatorType: String
            var model: String

            static func < (a: Key, b: Key) -> Bool {
                (a.operatorType, a.model) < (b.operatorType, b.model)
            }
        }
        let groups = Dictionary(grouping: cases) { Key(operatorType: $0.operatorType, model: $0.executionModel.name) }
        printTable(
            ["operator", "tile", "cases", "on device", "failed", "worst relative L2", "kernels"],
            groups.sorted { $0.key < $1.key }.map { key, cases in
                let worst = cases.map(\.relativeL2).max() ?? 0
                return [
                    key.operatorType, key.model, "\(cases.count)", "\(cases.filter(\.isOnDevice).count)",
                    "\(cases.filter { !$0.isGood }.count)", worst == 0 ? "0" : "\(Float(worst))",
                    Set(cases.flatMap(\.kernels)).sorted().joined(separator: " "),
                ]
            }
        )
        let bad = cases.filter { !$0.isGood }
        print(
            "device \(device): \(cases.count) cases, each \(repetitions) times, "
                + "\(cases.filter(\.isOnDevice).count) on the device, \(bad.count) failed"
        )
        for verdict in bad { print("\(verdict.outcome.name): \(verdict.problem ?? "")") }
        for refusal in refused { print("refused: \(refusal.operatorType) \(refusal.variant)") }
        if !refused.isEmpty, !isRemembered { print("there is no cache folder to remember this in") }
        if !avoided.isEmpty {
            print("without them \(avoided.filter(\.isGood).count) of the \(avoided.count) cases that failed pass")
        }
    }
}

extension CaseVerdict {
    /// The verdict as a line of a manifest.
    var outcome: ConformanceOutcome {
        ConformanceOutcome(
            name: "\(executionModel.name) \(operatorType) \(name)",
            status: isGood ? .passed : .failed,
            reason: problem
        )
    }
}
