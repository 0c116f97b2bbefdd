import ApusBackends
package import ApusDevice
package import ApusOpenCL
package import ApusOperatorSuite

/// What verdicts say about the kernels that a device is trusted with from now on.
package struct RefusalReview: Sendable {
    /// What the device is not trusted with: what these verdicts found, and what was known of other operators.
    package private(set) var refusals: [Refusal]
    /// What these verdicts found.
    package private(set) var found: [Refusal] = []

    /// - Parameters:
    ///   - verdicts: replace what was known of the kernels that ran.
    ///   - known: what was remembered before.
    package init(
        _ verdicts: [(operatorCase: OperatorCase, verdict: CaseVerdict)],
        by certification: Certification,
        known: [Refusal]
    ) {
        var judged: Set<String> = []
        var refused: Set<String> = []
        for (operatorCase, verdict) in verdicts {
            let operatorType =
                operatorCase.domain.isEmpty
                ? operatorCase.operatorType : "\(operatorCase.domain).\(operatorCase.operatorType)"
            judged.formUnion(verdict.kernels.map { "\(operatorType) \($0)" })
            guard let problem = verdict.problem else { continue }
            for kernel in certification.kernelsBehind(operatorCase, as: verdict.executionModel)
            where refused.insert("\(operatorType) \(kernel)").inserted {
                found.append(
                    Refusal(
                        operatorType: operatorType,
                        variant: kernel,
                        digest: kernelDigest(kernel),
                        reason: "\(verdict.name): \(problem)"
                    )
                )
            }
        }
        judged.formUnion(refused)
        refusals = known.filter { !judged.contains("\($0.operatorType) \($0.variant)") } + found
    }

    /// The refusals as lowering takes them.
    package var tuning: TuningTable {
        var table = TuningTable()
        for refusal in refusals { table.refuse(refusal.operatorType, refusal.variant) }
        return table
    }
}
