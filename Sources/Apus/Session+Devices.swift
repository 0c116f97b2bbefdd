import ApusBackends
import ApusCompiler
import ApusDevice
import ApusGraph
import ApusOpenCL
import ApusOperators
import ApusTensor

extension Session {
    /// How a model is spread over devices.
    public enum Placement: Sendable, Hashable {
        /// All of it on one device.
        case single
        /// One stage a device, in the order of the devices, cut so that the slowest stage is as quick as can be.
        ///
        /// Costs are estimated for the shapes, by input name; a free axis of any other input counts as 1.
        case even(shapes: [String: [Int]])
        /// A copy of the model on every device; each request goes to the device with the fewest in flight.
        case replicate
        /// Stages as a file says, which names the devices too.
        case stages(PlacementFile)
    }

    /// One part of a model on one device.
    public struct Stage: Sendable, Hashable {
        /// The name in the placement.
        public let name: String
        /// The device, such as `opencl:1 NVIDIA H100`.
        public let deviceName: String
        /// The names of its layers in the model, in order; those whose results are not needed are left out.
        public let layers: [String]
    }

    /// The parts of the model in the order in which they run; empty where it is not divided.
    public var stages: [Stage] {
        guard let executor = executor as? StagedExecutor else { return [] }
        return zip(executor.stages, executor.staged.stages).map { stage, part in
            Stage(
                name: stage.name,
                deviceName: executor.devices[stage.device].label,
                layers: part.graph.nodes.map(\.name)
            )
        }
    }

    /// The placement that was made, to be loaded again; `nil` where copies of the model run on several devices.
    public var placementFile: PlacementFile? {
        let placement: ApusCompiler.Placement
        let devices: [String]
        switch executor {
        case let staged as StagedExecutor:
            placement = staged.placement
            devices = staged.devices.map { $0.openCL.map { "opencl:\($0.index)" } ?? "reference" }
        case let single as OpenCLExecutor:
            placement = ApusCompiler.Placement(single: model.graph)
            devices = ["opencl:\(single.openCLDevice.index)"]
        case is ReferenceExecutor:
            placement = ApusCompiler.Placement(single: model.graph)
            devices = ["reference"]
        default: return nil
        }
        return PlacementFile(path: nil, rules: PlacementRules(placement, of: model.graph, devices: devices))
    }

    /// Makes what runs a model as the options say.
    ///
    /// - Throws: `ModelError` if the model or the placement is wrong, `BackendError` if a device cannot be had.
    static func makeExecutor(
        _ model: Model,
        _ options: Options,
        observesValues: Bool,
        _ cache: ProgramCache
    ) throws -> any Executor {
        let placed = try PlacedDevices(options)
        var settings = ExecutorOptions()
        settings.disabledPasses = options.disabledPasses
        settings.observesValues = observesValues
        let memories = placed.devices.compactMap { $0.openCL?.info.globalMemoryBytes }
        settings.limits.maximumBytes = options.maximumBytes ?? memories.min() ?? 16 << 30
        settings.limits.maximumIterations = options.maximumIterations
        settings.executionModel = options.executionModel
        settings.precision = options.precision.elementType
        settings.fallback = FallbackPolicy(rawValue: options.fallback.rawValue) ?? .node
        let wholeOptions = settings
        func make(
            _ graph: Graph,
            _ known: Set<ValueID>,
            _ device: StageDevice,
            _ options: ExecutorOptions
        ) throws -> any Executor {
            guard let openCL = device.openCL else { return try ReferenceExecutor(graph, options: options) }
            return try OpenCLExecutor(
                graph,
                on: openCL,
                knownInputs: known,
                options: options,
                tuning: TuningTable(storedOn: openCL.info, in: cache),
                cache: cache
            )
        }
        let placement: ApusCompiler.Placement
        switch options.placement {
        case .single: return try make(model.graph, [], placed.devices[0], settings)
        case .replicate:
            return try ReplicatedExecutor(on: placed.devices) { try make(model.graph, [], $0, wholeOptions) }
        case .even(let shapes):
            let infos = placed.devices.map { device in
                settings.executionModel.map { device.info.described(as: $0) } ?? device.info
            }
            placement = try EvenPlacement(limits: settings.limits, disabledPasses: settings.disabledPasses)
                .place(model.graph, inputs: try model.facts(shapes), on: infos)
        case .stages(let file):
            do throws(ModelError) {
                placement = try file.rules.placement(of: model.graph, devices: placed.stageDevices)
            } catch {
                throw error.at(file: file.place)
            }
        }
        do {
            if let precision = settings.precision { _ = try PassPipeline([.precision(precision)]).run(model.graph) }
            return try StagedExecutor(model.graph, placement, on: placed.devices, options: settings) { stage, device in
                var own = wholeOptions
                // A stage may have nothing to store in another type where the model as a whole has.
                if let precision = own.precision,
                    (try? PassPipeline([.precision(precision)]).run(stage.graph)) == nil
                {
                    own.precision = nil
                }
                return try make(stage.graph, stage.knownInputs, device, own)
            }
        } catch let error as ModelError {
            // Only the order of the stages is about the placement's file; it has a line and names no node.
            guard case .stages(let file) = options.placement, error.code == .invalidFile else { throw error }
            throw error.at(file: file.place)
        }
    }
}

