package import ApusCompiler
package import ApusDevice
package import ApusGraph
package import ApusOpenCL
package import ApusOperators
package import ApusTensor
import Dispatch
import Synchronization

/// One device of a staged model as users name it.
package struct StageDevice: Sendable {
    /// The selection and the name, such as `opencl:1 NVIDIA H100`.
    package var label: String
    /// `nil` for the reference.
    package var openCL: OpenCLDevice?

    package init(label: String, openCL: OpenCLDevice?) {
        self.label = label
        self.openCL = openCL
    }

    package var info: DeviceInfo { openCL?.info ?? .reference }
}

/// Runs the stages of a model on their devices. Different requests use different devices at the same time.
///
/// Values cross from stage to stage through the host, in canonical layout. A device serves one request at a time.
package final class StagedExecutor: Executor {
    /// One stage, ready to run.
    package struct Stage: Sendable {
        package var name: String
        /// A place in `devices`.
        package var device: Int
        package var executor: any Executor
        fileprivate var turn: DeviceTurn
    }

    package let staged: StagedGraph
    package let placement: Placement
    package let devices: [StageDevice]
    package let stages: [Stage]
    private let levels: [[Int]]
    private let limits: EvaluationLimits

    /// Makes an executor for every stage.
    ///
    /// - Parameters:
    ///   - devices: what the placement counts; a device may stand there twice.
    ///   - make: makes the executor of one stage.
    /// - Throws: `ModelError` if stages wait for one another; what `make` throws.
    package init(
        _ graph: Graph,
        _ placement: Placement,
        on devices: [StageDevice],
        options: ExecutorOptions,
        make: (StagedGraph.Stage, StageDevice) throws -> any Executor
    ) throws {
        let staged = try StagedGraph(graph, placement)
        self.staged = staged
        self.placement = placement
        self.devices = devices
        limits = options.limits
        var turns: [Int: DeviceTurn] = [:]
        var stages: [Stage] = []
        for stage in staged.stages {
            let placed = placement.stages[stage.index]
            let device = devices[placed.device]
            let key = device.openCL?.index ?? -1
            let turn = turns[key] ?? DeviceTurn()
            turns[key] = turn
            let executor = try located(placed.name, device) { try make(stage, device) }
            stages.append(Stage(name: placed.name, device: placed.device, executor: executor, turn: turn))
        }
        self.stages = stages
        let count = (staged.stages.map(\.level).max() ?? -1) + 1
        levels = (0..<count).map { level in staged.stages.indices.filter { staged.stages[$0].level == level } }
    }

    package var graph: Graph { staged.graph }

    package var deviceName: String {
        var labels: [String] = []
        for stage in stages where !labels.contains(devices[stage.device].label) {
            labels.append(devices[stage.device].label)
        }
        return labels.joined(separator: " + ")
    }

    package var openCLDevices: [OpenCLDevice] { stages.flatMap(\.executor.openCLDevices).uniqued() }

    /// - Returns: `nil`, as every stage has a plan of its own; see `plans`.
    package func plan(_ inputs: [ValueFact]) throws -> Plan? {
        _ = try plans(inputs)
        return nil
    }

    /// The plan of each stage as far as shapes are known before a run; `nil` for the reference and for what follows a
    /// shape that depends on computed data.
    package func plans(_ inputs: [ValueFact]) throws -> [Plan?] {
        let facts = try self.facts(inputs)
        return try zip(stages, staged.stages).map { stage, part in
            let known = part.graph.inputs.compactMap { facts[$0] }
            guard known.count == part.graph.inputs.count else { return nil }
            return try located(stage.name, devices[stage.device]) { try stage.executor.plan(known) }
        }
    }

    /// What is known of the inputs of the model and of the values that cross a border, before a run.
    package func facts(_ inputs: [ValueFact]) throws(ModelError) -> [ValueID: ValueFact] {
        var whole = staged.graph
        whole.outputs = Set(whole.outputs + staged.transfers.map(\.value)).sorted()
        let bound = try ShapeBinder(limits: limits).bind(whole, inputs: inputs)
        var facts: [ValueID: ValueFact] = [:]
        for (id, type) in bound.types { facts[id] = .tensor(type, nil) }
        for (id, value) in bound.graph.constants { facts[id] = ValueFact(value) }
        for id in bound.opaque { facts[id] = .opaque }
        return facts
    }

    package func run(_ inputs: [RuntimeValue], _ options: RunOptions) throws -> RunResult {
        guard inputs.count == graph.inputs.count else {
            throw ModelError(.invalidInput, "expected \(graph.inputs.count) inputs, found \(inputs.count)")
        }
        var values = Dictionary(uniqueKeysWithValues: zip(graph.inputs, inputs))
        var observed: [String: RuntimeValue] = [:]
        for level in levels {
            try options.checkCancellation()
            for (stage, result) in zip(level, try run(level, values, options)) {
                for (id, value) in zip(staged.stages[stage].graph.outputs, result.outputs) { values[id] = value }
                observed.merge(result.observed) { first, _ in first }
            }
        }
        let outputs = try graph.outputs.map { id in
            guard let value = values[id] ?? graph.constants[id] else {
                throw ModelError(.invalidModel, "the output \"\(graph[id].name)\" is not produced")
            }
            return value
        }
        return RunResult(outputs: outputs, observed: observed)
    }

    /// Runs stages that do not wait for one another, at the same time.
    private func run(
        _ level: [Int],
        _ values: [ValueID: RuntimeValue],
        _ options: RunOptions
    ) throws -> [RunResult] {
        if level.count == 1 { return [try run(level[0], values, options)] }
        let results = Mutex<[Int: Result<RunResult, any Error>]>([:])
        DispatchQueue.concurrentPerform(iterations: level.count) { index in
            let result = Result { try run(level[index], values, options) }
            results.withLock { $0[index] = result }
        }
        let found = results.withLock { $0 }
        return try level.indices.compactMap { try found[$0]?.get() }
    }

    private func run(_ index: Int, _ values: [ValueID: RuntimeValue], _ options: RunOptions) throws -> RunResult {
        let stage = stages[index]
        let inputs = try staged.stages[index].graph.inputs.map { id throws(ModelError) -> RuntimeValue in
            guard let value = values[id] else {
                throw ModelError(.invalidModel, "the value \"\(graph[id].name)\" is not produced")
            }
            return value
        }
        return try options.profile.measured(.stage, "stage \(stage.name)") {
            try located(stage.name, devices[stage.device]) {
                let asked = RunProfile.now
                return try stage.turn.taking(options) {
                    let wait = RunProfile.Entry(
                        kind: .wait,
                        name: "wait for \(devices[stage.device].label)",
                        started: asked,
                        ended: RunProfile.now
                    )
                    options.profile?.append([wait])
                    try options.checkCancellation()
                    return try stage.executor.run(inputs, options)
                }
            }
        }
    }
}

/// Names the stage and the device in what a closure throws about a device.
private func located<Result>(_ stage: String, _ device: StageDevice, _ body: () throws -> Result) throws -> Result {
    do {
        return try body()
    } catch var error as BackendError {
        error.device = device.label
        error.message = "stage \"\(stage)\": \(error.message)"
        throw error
    }
}

extension [OpenCLDevice] {
    /// The devices, each once.
    func uniqued() -> [OpenCLDevice] {
        var result: [OpenCLDevice] = []
        for device in self where !result.contains(where: { $0 === device }) { result.append(device) }
        return result
    }
}
