package import ApusCompiler
package import ApusDevice
package import ApusGraph
package import ApusLowering
package import ApusOpenCL
package import ApusOperators
package import ApusTensor

/// What one run may use and must respect.
package struct RunOptions: Sendable {
    /// When the run must have ended.
    package var deadline: ContinuousClock.Instant?
    /// Asked between steps.
    package var isCancelled: @Sendable () -> Bool
    /// Receives the times of every step; `nil` runs without profiling events.
    package var profile: RunProfile?

    package init(
        deadline: ContinuousClock.Instant? = nil,
        isCancelled: @escaping @Sendable () -> Bool = { false },
        profile: RunProfile? = nil
    ) {
        self.deadline = deadline
        self.isCancelled = isCancelled
        self.profile = profile
    }

    /// - Throws: `ModelError` with code `cancelled`.
    package func checkCancellation() throws(ModelError) {
        if isCancelled() { throw ModelError(.cancelled, "the run was cancelled") }
        if let deadline, ContinuousClock.now >= deadline {
            throw ModelError(.cancelled, "the deadline of the run has passed")
        }
    }
}

/// What an executor is made with.
package struct ExecutorOptions: Sendable {
    package var fallback: FallbackPolicy = .node
    package var disabledPasses: Set<String> = []
    /// Whether to return every imported value that survives the passes, for `compare`.
    package var observesValues = false
    package var limits = EvaluationLimits()
    /// The 16-bit type that stores float32 values between inputs and outputs; `nil` keeps the model's own types.
    package var precision: ElementType?
    /// The most plans that are kept, one for each set of input shapes.
    package var maximumPlans = 16
    /// The family of tiled kernels to use in place of the device's own.
    package var executionModel: ExecutionModel?
    /// Surrounds every buffer, and every block of an arena, with memory that nothing may write.
    package var guards: GuardBands?
    /// The fewest launches one after another that run as one persistent kernel, on CPUs that can; `nil` for what suits
    /// the device.
    package var minimumSequenceLength: Int?
    /// Changes the text of kernels before they are built, for tests of what finds bad kernels.
    package var rewriteKernel: (@Sendable (KernelProgram, String) -> String)?

    package init() {}
}

/// What a run gives back.
package struct RunResult: Sendable {
    /// One value for each output of the model.
    package var outputs: [RuntimeValue]
    /// Imported values by name, where the executor observes them.
    package var observed: [String: RuntimeValue]

    package init(outputs: [RuntimeValue], observed: [String: RuntimeValue] = [:]) {
        self.outputs = outputs
        self.observed = observed
    }
}

/// Runs one model on one device or several; shared by threads.
package protocol Executor: Sendable {
    /// The names of the devices, for people.
    var deviceName: String { get }
    /// The OpenCL devices that hold memory of the model, each once.
    var openCLDevices: [OpenCLDevice] { get }
    /// The graph as the executor runs it, after the passes that need no shapes.
    var graph: Graph { get }

    /// Binds the model to what is known of its inputs without running it.
    ///
    /// - Returns: the plan up to the first data-dependent shape; `nil` where the executor interprets the graph, or where
    ///   each of several devices has a plan of its own.
    /// - Throws: `ModelError`, or `BackendError` from building programs.
    func plan(_ inputs: [ValueFact]) throws -> Plan?

    /// Runs the model on one value for each graph input, in order.
    ///
    /// - Throws: `ModelError` or `BackendError`.
    func run(_ inputs: [RuntimeValue], _ options: RunOptions) throws -> RunResult
}

extension Executor {
    /// Binds the model to input types without running it.
    package func plan(_ inputs: [TensorType]) throws -> Plan? {
        try plan(inputs.map { ValueFact($0) })
    }
}
