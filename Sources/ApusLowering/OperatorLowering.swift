package import ApusDevice
package import ApusGraph
package import ApusOperators
package import ApusTensor

/// A value as a lowering sees it.
package struct Operand: Sendable {
    package var id: ValueID
    package var type: TensorType
    package var layout: Layout
    /// The value, where it is a constant of the plan.
    package var value: Tensor?

    package init(id: ValueID, type: TensorType, layout: Layout, value: Tensor? = nil) {
        self.id = id
        self.type = type
        self.layout = layout
        self.value = value
    }

    package var elementBytes: Int { type.elementType.bitWidth / 8 }

    /// The operand as two kernel parameters; the offset points at the first element, behind the halo.
    package func argument(_ access: KernelArgument.Access = .read, skipping elements: Int = 0) -> KernelArgument {
        .tensor(.value(id), offset: layout.offset + elements, elementBytes: elementBytes, access: access)
    }
}

/// One operator call with everything that lowering may look at.
package struct OperatorCall: Sendable {
    package var node: Node
    /// The typed operator, without its epilogue.
    package var anchor: any Operator
    /// All inputs of the node, those of its epilogue last.
    package var inputs: [Operand?]
    package var outputs: [Operand?]

    package init(node: Node, anchor: any Operator, inputs: [Operand?], outputs: [Operand?]) {
        self.node = node
        self.anchor = anchor
        self.inputs = inputs
        self.outputs = outputs
    }

    package var epilogue: Epilogue? { node.epilogue }
    package var anchorInputs: ArraySlice<Operand?> { inputs.dropLast(node.epilogue?.inputCount ?? 0) }
    package var epilogueInputs: ArraySlice<Operand?> { inputs.suffix(node.epilogue?.inputCount ?? 0) }

    /// An input that the operator cannot do without.
    package func input(_ index: Int) throws(ModelError) -> Operand {
        guard inputs.indices.contains(index), let operand = inputs[index] else {
            throw ModelError(.invalidModel, "input \(index) is missing")
        }
        return operand
    }

    /// An output that the operator cannot do without.
    package func output(_ index: Int) throws(ModelError) -> Operand {
        guard outputs.indices.contains(index), let operand = outputs[index] else {
            throw ModelError(.invalidModel, "output \(index) is missing")
        }
        return operand
    }
}

/// The layout that a lowering asks of one operand.
package enum LayoutRequest: Sendable, Hashable {
    /// Any pitches, any halo.
    case any
    case canonical
    /// Channels innermost, with at least the given halo by logical axis (empty: none), of zeros unless
    /// `LayoutRequests.haloValues` says otherwise.
    case channelsLast(haloBefore: [Int], haloAfter: [Int])

    package static var channelsLast: LayoutRequest { .channelsLast(haloBefore: [], haloAfter: []) }
}

/// The layouts that a lowering asks for: one request an input and output of the node.
package struct LayoutRequests: Sendable {
    package var inputs: [LayoutRequest]
    /// For `.any` the output takes the axis order of the first input of its rank.
    package var outputs: [LayoutRequest]
    /// What the halo of an input holds, by number, where it is not 0.
    package var haloValues: [Int: Int] = [:]

    package init(inputs: [LayoutRequest], outputs: [LayoutRequest]) {
        self.inputs = inputs
        self.outputs = outputs
    }
}

/// A node as kernel calls.
package struct LoweredNode: Sendable {
    package var launches: [KernelLaunch]
    /// The bytes of each scratch buffer.
    package var scratchBytes: [Int]
    /// Inputs whose memory the first output may take over, if nothing reads them later and the layouts are equal.
    package var inPlaceInputs: [Int]
    /// The input whose memory the first output *is*: no launch at all.
    package var aliasedInput: Int?
    /// The decision between variants that tuning may take, where there is one.
    package var decision: TuningDecision?

    package init(
        launches: [KernelLaunch],
        scratchBytes: [Int] = [],
        inPlaceInputs: [Int] = [],
        aliasedInput: Int? = nil
    ) {
        self.launches = launches
        self.scratchBytes = scratchBytes
        self.inPlaceInputs = inPlaceInputs
        self.aliasedInput = aliasedInput
    }
}

/// What lowering may depend on beside the call: it is a pure function.
package struct LoweringContext: Sendable {
    package var device: DeviceInfo
    package var tuning: TuningTable

    package init(device: DeviceInfo, tuning: TuningTable = TuningTable()) {
        self.device = device
        self.tuning = tuning
    }

    /// The family of tiled kernels for an operator that has one of each: the device's own, unless it is refused and the
    /// other one is not.
    package func executionModel(_ operatorType: String, workItem: String, workGroup: String) -> ExecutionModel {
        let kernels = [ExecutionModel.workItemTile: workItem, .workGroupTile: workGroup]
        let own = device.executionModel
        func isTrusted(_ model: ExecutionModel) -> Bool {
            kernels[model].map { !tuning.refuses(operatorType, $0) } ?? false
        }
        if isTrusted(own) { return own }
        return ExecutionModel.allCases.first(where: isTrusted) ?? own
    }
}

/// How one operator becomes kernel calls.
package protocol OperatorLowering: Sendable {
    /// The layouts that `lower` will find.
    ///
    /// The operands carry canonical layouts here; types are final.
    static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests

    /// The kernel calls.
    ///
    /// Pure: equal arguments give equal launches. Packing of weights is an ordinary launch into scratch memory; the
    /// compiler hoists launches whose inputs are all constant.
    /// - Throws: `ModelError` with code `unsupported` and the reason, where no kernel serves the call.
    static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode
}

extension OperatorLowering {
    /// Any layout for every operand.
    package static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        LayoutRequests(
            inputs: call.inputs.map { _ in .any },
            outputs: call.outputs.map { _ in .any }
        )
    }
}
