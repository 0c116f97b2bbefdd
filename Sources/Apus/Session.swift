package import ApusBackends
package import ApusCompiler
package import ApusDevice
import ApusGraph
package import ApusOpenCL
import ApusOperators
public import ApusTensor
import Dispatch
import Synchronization

/// A model made ready for its devices. Thread-safe: any number of runs may be in flight.
///
/// On several devices the stages of a model run side by side on different requests: keep as many in flight as there are
/// devices, or more.
public final class Session: Sendable {
    /// How a session is made.
    public struct Options: Sendable {
        /// Where the model runs; several devices need a placement that uses them.
        public var devices: [DeviceSelection]
        /// How the model is spread over the devices.
        public var placement: Placement
        /// What happens to operators without a kernel on the device.
        public var fallback: Fallback
        /// Compiler passes to leave out, by name.
        public var disabledPasses: Set<String>
        /// The largest tensor in bytes; `nil` for the memory of the smallest device.
        public var maximumBytes: Int?
        /// The most iterations of a Loop or Scan.
        public var maximumIterations: Int
        /// The family of tiled kernels to use in place of the device's own.
        package var executionModel: ExecutionModel?

        /// How float32 values between inputs and outputs are stored.
        public var precision = Precision.model

        /// The first of the devices; setting it makes it the only one.
        public var device: DeviceSelection {
            get { devices.first ?? .automatic }
            set { devices = [newValue] }
        }

        /// The defaults suit most programs.
        public init(
            device: DeviceSelection = .automatic,
            fallback: Fallback = .node,
            disabledPasses: Set<String> = [],
            maximumBytes: Int? = nil,
            maximumIterations: Int = 1_000_000
        ) {
            self.init(
                devices: [device],
                placement: .single,
                fallback: fallback,
                disabledPasses: disabledPasses,
                maximumBytes: maximumBytes,
                maximumIterations: maximumIterations
            )
        }

        /// Several devices. A placement file names its own devices, and `devices` may stay `[.automatic]`.
        public init(
            devices: [DeviceSelection],
            placement: Placement,
            fallback: Fallback = .node,
            disabledPasses: Set<String> = [],
            maximumBytes: Int? = nil,
            maximumIterations: Int = 1_000_000
        ) {
            self.devices = devices
            self.placement = placement
            self.fallback = fallback
            self.disabledPasses = disabledPasses
            self.maximumBytes = maximumBytes
            self.maximumIterations = maximumIterations
        }
    }

    /// How the float32 values of a model are stored between its inputs and outputs; sums are float32 in any case.
    public enum Precision: String, Sendable, CaseIterable {
        /// In the model's own types.
        case model
        case bfloat16 = "bf16"
        case float16 = "fp16"

        var elementType: ElementType? {
            switch self {
            case .model: nil
            case .bfloat16: .bfloat16
            case .float16: .float16
            }
        }
    }

    /// What happens to operators without a kernel on the device.
    public enum Fallback: String, Sendable, CaseIterable {
        /// Single nodes run on the host.
        case node
        /// The whole model runs on the reference.
        case device
        /// The session is refused.
        case never
    }

    /// The model that runs.
    public let model: Model
    /// The name of the device that runs the model; of several, `opencl:N NAME` each.
    public var deviceName: String { executor.deviceName }
    package let executor: any Executor
    private let queue = DispatchQueue(label: "apus.session", attributes: .concurrent)

    /// Makes a session.
    ///
    /// - Throws: `ModelError` if a node is unknown or wrong, the precision has nothing to act on or the placement does not
    ///   fit, `BackendError` if a device cannot be had.
    public convenience init(_ model: Model, options: Options = Options()) throws {
        try self.init(model, options: options, observesValues: false)
    }

    package init(
        _ model: Model,
        options: Options,
        observesValues: Bool,
        cache: ProgramCache = .shared
    ) throws {
        self.model = model
        do {
            executor = try Self.makeExecutor(model, options, observesValues: observesValues, cache)
        } catch let error as ModelError {
            throw Self.located(error, model)
        }
    }

    /// The error with the model's file named, unless it is about the run alone.
    private static func located(_ error: ModelError, _ model: Model) -> ModelError {
        guard error.code != .cancelled, let path = model.path else { return error }
        return error.at(file: path)
    }

