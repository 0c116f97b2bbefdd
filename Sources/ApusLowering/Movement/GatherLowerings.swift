import ApusDevice
import ApusGraph
import ApusOperators
package import ApusTensor

/// `Gather`: rows of a canonical tensor by index, along one axis.
package enum GatherLowering: OperatorLowering {
    package static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        LayoutRequests(inputs: call.inputs.map { _ in .canonical }, outputs: call.outputs.map { _ in .canonical })
    }

    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let data = try call.input(0)
        let axis = try normalizedAxis(call.node.attributes.int("axis", default: 0), rank: data.type.rank)
        let shape = data.type.shape
        let launch = try gatherLaunch(
            data,
            call.input(1),
            into: call.output(0).view,
            outer: shape[..<axis].reduce(1, *),
            extent: shape[axis],
            inner: shape[(axis + 1)...].reduce(1, *),
            context
        )
        return LoweredNode(launches: [launch])
    }
}

/// The call that copies the rows of a canonical matrix that indices name, one after the other.
func gatherRows(
    _ data: Operand,
    _ indices: Operand,
    into target: StridedView,
    _ context: LoweringContext
) throws(ModelError) -> KernelLaunch {
    let extent = data.type.shape.first ?? 1
    let inner = data.type.shape.dropFirst().reduce(1, *)
    return try gatherLaunch(data, indices, into: target, outer: 1, extent: extent, inner: inner, context)
}

private func gatherLaunch(
    _ data: Operand,
    _ indices: Operand,
    into target: StridedView,
    outer: Int,
    extent: Int,
    inner: Int,
    _ context: LoweringContext
) throws(ModelError) -> KernelLaunch {
    let count = indices.type.elementCount
    let split = WorkSplit(rows: outer * count, innerExtent: inner, lanes: 1, weight: 1, device: context.device)
    return KernelLaunch(
        program: KernelProgram(file: "movement/gather.cl", defines: try gatherDefines(data, indices)),
        kernel: "movement_gather",
        arguments: [data.argument(), indices.argument(), target.argument(.write)]
            + (try intArguments([extent, count, inner]) + split.arguments()),
        globalSize: split.globalSize,
        localSize: split.localSize
    )
}

/// `GatherElements`: every element by an index of its own along one axis.
package enum GatherElementsLowering: OperatorLowering {
    package static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        GatherLowering.layoutRequests(call, context)
    }

    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let data = try call.input(0)
        let indices = try call.input(1)
        let output = try call.output(0)
        let shape = output.type.shape
        let axis = try normalizedAxis(call.node.attributes.int("axis", default: 0), rank: shape.count)
        var pitches = data.layout.pitches
        let along = pitches[axis]
        pitches[axis] = 0
        let space = IterationSpace(
            shape: shape,
            order: Array(shape.indices),
            pitches: [pitches, output.layout.pitches]
        )
        guard space.extents.count <= 4 else {
            throw ModelError(.unsupported, "a gather over more than four axes that cannot be merged")
        }
        let fill = 4 - space.extents.count
        let extents = [Int](repeating: 1, count: fill) + space.extents
        let steps = [Int](repeating: 0, count: fill) + space.pitches[0]
        let split = WorkSplit(
            rows: space.rowCount,
            innerExtent: space.innerExtent,
            lanes: 1,
            weight: 2,
            device: context.device
        )
        return LoweredNode(launches: [
            KernelLaunch(
                program: KernelProgram(file: "movement/gather.cl", defines: try gatherDefines(data, indices)),
                kernel: "movement_gather_elements",
                arguments: [data.argument(), indices.argument(), output.argument(.write)]
                    + (try intArguments([data.type.shape[axis], along] + extents.dropFirst() + steps))
                    + (try split.arguments()),
                globalSize: split.globalSize,
                localSize: split.localSize
            )
        ])
    }
}

/// The types of the elements and of the indices as defines.
///
/// - Throws: `ModelError` with code `unsupported`, where no kernel moves or reads them.
private func gatherDefines(_ data: Operand, _ indices: Operand) throws(ModelError) -> [String: String] {
    let element = try KernelScalar(KernelScalar.movable(bytes: data.elementBytes), raw: true)
    switch indices.type.elementType {
    case .int32: return ["ELEMENT": element.storage, "INDEX": "int"]
    case .int64: return ["ELEMENT": element.storage, "INDEX": "long"]
    default: throw ModelError(.unsupported, "indices of type \(indices.type.elementType)")
    }
}
