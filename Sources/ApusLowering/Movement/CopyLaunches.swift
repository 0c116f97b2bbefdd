import ApusDevice
import ApusGraph
package import ApusTensor

/// The kernel calls that copy a value into another layout, or a region of it.
///
/// - Parameters:
///   - from: the source; element types of both sides must have the same width.
///   - to: the target, of the same shape.
/// - Throws: `ModelError` with code `unsupported`, where no kernel moves the elements.
package func copyLaunches(
    from source: Operand,
    to target: Operand,
    _ context: LoweringContext
) throws(ModelError) -> [KernelLaunch] {
    try copyLaunches(
        from: source.view,
        to: target.view,
        shape: target.type.shape,
        order: target.layout.order,
        context
    )
}

/// The kernel calls that copy a strided region, element by element.
///
/// - Parameters:
///   - source: pitches by axis of the shape; negative pitches walk backwards, 0 repeats.
///   - order: the axes, outermost first in the target's memory.
/// - Throws: `ModelError` with code `unsupported`, where no kernel moves the elements.
package func copyLaunches(
    from source: StridedView,
    to target: StridedView,
    shape: [Int],
    order: [Int],
    _ context: LoweringContext
) throws(ModelError) -> [KernelLaunch] {
    if shape.contains(0) { return [] }
    let type = try KernelScalar.movable(bytes: target.elementType.bitWidth / 8)
    var (source, target) = (source, target)
    source.elementType = type
    target.elementType = type
    if context.device.maximumWorkGroupSize >= 256 || context.device.executionModel == .workItemTile,
        let launch = try TransposingCopy(source, target, shape: shape, order: order)?.launch(context)
    {
        return [launch]
    }
    return try pointwiseLaunches(
        .input(0),
        inputs: [source],
        output: target,
        shape: shape,
        order: order,
        raw: true,
        context
    )
}

/// The kernel calls that fill a region with one value.
///
/// - Throws: `ModelError` with code `unsupported`, where no kernel writes the element type.
package func fillLaunches(
    _ value: Double,
    in target: StridedView,
    shape: [Int],
    order: [Int],
    _ context: LoweringContext
) throws(ModelError) -> [KernelLaunch] {
    try pointwiseLaunches(.constant(value), inputs: [], output: target, shape: shape, order: order, context)
}

/// The kernel calls that write the halo around the elements of a value; none without a halo.
///
/// Padding between the channels of a halo pixel and the next is written as well, that of other pixels is not.
package func haloLaunches(for operand: Operand, _ context: LoweringContext) -> [KernelLaunch] {
    let layout = operand.layout
    let shape = operand.type.shape
    guard layout.hasHalo, !shape.contains(0), shape.count >= 3, shape.count <= 5,
        let element = [1: "uchar", 2: "ushort", 4: "uint", 8: "ulong"][operand.elementBytes]
    else { return [] }
    let spatial = (0..<(5 - shape.count)).map { _ in -1 } + Array(2..<shape.count)
    func extent(_ list: [Int], _ position: Int, missing: Int) -> Int {
        spatial[position] < 0 ? missing : list[spatial[position]]
    }
    let before = (0..<3).map { extent(layout.haloBefore, $0, missing: 0) }
    let inside = (0..<3).map { extent(shape, $0, missing: 1) }
    let after = (0..<3).map { extent(layout.haloAfter, $0, missing: 0) }
    let padded = (0..<3).map { before[$0] + inside[$0] + after[$0] }
    let rows = shape[0] * padded[0] * padded[1]
    let pixel = layout.pitches[spatial[2]]
    let split = WorkSplit(rows: rows, innerExtent: 1, lanes: 1, weight: padded[2] * pixel, device: context.device)
    let sizes = padded[0...1] + [before[0], inside[0], before[1], inside[1]]
    let columns = [before[2] * pixel, inside[2] * pixel, padded[2] * pixel]
    return [
        KernelLaunch(
            program: KernelProgram(
                file: "movement/halo.cl",
                defines: ["ELEMENT": element]
            ),
            kernel: "movement_halo",
            arguments: [
                .tensor(.value(operand.id), offset: 0, elementBytes: operand.elementBytes, access: .readWrite)
            ] + (sizes + columns).map { KernelArgument.int($0) } + [
                .int(rows), .int(split.unitsPerItem), .int(layout.haloValue),
            ],
            globalSize: split.globalSize,
            localSize: split.localSize
        )
    ]
}
