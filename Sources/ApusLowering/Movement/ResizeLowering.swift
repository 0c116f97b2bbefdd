import ApusDevice
import ApusGraph
import ApusOperators
package import ApusTensor

/// `Resize`, nearest of any type and linear of real types in float32: one pass an axis that changes.
package enum ResizeLowering: OperatorLowering {
    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let input = try call.input(0)
        let output = try call.output(0)
        guard let resize = call.anchor as? Resize, resize.mode != .cubic,
            try !call.node.attributes.bool("antialias", default: false),
            try !call.node.attributes.bool("exclude_outside", default: false)
        else { throw ModelError(.unsupported, "no kernel for the mode") }
        let facts = call.inputs.map { $0.map { ValueFact.tensor($0.type, $0.value) } }
        guard let geometry = try resize.geometry(input.type.shape, facts) else {
            throw ModelError(.unsupported, "scales or sizes are not known before the run")
        }
        let isNearest = resize.mode == .nearest
        let storage = isNearest ? [:] : try ElementStorage(input.type.elementType).defines(context.device)
        let changed = input.type.shape.indices.filter { !geometry.isUnchanged($0) }
        if changed.isEmpty { return LoweredNode(launches: try copyLaunches(from: input, to: output, context)) }
        var result = ScratchLaunches()
        var source = input.view
        source.elementType = try KernelScalar.movable(bytes: input.elementBytes)
        var shape = input.type.shape
        let order = output.layout.order
        for axis in changed {
            let isLast = axis == changed.last
            var next = shape
            next[axis] = geometry.outputShape[axis]
            var target = output.view
            if !isLast {
                let stored = order.map { next[$0] }
                target = result.makeScratch(stored, source.elementType)
                let pitches = target.pitches
                for (position, axis) in order.enumerated() { target.pitches[axis] = pitches[position] }
            }
            target.elementType = source.elementType
            if isNearest, let factor = repetition(resize.taps(geometry, axis: axis), extent: shape[axis]) {
                result.launches += try repeated(source, target, shape, axis, factor, order, context)
            } else {
                result.launches.append(
                    try pass(resize, geometry, call, storage, axis, source, target, next, order, context)
                )
            }
            source = target
            shape = next
        }
        return LoweredNode(launches: result.launches, scratchBytes: result.scratchBytes)
    }

    /// How often every element occurs in a row, if all occur equally often.
    private static func repetition(_ taps: [ResizeTaps], extent: Int) -> Int? {
        guard extent > 0, taps.count % extent == 0 else { return nil }
        let factor = taps.count / extent
        return taps.indices.allSatisfy { taps[$0].indices.first == $0 / factor } ? factor : nil
    }

    private static func repeated(
        _ source: StridedView,
        _ target: StridedView,
        _ shape: [Int],
        _ axis: Int,
        _ factor: Int,
        _ order: [Int],
        _ context: LoweringContext
    ) throws(ModelError) -> [KernelLaunch] {
        var (source, target, shape) = (source, target, shape)
        let order = order.flatMap { $0 < axis ? [$0] : $0 == axis ? [$0, $0 + 1] : [$0 + 1] }
        source.pitches.insert(0, at: axis + 1)
        target.pitches.insert(target.pitches[axis], at: axis + 1)
        target.pitches[axis] *= factor
        shape.insert(factor, at: axis + 1)
        return try copyLaunches(from: source, to: target, shape: shape, order: order, context)
    }

    /// One axis: the coordinate of output element x is `(x * slope + start) / divisor`, in whole numbers.
    private static func pass(
        _ resize: Resize,
        _ geometry: ResizeGeometry,
        _ call: OperatorCall,
        _ storage: [String: String],
        _ axis: Int,
        _ source: StridedView,
        _ target: StridedView,
        _ shape: [Int],
        _ order: [Int],
        _ context: LoweringContext
    ) throws(ModelError) -> KernelLaunch {
        let (extent, size) = (geometry.inputShape[axis], geometry.outputShape[axis])
        guard geometry.scales[axis] == Double(size) / Double(extent) else {
            throw ModelError(.unsupported, "no kernel for a scale that does not give a whole extent")
        }
        let coordinates: (slope: Int, start: Int, divisor: Int)
        switch try call.node.attributes.string("coordinate_transformation_mode", default: "half_pixel") {
        case "pytorch_half_pixel" where size == 1: coordinates = (0, -1, 2)
        case "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel":
            coordinates = (2 * extent, extent - size, 2 * size)
        case "asymmetric": coordinates = (extent, 0, size)
        case "align_corners": coordinates = size == 1 ? (0, 0, 1) : (extent - 1, 0, size - 1)
        default: throw ModelError(.unsupported, "no kernel for the coordinates")
        }
        let space = IterationSpace(
            shape: shape,
            order: order.filter { $0 != axis },
            pitches: [source.pitches, target.pitches]
        )
        guard space.extents.count <= 4 else {
            throw ModelError(.unsupported, "more than four axes that cannot be merged")
        }
        let isContiguous = space.innerStep(0) == .contiguous && space.innerStep(1) == .contiguous
        let split = WorkSplit(
            rows: space.rowCount * size,
            innerExtent: space.innerExtent,
            lanes: 1,
            weight: 2,
            granularity: 16,
            device: context.device
        )
        var defines = storage
        if resize.mode == .nearest { defines["ELEMENT"] = try KernelScalar(source.elementType, raw: true).storage }
        if isContiguous { defines["CONTIGUOUS"] = "1" }
        if resize.mode == .nearest {
            let modes = ["round_prefer_floor": "0", "round_prefer_ceil": "1", "floor": "2", "ceil": "3"]
            defines["NEAREST"] = modes[try call.node.attributes.string("nearest_mode", default: "round_prefer_floor")]
        }
        let zeros = [Int](repeating: 0, count: 4 - space.extents.count)
        let extents = zeros.map { _ in 1 } + space.extents
        let sizes =
            extents.dropFirst() + zeros + space.pitches[0] + zeros + space.pitches[1]
            + [extent, size, source.pitches[axis], target.pitches[axis]]
        return KernelLaunch(
            program: KernelProgram(file: "movement/resize.cl", defines: defines),
            kernel: "movement_resize",
            arguments: [source.argument(.read), target.argument(.write)] + (try intArguments(Array(sizes)))
                + [.long(coordinates.slope), .long(coordinates.start), .long(coordinates.divisor)]
                + (try split.arguments()),
            globalSize: split.globalSize,
            localSize: split.localSize
        )
    }
}
