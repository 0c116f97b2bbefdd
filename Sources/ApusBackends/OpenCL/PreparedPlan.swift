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
    private let programs: [KernelProgram: Program]
    private let idle = Mutex<[ExecutionContext]>([])
    private let cache: ProgramCache
    private let hasRun = Atomic<Bool>(false)

    /// Builds programs and fills constants.
    ///
    /// - Throws: `BackendError` with the build log, if a program does not build.
    init(
        _ plan: Plan,
        _ device: OpenCLDevice,
        _ store: ConstantStore,
        _ builder: ProgramBuilder,
        guards: GuardBands?
    ) throws(BackendError) {
        self.plan = plan
        self.device = device
        self.guards = guards
        cache = builder.cache
        programs = try builder.programs(for: plan.programs)
        let queue = try device.makeQueue()
        buffers = try store.buffers(for: plan, extra: plan.graph.constants, programs: programs, queue: queue)
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
            context = try ExecutionContext(self, programs, profiling: profiling)
        }
        let result = try RunGate.gate(of: device).sharing { try body(context) }
        let returned = ContextBox(context)
        idle.withLock { $0.append(returned.context) }
        if !hasRun.exchange(true, ordering: .relaxed) {
            // Some drivers finish a program at its first launch: only now is its binary worth keeping.
            RunGate.gate(of: device).excluding { cache.storePending() }
        }
        return result
    }
}

/// Carries a context across the lock of the pool: it belongs to one thread at a time.
private struct ContextBox: @unchecked Sendable {
    let context: ExecutionContext

    init(_ context: ExecutionContext) { self.context = context }
}
