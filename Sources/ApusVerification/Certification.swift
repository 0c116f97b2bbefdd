import ApusBackends
package import ApusCompiler
package import ApusDevice
import ApusGraph
package import ApusLowering
package import ApusOpenCL
package import ApusOperatorSuite
import ApusOperators
import ApusTensor

/// Judges a device by the cases of the operator suite: its kernels against the reference.
package struct Certification: Sendable {
    package let device: OpenCLDevice
    package let cache: ProgramCache
    /// How often each case runs on the device; every run must give the bits of the first.
    package let repetitions: Int
    /// What the device is not trusted with; empty where its kernels are to be judged.
    package var tuning = TuningTable()
    /// The fewest launches that run as one persistent kernel, on devices that can; 1 judges that kernel in every case.
    package var minimumSequenceLength: Int?
    /// Changes the text of kernels before they are built, for tests.
    package var rewriteKernel: (@Sendable (KernelProgram, String) -> String)?

    package init(_ device: OpenCLDevice, cache: ProgramCache = .shared, repetitions: Int = 1) {
        self.device = device
        self.cache = cache
        self.repetitions = max(1, repetitions)
    }

    /// Runs a case on the device, between guard bands, and on the reference. Fusion is off, so the operator's own kernel
    /// runs.
    ///
    /// - Parameter model: the family of tiled kernels to lower for; `nil` for the device's own.
    /// - Throws: `ModelError` if the reference cannot evaluate the case; what the device does wrong is in the verdict.
    package func judge(_ operatorCase: OperatorCase, as model: ExecutionModel? = nil) throws -> CaseVerdict {
        var verdict = CaseVerdict(
            executionModel: model ?? device.info.executionModel,
            operatorType: operatorCase.operatorType,
            name: operatorCase.name
        )
        let (graph, inputs) = try operatorCase.makeGraph()
        let expected = try GraphInterpreter(graph).run(inputs)
        let guards = GuardBands()
        var options = ExecutorOptions()
        options.disabledPasses = Self.disabledPasses
        options.executionModel = model
        options.guards = guards
        options.rewriteKernel = rewriteKernel
        if let minimumSequenceLength { options.minimumSequenceLength = minimumSequenceLength }
        do {
            let executor = try OpenCLExecutor(graph, on: device, options: options, tuning: tuning, cache: cache)
            let first = try executor.run(inputs, RunOptions()).outputs
            judge(first, expected, operatorCase.tolerance, &verdict)
            let types = inputs.compactMap { if case .tensor(let tensor) = $0 { tensor.type } else { nil } }
            if types.count == inputs.count, let plan = try executor.plan(types) {
                verdict.isOnDevice = plan.hostNodes.isEmpty && plan.cut == nil
                verdict.kernels = Set((plan.loadSteps + plan.launches).map(\.launch.variant)).sorted()
            } else {
                verdict.isOnDevice = false
            }
            let runs = verdict.isOnDevice && !verdict.kernels.isEmpty ? repetitions : 1
            for run in 1..<max(runs, 2) where run < runs && verdict.isGood {
                let outputs = try executor.run(inputs, RunOptions()).outputs
                if !zip(outputs, first).allSatisfy({ $0.hasSameBits(as: $1) }) {
                    verdict.problem = "run \(run + 1) gives other bits than the first: a race"
                }
            }
            if let violation = try guards.violation(on: device) { verdict.problem = verdict.problem ?? violation }
        } catch {
            verdict.problem = "\(error)"
        }
        return verdict
    }

    /// The kernels that write the outputs of a case: to these a failure is put down.
    package func kernelsBehind(_ operatorCase: OperatorCase, as model: ExecutionModel) -> [String] {
        guard let plan = try? plan(operatorCase, as: model), let outputs = plan.nodes.first?.node.outputs else {
            return []
        }
        let targets = Set(outputs.compactMap { $0.map { BufferReference.value($0) } })
        let writers = (plan.loadSteps + plan.launches).map(\.launch).filter { !targets.isDisjoint(with: $0.writes) }
        return Set(writers.map(\.variant)).sorted()
    }

    /// Passes that would put another kernel in place of the operator's own, or none at all.
    private static let disabledPasses: Set<String> = ["constants", "identity", "epilogue", "pointwise"]

    /// The plan of a case, without building its programs; `nil` where an input is no tensor.
    ///
    /// - Throws: `ModelError` if the case cannot be bound.
    package func plan(_ operatorCase: OperatorCase, as model: ExecutionModel) throws -> Plan? {
        let (graph, inputs) = try operatorCase.makeGraph()
        let types = inputs.compactMap { if case .tensor(let tensor) = $0 { tensor.type } else { nil } }
        guard types.count == inputs.count else { return nil }
        let shapeFree = try PassPipeline.shapeFree.run(graph, disabled: Self.disabledPasses)
        let bound = try ShapeBinder().bind(shapeFree, inputs: types.map { ValueFact($0) })
            .optimized(disabled: Self.disabledPasses)
        let context = LoweringContext(device: device.info.described(as: model), tuning: tuning)
        return try PlanBuilder(context: context).plan(bound, sharedConstants: Set(shapeFree.constants.keys))
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

extension RuntimeValue {
    /// Whether both hold the same bits; what holds no numbers counts as equal.
    fileprivate func hasSameBits(as other: RuntimeValue) -> Bool {
        guard case .tensor(let a) = self, case .tensor(let b) = other else { return true }
        return a.hasSameBytes(as: b)
    }
}