/// The devices of a session, resolved.
private struct PlacedDevices {
    private(set) var devices: [StageDevice] = []
    /// The device of each stage of a placement file, as a place in `devices`.
    private(set) var stageDevices: [Int] = []

    init(_ options: Session.Options) throws {
        guard !options.devices.isEmpty else { throw ModelError(.invalidInput, "there is no device to run on") }
        if case .stages(let file) = options.placement {
            try place(file, options.devices)
            return
        }
        devices = try options.devices.map(Self.resolve)
        switch options.placement {
        case .single where devices.count > 1:
            throw ModelError(
                .invalidInput,
                "the placement single takes one device, found \(devices.count); use even, replicate or a file"
            )
        case .even where devices.count < 2:
            throw ModelError(.invalidInput, "the placement even needs several devices, such as opencl:0,opencl:1")
        case .replicate:
            for (index, device) in devices.enumerated() {
                guard devices[..<index].contains(where: { $0.label == device.label }) else { continue }
                throw ModelError(.invalidInput, "the placement replicate has the device \(device.label) twice")
            }
        default: break
        }
    }

    /// Finds the devices of a file's stages among those given; the default, automatic, leaves the choice to the file.
    private mutating func place(_ file: PlacementFile, _ given: [DeviceSelection]) throws {
        let isFree = given == [.automatic]
        if !isFree { devices = try given.map(Self.resolve) }
        for stage in file.rules.stages {
            func failure(_ message: String) -> ModelError {
                ModelError(.invalidFile, "line \(stage.line): \(message)", file: file.place)
            }
            guard let selection = DeviceSelection(stage.device) else {
                throw failure("\"\(stage.device)\" is no device; use auto, reference, opencl:N or opencl:NAME")
            }
            let device: StageDevice
            do {
                device = try Self.resolve(selection)
            } catch var error as BackendError {
                error.message = "\(file.place): line \(stage.line): \(error.message)"
                throw error
            }
            if let place = devices.firstIndex(where: { $0.label == device.label }) {
                stageDevices.append(place)
            } else if isFree {
                stageDevices.append(devices.count)
                devices.append(device)
            } else {
                throw failure(
                    "the device \(device.label) of the stage \"\(stage.name)\" is not among "
                        + given.map(\.description).joined(separator: ",")
                )
            }
        }
        for (index, device) in devices.enumerated() where !stageDevices.contains(index) {
            throw ModelError(
                .invalidInput,
                "no stage of the placement runs on the device \(device.label)",
                file: file.place
            )
        }
    }

    private static func resolve(_ selection: DeviceSelection) throws -> StageDevice {
        guard let device = try selection.resolve() else { return StageDevice(label: "reference", openCL: nil) }
        return StageDevice(label: "opencl:\(device.index) \(device.info.name)", openCL: device)
    }
}

extension Model {
    /// What is known of the inputs before a run, with 1 for free axes that no shape is given for.
    ///
    /// - Throws: `ModelError` with code `invalidInput` if the rank of an input is unknown.
    fileprivate func facts(_ shapes: [String: [Int]]) throws(ModelError) -> [ValueFact] {
        try inputs.map { port throws(ModelError) -> ValueFact in
            guard let elementType = port.elementType, elementType != .string else { return .opaque }
            guard let shape = shapes[port.name] ?? port.shape?.map({ $0 ?? 1 }) else {
                throw ModelError(
                    .invalidInput,
                    "the rank of the input \"\(port.name)\" is unknown; an even placement needs its shape"
                )
            }
            return ValueFact(try TensorType(elementType, shape).validated())
        }
    }
}
