import ApusCompiler
import ApusDevice
import ApusGraph
import ApusLowering
import ApusOpenCL
import ApusOperators
import ApusTensor
import Synchronization

/// One run in flight: its own queue, arena and kernel objects, whose arguments are set once.
final class ExecutionContext {
    let isProfiling: Bool
    // The plan keeps idle contexts: a strong reference would be a cycle.
    private unowned let prepared: PreparedPlan
    private let queue: Queue
    private let track: RunProfile.Track
    private let arena: Buffer
    /// The launches of the run by the step at which they begin: those of single steps, and of sequences.
    private var launches: [Int: ReadyLaunch] = [:]

    private struct ReadyLaunch {
        var kernel: Kernel
        var globalSize: [Int]
        var localSize: [Int]?
    }

    init(
        _ prepared: PreparedPlan,
        _ programs: [KernelProgram: Program],
        _ persistent: PersistentProgram?,
        profiling: Bool
    ) throws(BackendError) {
        self.prepared = prepared
        isProfiling = profiling
        queue = try prepared.device.makeQueue(profiling: profiling)
        track = .device(
            "opencl:\(prepared.device.index) \(prepared.device.info.name)",
            queue: Self.nextQueue.add(1, ordering: .relaxed).oldValue
        )
        arena = try prepared.device.makeBuffer(
            byteCount: prepared.plan.arenaBytes + 64,
            guards: prepared.guards,
            used: prepared.plan.arenaBlocks
        )
        let sequences = persistent?.sequences ?? []
        for (number, sequence) in sequences.enumerated() {
            let ready = try persistent?.makeKernel(number, queue) { location throws(BackendError) in
                try self.buffer(location)
            }
            guard let (kernel, globalSize) = ready else { continue }
            launches[sequence.steps.lowerBound] = ReadyLaunch(
                kernel: kernel,
                globalSize: globalSize,
                localSize: [1]
            )
        }
        for (index, planned) in LaunchSequence.launches(of: prepared.plan, outside: sequences) {
            var buffers: [Buffer] = []
            for location in planned.locations { buffers.append(try buffer(location)) }
            launches[index] = ReadyLaunch(
                kernel: try makeKernel(planned, programs, buffers, prepared.device),
                globalSize: planned.launch.globalSize,
                localSize: planned.launch.localSize
            )
        }
    }

    private static let nextQueue = Atomic<Int>(0)

    private func buffer(_ location: BufferLocation) throws(BackendError) -> Buffer {
        if case .arena = location { return arena }
        guard let buffer = prepared.buffers[location] else {
            throw BackendError(.callFailed, "a constant of the plan is missing", device: prepared.device.info.name)
        }
        return buffer
    }

    /// Runs all steps of the plan.
    ///
    /// - Parameter values: the graph inputs by identity.
    /// - Returns: every value that the host holds in the end, constants left out.
    func run(
        _ values: [ValueID: RuntimeValue],
        _ options: RunOptions,
        _ limits: EvaluationLimits
    ) throws -> [ValueID: RuntimeValue] {
        var host = values
        do {
            try runSteps(&host, options, limits)
        } catch {
            // Uploads still under way read the host's values.
            try? queue.finish()
            throw error
        }
        return host
    }

    private func runSteps(
        _ host: inout [ValueID: RuntimeValue],
        _ options: RunOptions,
        _ limits: EvaluationLimits
    ) throws {
        let plan = prepared.plan
        var recording = isProfiling ? StepRecording(plan, track) : nil
        var sinceFlush = 0
        for (index, step) in plan.steps.enumerated() {
            switch step {
            case .launch(let planned):
                // The later launches of a sequence are part of its first one.
                guard let ready = launches[index] else { continue }
                let called = recording == nil ? 0 : RunProfile.now
                let event = try queue.enqueueKernel(
                    ready.kernel,
                    globalSize: ready.globalSize,
                    localSize: ready.localSize,
                    wantsEvent: isProfiling
                )
                sinceFlush += 1
                if sinceFlush == 32 {
                    sinceFlush = 0
                    try options.checkCancellation()
                    try queue.flush()
                }
                if let event { recording?.launched(planned, event, called: called) }
            case .upload(let id):
                let called = RunProfile.now
                let event = try upload(id, host)
                recording?.moved(.upload, id, event, called: called)
            case .download(let id, let name):
                try options.checkCancellation()
                if recording != nil {
                    let called = RunProfile.now
                    try queue.finish()
                    recording?.waited(called: called)
                }
                let called = RunProfile.now
                let (tensor, event) = try download(id)
                host[name] = .tensor(tensor)
                recording?.moved(.download, id, event, called: called)
            case .evaluate(let index):
                try options.checkCancellation()
                let node = plan.nodes[index]
                let called = RunProfile.now
                try evaluateOnHost(node.node, node.op, plan.graph, &host, limits)
                recording?.evaluated(node, called: called)
            }
        }
        let called = RunProfile.now
        try queue.finish()
        recording?.waited(called: called)
        if let recording { options.profile?.append(try recording.entries()) }
    }

    private func place(_ id: ValueID) throws(BackendError) -> (buffer: Buffer, offset: Int) {
        let location = prepared.plan.locations[id] ?? .arena(0)
        if case .arena(let offset) = location { return (arena, offset) }
        return (try buffer(location), 0)
    }

    /// The value's bytes stay where they are until the run has ended, as `host` keeps the value.
    private func upload(_ id: ValueID, _ host: [ValueID: RuntimeValue]) throws -> Event? {
        guard case .tensor(let tensor)? = host[id] ?? prepared.plan.graph.constants[id] else {
            throw ModelError(.invalidModel, "the value \"\(prepared.plan.graph[id].name)\" is not a numeric tensor")
        }
        let (buffer, offset) = try place(id)
        return try tensor.withUnsafeBytes { bytes in
            try queue.enqueueWrite(buffer, offset: offset, from: bytes, blocking: isProfiling, wantsEvent: isProfiling)
        }
    }

    private func download(_ id: ValueID) throws -> (tensor: Tensor, event: Event?) {
        let type = prepared.plan.types[id] ?? TensorType(.float32, [])
        let (buffer, offset) = try place(id)
        var event: Event?
        let tensor = try Tensor(type) { bytes in
            event = try queue.enqueueRead(buffer, offset: offset, into: bytes, wantsEvent: isProfiling)
        }
        return (tensor, event)
    }
}

/// Evaluates a node with the reference and stores its outputs.
func evaluateOnHost(
    _ node: Node,
    _ op: any Operator,
    _ graph: Graph,
    _ host: inout [ValueID: RuntimeValue],
    _ limits: EvaluationLimits
) throws {
    var single = graph
    single.nodes = [node]
    single.inputs = Array(Set(node.reads).filter { graph.constants[$0] == nil }).sorted()
    single.outputs = node.outputs.compactMap { $0 }
    let inputs = try single.inputs.map { id in
        guard let value = host[id] else {
            throw ModelError(.invalidModel, "the operand \"\(graph[id].name)\" is not produced")
                .at(node: node.name, operatorType: node.displayType)
        }
        return value
    }
    let outputs = try GraphInterpreter(single, limits: limits).run(inputs)
    for (id, value) in zip(single.outputs, outputs) { host[id] = value }
}
