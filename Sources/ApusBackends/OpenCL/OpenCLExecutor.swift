package import ApusCompiler
package import ApusDevice
package import ApusGraph
import ApusLowering
package import ApusOpenCL
package import ApusOperators
package import ApusTensor
import Synchronization

/// Runs one model on one OpenCL device: binds it to the shapes that arrive, keeps the plans, and runs them.
///
/// When the device is lost, the run fails; the next one makes everything anew in another context.
package final class OpenCLExecutor: Executor {
    package let openCLDevice: OpenCLDevice
    package let graph: Graph
    private let options: ExecutorOptions
    private let knownInputs: Set<ValueID>
    private let builder: ProgramBuilder
    private let context: LoweringContext
    private let resources: Mutex<Resources>

    /// What was made in one context of the device.
    private struct Resources: Sendable {
        /// The device's `contextGeneration`.
        var generation: Int
        var store: ConstantStore
        var stages: LinkedStageStore
        var plans: PlanCache
    }

    package var deviceName: String { openCLDevice.info.name }

    package var openCLDevices: [OpenCLDevice] { [openCLDevice] }

    /// Runs the passes that need no shapes.
    ///
    /// - Parameter knownInputs: inputs that hold shape arithmetic: every plan is bound to their values.
    /// - Throws: `ModelError` if a node is unknown or wrong.
    package init(
        _ graph: Graph,
        on device: OpenCLDevice,
        knownInputs: Set<ValueID> = [],
        options: ExecutorOptions = ExecutorOptions(),
        tuning: TuningTable = TuningTable(),
        cache: ProgramCache = .shared
    ) throws {
        var options = options
        // A refused generated kernel stands for its operator: composed with others it could not be told apart.
        if tuning.refusesGeneratedKernels { options.disabledPasses.formUnion(["epilogue", "pointwise"]) }
        openCLDevice = device
        self.knownInputs = knownInputs
        self.options = options
        let info = options.executionModel.map { device.info.described(as: $0) } ?? device.info
        context = LoweringContext(device: info, tuning: tuning)
        self.graph = try PassPipeline.shapeFree(precision: options.precision).run(
            graph,
            disabled: options.disabledPasses,
            context: PassContext(limits: options.limits)
        )
        for node in self.graph.nodes { _ = try OperatorTable.standard.makeOperator(node) }
        builder = ProgramBuilder(device: device, cache: cache, rewrite: options.rewriteKernel)
        resources = Mutex(
            Resources(
                generation: device.contextGeneration,
                store: ConstantStore(device, self.graph.constants, guards: options.guards),
                stages: LinkedStageStore(),
                plans: PlanCache(capacity: options.maximumPlans)
            )
        )
    }

    /// What belongs to the device's present context; empty after another one was dropped.
    private func currentResources() -> Resources {
        let generation = openCLDevice.contextGeneration
        return resources.withLock { resources in
            if resources.generation != generation {
                resources = Resources(
                    generation: generation,
                    store: ConstantStore(openCLDevice, graph.constants, guards: options.guards),
                    stages: LinkedStageStore(),
                    plans: PlanCache(capacity: options.maximumPlans)
                )
            }
            return resources
        }
    }

    /// Runs a closure with what belongs to the device's present context, which is dropped if the device is lost.
    private func withResources<Result>(_ body: (Resources) throws -> Result) throws -> Result {
        let resources = currentResources()
        do {
            return try body(resources)
        } catch let error as BackendError where error.poisonsContext {
            openCLDevice.resetContext(generation: resources.generation)
            _ = currentResources()
            throw error
        }
    }

    /// How often a plan for the shapes of a run was there already, and how often one was made.
    package var planCounts: (hits: Int, misses: Int) { currentResources().plans.counts }

    /// How many buffers of constants the plans share.
    package var sharedBufferCount: Int { currentResources().store.bufferCount }

    package func plan(_ inputs: [ValueFact]) throws -> Plan? {
        var known: [ValueID: Tensor] = [:]
        var facts: [ValueFact] = []
        for (id, fact) in zip(graph.inputs, inputs) {
            if let value = boundValue(id, fact.value) { known[id] = value } else { facts.append(fact) }
        }
        return try withResources { try prepare(graph.fixing(known), part: 0, known: known, inputs: facts, $0).plan }
    }

    /// The value of an input that plans are bound to, `nil` where its type is enough.
    private func boundValue(_ id: ValueID, _ value: Tensor?) -> Tensor? {
        guard let value, knownInputs.contains(id), value.byteCount <= ShapeBinder().foldingBytes else { return nil }
        return value
    }

    private func prepare(
        _ graph: Graph,
        part: Int,
        known: [ValueID: Tensor],
        inputs: [ValueFact],
        _ resources: Resources
    ) throws -> PreparedPlan {
        let values = known.sorted { $0.key < $1.key }.map { PlanCache.KnownValue(id: $0.key, $0.value) }
        return try resources.plans.plan(PlanCache.Key(part: part, known: values, inputs: inputs.map(\.type))) {
            var bound = try ShapeBinder(limits: options.limits).bind(graph, inputs: inputs)
                .optimized(
                    disabled: options.disabledPasses,
                    context: PassContext(lowering: context, limits: options.limits)
                )
            if options.observesValues {
                let produced = bound.graph.nodes.flatMap { $0.outputs.compactMap { $0 } }
                let present = Set(bound.graph.outputs)
                bound.graph.outputs += produced.filter { bound.graph[$0].isImported && !present.contains($0) }
            }
            var planner = PlanBuilder(context: context, fallback: options.fallback)
            if options.guards != nil { planner.guardBytes = GuardBands.byteCount }
            let plan = try planner.plan(bound, sharedConstants: Set(self.graph.constants.keys))
            return try PreparedPlan(plan, openCLDevice, resources.store, resources.stages, builder, options)
        }
    }

    package func run(_ inputs: [RuntimeValue], _ runOptions: RunOptions) throws -> RunResult {
        try withResources { try run(inputs, runOptions, $0) }
    }

    private func run(
        _ inputs: [RuntimeValue],
        _ runOptions: RunOptions,
        _ resources: Resources
    ) throws -> RunResult {
        guard inputs.count == graph.inputs.count else {
            throw ModelError(.invalidInput, "expected \(graph.inputs.count) inputs, found \(inputs.count)")
        }
        var limits = options.limits
        limits.checkCancellation = { try runOptions.checkCancellation() }
        var values: [ValueID: RuntimeValue] = [:]
        for (id, value) in zip(graph.inputs, inputs) { values[id] = value }
        var known: [ValueID: Tensor] = [:]
        for id in knownInputs {
            if case .tensor(let tensor)? = values[id], let value = boundValue(id, tensor) { known[id] = value }
        }
        var result = RunResult(outputs: [])
        var remaining: Graph? = graph.fixing(known)
        var part = 0
        while let current = remaining {
            try runOptions.checkCancellation()
            let facts = try current.inputs.map { id throws(ModelError) -> ValueFact in
                guard let value = values[id] else {
                    throw ModelError(.invalidModel, "the value \"\(graph[id].name)\" is not produced")
                }
                guard case .tensor(let tensor) = value else { return .opaque }
                return .tensor(tensor.type, nil)
            }
            let prepared = try prepare(current, part: part, known: known, inputs: facts, resources)
            let inputs = values.filter { current.inputs.contains($0.key) }
            let produced = try prepared.withContext(profiling: runOptions.profile != nil) {
                try $0.run(inputs, runOptions, limits)
            }
            values.merge(produced) { _, new in new }
            let plan = prepared.plan
            for id in plan.graph.outputs {
                if let constant = plan.graph.constants[id] { values[id] = constant }
                if options.observesValues, plan.graph[id].isImported {
                    result.observed[plan.graph[id].name] = values[id]
                }
            }
            if let cut = plan.cut {
                try evaluateOnHost(cut, try OperatorTable.standard.makeOperator(cut), current, &values, limits)
            }
            remaining = plan.remainder
            part += 1
        }
        result.outputs = try graph.outputs.map { id in
            guard let value = values[id] ?? graph.constants[id] else {
                throw ModelError(.invalidModel, "the output \"\(graph[id].name)\" is not produced")
            }
            return value
        }
        return result
    }
}

extension Graph {
    /// The graph with values in the place of some inputs.
    fileprivate func fixing(_ values: [ValueID: Tensor]) -> Graph {
        guard !values.isEmpty else { return self }
        var result = self
        result.inputs.removeAll { values[$0] != nil }
        for (id, value) in values { result.constants[id] = .tensor(value) }
        return result
    }
}