    /// Binds the model to input types without running it; `nil` where it is interpreted.
    ///
    /// - Throws: `ModelError` or `BackendError`.
    package func plan(_ inputs: [TensorType]) throws -> Plan? {
        do {
            return try executor.plan(inputs)
        } catch let error as ModelError {
            throw Self.located(error, model)
        }
    }

    /// Runs the model and waits for the answer on the calling thread.
    ///
    /// - Parameters:
    ///   - inputs: a value for each input of the model, by name.
    ///   - deadline: when the run must have ended; it stops between steps.
    /// - Returns: the outputs by name.
    /// - Throws: `ModelError` if an input is missing, unknown or of the wrong type, `BackendError` if the device fails.
    public func runBlocking(
        _ inputs: [String: RuntimeValue],
        deadline: ContinuousClock.Instant? = nil
    ) throws -> [String: RuntimeValue] {
        try run(inputs, RunOptions(deadline: deadline)).outputs
    }

    /// Runs the model without blocking the caller's thread; cancelling the task stops the run between steps.
    ///
    /// - Parameters:
    ///   - inputs: a value for each input of the model, by name.
    ///   - deadline: when the run must have ended; it stops between steps.
    /// - Returns: the outputs by name.
    /// - Throws: `ModelError` if an input is missing, unknown or of the wrong type, `BackendError` if the device fails.
    public func run(
        _ inputs: [String: RuntimeValue],
        deadline: ContinuousClock.Instant? = nil
    ) async throws -> [String: RuntimeValue] {
        let flag = CancellationFlag()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                queue.async {
                    let options = RunOptions(deadline: deadline, isCancelled: { flag.isSet })
                    continuation.resume(with: Result { try self.run(inputs, options).outputs })
                }
            }
        } onCancel: {
            flag.set()
        }
    }

    package func run(
        _ inputs: [String: RuntimeValue],
        _ options: RunOptions
    ) throws -> (outputs: [String: RuntimeValue], observed: [String: RuntimeValue]) {
        let values = try ordered(inputs)
        let result: RunResult
        do {
            result = try options.profile.measured(.run, "run") { try executor.run(values, options) }
        } catch let error as ModelError {
            throw Self.located(error, model)
        }
        let names = model.graph.outputs.map { model.graph[$0].name }
        return (Dictionary(zip(names, result.outputs)) { first, _ in first }, result.observed)
    }

    /// The inputs in the model's order, checked against what it declares.
    package func ordered(_ inputs: [String: RuntimeValue]) throws(ModelError) -> [RuntimeValue] {
        let ports = model.inputs
        if let unknown = inputs.keys.sorted().first(where: { name in !ports.contains { $0.name == name } }) {
            throw ModelError(
                .invalidInput,
                "the model has no input \"\(unknown)\"; its inputs are "
                    + ports.map { "\"\($0.name)\" \($0.description)" }.joined(separator: ", ")
            )
        }
        var result: [RuntimeValue] = []
        for (port, id) in zip(ports, model.graph.inputs) {
            guard let value = inputs[port.name] else {
                throw ModelError(.invalidInput, "the input \"\(port.name)\" \(port.description) is missing")
            }
            if let elementType = port.elementType, elementType != .string {
                guard case .tensor(let tensor) = value else {
                    throw ModelError(
                        .invalidInput,
                        "the input \"\(port.name)\" is \(port.description), found \(value.kind)"
                    )
                }
                let fits =
                    port.shape.map { shape in
                        shape.count == tensor.rank && zip(shape, tensor.shape).allSatisfy { $0 == nil || $0 == $1 }
                    } ?? true
                guard tensor.elementType == elementType, fits else {
                    throw ModelError(
                        .invalidInput,
                        "the input \"\(port.name)\" is \(port.description), found \(tensor.type)"
                    )
                }
            }
            switch (model.graph[id].type, value) {
            case (.sequence?, .sequence), (.optional?, .optional), (.tensor(.string, _)?, .strings): break
            case (.sequence?, _), (.optional?, _), (.tensor(.string, _)?, _):
                throw ModelError(
                    .invalidInput,
                    "the input \"\(port.name)\" is \(port.description), found \(value.kind)"
                )
            case (.tensor?, _), (nil, _): break
            }
            result.append(value)
        }
        return result
    }
}

/// Set once, read by the run.
private final class CancellationFlag: Sendable {
    private let value = Atomic<Bool>(false)
    var isSet: Bool { value.load(ordering: .relaxed) }
    func set() { value.store(true, ordering: .relaxed) }
}
