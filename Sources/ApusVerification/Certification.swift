import ApusBackends
import ApusCompiler
package import ApusOpenCL
package import ApusOperatorSuite
import ApusOperators
import ApusTensor

/// How a device answered one case of the operator suite.
package struct CaseVerdict: Sendable, Hashable, Codable {
    package var operatorType: String
    package var name: String
    /// Whether every node ran on the device; the others ran on the host.
    package var isOnDevice = true
    /// The largest relative L2 error of an output.
    package var relativeL2 = 0.0
    /// Why the case failed; `nil` where it passed.
    package var problem: String?

    package var isGood: Bool { problem == nil }
}

/// Judges a device by the cases of the operator suite: its kernels against the reference.
package struct Certification: Sendable {
    package let device: OpenCLDevice
    package let cache: ProgramCache
    /// How often each case runs: a race shows in one run and not in another.
    package let repetitions: Int

    package init(_ device: OpenCLDevice, cache: ProgramCache = .shared, repetitions: Int = 1) {
        self.device = device
        self.cache = cache
        self.repetitions = max(1, repetitions)
    }

    /// Runs a case on the device and on the reference. Fusion is off, so the operator's own kernel runs.
    ///
    /// - Throws: `ModelError` if the reference cannot evaluate the case; what the device does wrong is in the verdict.
    package func judge(_ operatorCase: OperatorCase) throws -> CaseVerdict {
        var verdict = CaseVerdict(operatorType: operatorCase.operatorType, name: operatorCase.name)
        let (graph, inputs) = try operatorCase.makeGraph()
        let expected = try GraphInterpreter(graph).run(inputs)
        var options = ExecutorOptions()
        options.disabledPasses = ["constants", "identity", "epilogue", "pointwise"]
        do {
            let executor = try OpenCLExecutor(graph, on: device, options: options, cache: cache)
            for _ in 0..<repetitions where verdict.isGood {
                let outputs = try executor.run(inputs, RunOptions()).outputs
                judge(outputs, expected, operatorCase.tolerance, &verdict)
            }
            let types = inputs.compactMap { if case .tensor(let tensor) = $0 { tensor.type } else { nil } }
            if types.count == inputs.count, let plan = try executor.plan(types) {
                verdict.isOnDevice = plan.hostNodes.isEmpty && plan.cut == nil
            } else {
                verdict.isOnDevice = false
            }
        } catch {
            verdict.problem = "\(error)"
        }
        return verdict
    }

    private func judge(
        _ found: [RuntimeValue],
        _ expected: [RuntimeValue],
        _ tolerance: Double,
        _ verdict: inout CaseVerdict
    ) {
        guard found.count == expected.count else {
            verdict.problem = "expected \(expected.count) outputs, found \(found.count)"
            return
        }
        for (index, (found, wanted)) in zip(found, expected).enumerated() {
            switch (found, wanted) {
            case (.tensor(let found), .tensor(let wanted)):
                if found.type == wanted.type && found.hasSameBytes(as: wanted) { continue }
                do {
                    let metrics = try ErrorMetrics(reference: wanted, computed: found)
                    verdict.relativeL2 = max(verdict.relativeL2, metrics.relativeL2)
                    guard metrics.nonFiniteMismatchCount > 0 || metrics.relativeL2 > tolerance else { continue }
                    verdict.problem =
                        "output \(index): relative L2 error \(metrics.relativeL2), expected at most \(tolerance); "
                        + "\(metrics.mismatchCount) of \(metrics.elementCount) elements differ, "
                        + "the worst at \(metrics.worstIndex ?? 0)"
                } catch {
                    verdict.problem = "output \(index): \(error.message)"
                }
            default:
                verdict.problem = conformanceProblem(found, expected: wanted).map { "output \(index): \($0)" }
            }
            if verdict.problem != nil { return }
        }
    }
}

extension Tensor {
    /// Whether both hold the same bytes; the types are not compared.
    func hasSameBytes(as other: Tensor) -> Bool {
        withUnsafeBytes { bytes in other.withUnsafeBytes { bytes.elementsEqual($0) } }
    }
}
