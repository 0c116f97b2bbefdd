import ApusCompiler
import ApusDevice
import ApusGraph
import ApusLowering
import ApusOpenCL
import ApusTensor
import Synchronization

/// A plan with its programs built and its constants on the device; runs in it use contexts from a pool.
final class PreparedPlan: Sendable {
    let plan: Plan
    let device: OpenCLDevice
    let buffers: [BufferLocation: Buffer]
    let guards: GuardBands?
    /// The sequences of launches that one kernel runs; profiled runs leave them apart.
    let persistent: PersistentProgram?
    /// What is not built yet is only needed by profiled runs.
    private let programs: Mutex<[KernelProgram: Program]>
    private let idle = Mutex<[ExecutionContext]>([])
    private let builder: ProgramBuilder
    private let hasRun = Atomic<Bool>(false)
    private let hasBeenProfiled = Atomic<Bool>(false)

    /// Builds programs and fills constants.
    ///
    /// - Throws: `BackendError` with the build log, if a program does not build.
    init(
        _ plan: Plan,
        _ device: OpenCLDevice,
        _ store: ConstantStore,
        _ stages: LinkedStageStore,
        _ builder: ProgramBuilder,
        _ options: ExecutorOptions
    ) throws(BackendError) {
        self.plan = plan
        self.device = device
        self.builder = builder
        guards = options.guards
        let queue = try device.makeQueue()
        persistent =
            options.disabledPasses.contains(PassPipeline.persistent)
            ? nil
            : try PersistentProgram(plan, device, stages, builder, queue, minimumLength: options.minimumSequenceLength)
        let apart = LaunchSequence.launches(of: plan, outside: persistent?.sequences ?? [])
        let programs = try builder.programs(
            for: Set((plan.loadSteps + apart.map(\.launch)).map(\.launch.program))
        )
        self.programs = Mutex(programs)
        buffers = try store.buffers(for: plan, extra: plan.graph.constants, programs: programs, queue: queue)
    }

    /// The programs of all launches, or of those that no sequence runs.
    private func programs(all: Bool) throws(BackendError) -> [KernelProgram: Program] {
        let built = programs.withLock { $0 }
        guard all else { return built }
        let missing = plan.programs.subtracting(built.keys)
        guard !missing.isEmpty else { return built }
        let added = try builder.programs(for: missing)
        return programs.withLock { programs in
            programs.merge(added) { old, _ in old }
            return programs
        }
    }

    /// Lends an execution context: an idle one, or a new one.
    ///
    /// A context that failed is dropped, one that succeeded goes back to the pool.
    func withContext<Result>(
        profiling: Bool,
        _ body: (ExecutionContext) throws -> Result
    ) throws -> Result {
        let reused = idle.withLock { contexts in
            contexts.lastIndex { $0.isProfiling == profiling }.map { ContextBox(contexts.remove(at: $0)) }
        }
        let context: ExecutionContext
        if let reused {
            context = reused.context
        } else {
            context = try ExecutionContext(
                self,
                try programs(all: profiling),
                profiling ? nil : persistent,
                profiling: profiling
            )
        }
        let result = try RunGate.gate(of: device).sharing { try body(context) }
        let returned = ContextBox(context)
        idle.withLock { $0.append(returned.context) }
        let hadRun =
            profiling ? hasBeenProfiled.exchange(true, ordering: .relaxed) : hasRun.exchange(true, ordering: .relaxed)
        if !hadRun {
            // Some drivers finish a program at its first launch: only now is its binary worth keeping.
            RunGate.gate(of: device).excluding { builder.cache.storePending() }
        }
        return result
    }
}

/// Carries a context across the lock of the pool: it belongs to one thread at a time.
private struct ContextBox: @unchecked Sendable {
    let context: ExecutionContext

    init(_ context: ExecutionContext) { self.context = context }
}
