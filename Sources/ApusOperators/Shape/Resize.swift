package import ApusGraph
package import ApusTensor
import Glibc

/// Which part of which axis a Resize reads, and how large it becomes.
package struct ResizeGeometry: Sendable, Hashable {
    package var inputShape: [Int]
    package var outputShape: [Int]
    /// Output extent over input extent, before rounding to whole elements.
    package var scales: [Double]
    /// The normalized region that is read along each axis; used by `tf_crop_and_resize` alone.
    package var regionStarts: [Double]
    package var regionEnds: [Double]

    /// Whether the axis stays as it is.
    package func isUnchanged(_ axis: Int) -> Bool {
        scales[axis] == 1 && outputShape[axis] == inputShape[axis] && regionStarts[axis] == 0 && regionEnds[axis] == 1
    }
}

/// The elements of one input line that make one output element.
package struct ResizeTaps: Sendable, Hashable {
    package var indices: [Int]
    /// The weights; empty where the output is the extrapolation value.
    package var weights: [Double]
}

/// ONNX `Resize` (opset 19).
package struct Resize: Operator {
    package enum Mode: String, Sendable {
        case nearest, linear, cubic
    }

    private enum Coordinates: String {
        case halfPixel = "half_pixel"
        case halfPixelSymmetric = "half_pixel_symmetric"
        case pytorchHalfPixel = "pytorch_half_pixel"
        case alignCorners = "align_corners"
        case asymmetric
        case cropAndResize = "tf_crop_and_resize"
    }

    private enum NearestMode: String {
        case roundPreferFloor = "round_prefer_floor"
        case roundPreferCeil = "round_prefer_ceil"
        case floor, ceil
    }

    private enum AspectRatioPolicy: String {
        case stretch
        case notLarger = "not_larger"
        case notSmaller = "not_smaller"
    }

    package let mode: Mode
    package let extrapolationValue: Double
    private let coordinates: Coordinates
    private let nearestMode: NearestMode
    private let policy: AspectRatioPolicy
    private let axes: [Int]?
    private let usesAntialias: Bool
    private let excludesOutside: Bool
    private let cubicCoefficient: Double

    package init(_ node: Node) throws(ModelError) {
        func choice<Choice: RawRepresentable<String>>(_ name: String, _ value: Choice) throws(ModelError) -> Choice {
            let text = try node.attributes.string(name, default: value.rawValue)
            guard let choice = Choice(rawValue: text) else {
                throw ModelError(.invalidModel, "\(name) is \"\(text)\", which is not known")
            }
            return choice
        }
        mode = try choice("mode", Mode.nearest)
        coordinates = try choice("coordinate_transformation_mode", Coordinates.halfPixel)
        nearestMode = try choice("nearest_mode", NearestMode.roundPreferFloor)
        policy = try choice("keep_aspect_ratio_policy", AspectRatioPolicy.stretch)
        axes = try node.attributes.ints("axes")
        usesAntialias = try node.attributes.bool("antialias", default: false)
        excludesOutside = try node.attributes.bool("exclude_outside", default: false)
        cubicCoefficient = Double(try node.attributes.float("cubic_coeff_a", default: -0.75))
        extrapolationValue = Double(try node.attributes.float("extrapolation_value", default: 0))
        guard !usesAntialias || mode != .nearest else {
            throw ModelError(.invalidModel, "antialias needs the mode linear or cubic")
        }
    }

    /// The geometry, `nil` where the scales or sizes are not known.
    ///
    /// - Throws: `ModelError` if they do not fit the shape.
    package func geometry(_ shape: [Int], _ inputs: [ValueFact?]) throws(ModelError) -> ResizeGeometry? {
        let axes = try normalizedAxes(axes ?? Array(shape.indices), rank: shape.count)
        func known(_ index: Int) throws(ModelError) -> [Double]?? {
            guard inputs.has(index) else { return .some(nil) }
            guard let value = inputs.value(index) else { return .none }
            return value.elementCount == 0 ? .some(nil) : .some(try value.doubles())
        }
        guard let region = try known(1), let scales = try known(2), let sizes = try known(3) else { return nil }
        var result = ResizeGeometry(
            inputShape: shape,
            outputShape: shape,
            scales: shape.map { _ in 1 },
            regionStarts: shape.map { _ in 0 },
            regionEnds: shape.map { _ in 1 }
        )
        if coordinates == .cropAndResize {
            guard let region, region.count == 2 * axes.count else {
                throw ModelError(.invalidModel, "tf_crop_and_resize needs a roi of \(2 * axes.count) elements")
            }
            for (index, axis) in axes.enumerated() {
                result.regionStarts[axis] = region[index]
                result.regionEnds[axis] = region[axes.count + index]
            }
        }
        switch (scales, sizes) {
        case (let scales?, nil):
            guard scales.count == axes.count, scales.allSatisfy({ $0 > 0 && $0.isFinite }) else {
                throw ModelError(.invalidModel, "scales are \(scales) for \(axes.count) axes")
            }
            for (scale, axis) in zip(scales, axes) {
                result.scales[axis] = scale
                result.outputShape[axis] = try extent(Double(Float(shape[axis]) * Float(scale)))
            }
        case (nil, let sizes?):
            guard sizes.count == axes.count, axes.allSatisfy({ shape[$0] > 0 }) else {
                throw ModelError(.invalidModel, "sizes are \(sizes) for the shape \(shape)")
            }
            for (size, axis) in zip(sizes, axes) {
                result.outputShape[axis] = try extent(size)
                result.scales[axis] = size / Double(shape[axis])
            }
            let factors = axes.map { result.scales[$0] }
            let common = policy == .notLarger ? factors.min() : factors.max()
            if policy != .stretch, let common {
                for axis in axes {
                    result.scales[axis] = common
                    result.outputShape[axis] = try extent(Double(shape[axis]) * common + 0.5)
                }
            }
        default: throw ModelError(.invalidModel, "expected either scales or sizes")
        }
        return result
    }

    private func extent(_ value: Double) throws(ModelError) -> Int {
        guard let extent = Int(exactly: value.rounded(.down)), extent >= 0 else {
            throw ModelError(.invalidModel, "an extent of \(value)")
        }
        return extent
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let elementType = try inputs.elementType(0)
        guard elementType.isNumeric else { throw ModelError(.unsupported, "\(elementType) is not numeric") }
        if inputs.isDataDependent { return [.dataDependent(elementType)] }
        guard let geometry = try geometry(inputs.type(0).shape, inputs) else { return [.dataDependent(elementType)] }
        let type = try TensorType(elementType, geometry.outputShape).validated()
        guard type.elementCount == 0 || !geometry.inputShape.contains(0) else {
            throw ModelError(.invalidModel, "an empty tensor cannot grow to \(type.shape)")
        }
        return [ValueFact(type)]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let input = try inputs.tensor(0)
        guard let geometry = try geometry(input.shape, inputs.map { $0.map(ValueFact.init) }) else {
            throw ModelError(.invalidModel, "scales and sizes are missing")
        }
        let type = TensorType(input.elementType, geometry.outputShape)
        if type.elementCount == 0 { return [.tensor(Tensor(zeros: type))] }
        let changed = input.shape.indices.filter { !geometry.isUnchanged($0) }
        if mode == .nearest {
            let maps = input.shape.indices.map { axis in
                geometry.isUnchanged(axis)
                    ? Array(0..<input.shape[axis])
                    : taps(geometry, axis: axis).map { $0.weights.isEmpty ? -1 : $0.indices[0] }
            }
            let fill = try Tensor(TensorType(input.elementType, []), rounding: [extrapolationValue])
            return [.tensor(ElementMovement.mapped(input, maps: maps, fill: fill))]
        }
        var values = try input.doubles()
        var shape = input.shape
        for axis in changed {
            values = interpolate(values, shape, axis, taps(geometry, axis: axis))
            shape[axis] = geometry.outputShape[axis]
        }
        if !input.elementType.isFloatingPoint { values = values.map { $0.rounded(.toNearestOrEven) } }
        return [.tensor(try Tensor(type, rounding: values))]
    }

    private func interpolate(_ values: [Double], _ shape: [Int], _ axis: Int, _ taps: [ResizeTaps]) -> [Double] {
        let inner = shape[(axis + 1)...].reduce(1, *)
        let outer = shape[..<axis].reduce(1, *)
        let extent = shape[axis]
        let extrapolationValue = extrapolationValue
        let total = outer * taps.count * inner
        return [Double](unsafeUninitializedCapacity: total) { target, count in
            target.initialize(repeating: 0)
            count = total
            let target = target
            values.withUnsafeBufferPointer { source in
                parallelFor(outer * taps.count, grain: max(1, 4096 / inner)) { range in
                    for line in range {
                        let tap = taps[line % taps.count]
                        let first = line / taps.count * extent * inner
                        if tap.weights.isEmpty {
                            for column in 0..<inner { target[line * inner + column] = extrapolationValue }
                        }
                        for (index, weight) in zip(tap.indices, tap.weights) {
                            let start = first + index * inner
                            for column in 0..<inner {
                                target[line * inner + column] += weight * source[start + column]
                            }
                        }
                    }
                }
            }
        }
    }

    /// The input elements of every output element along an axis; both extents must be positive.
    package func taps(_ geometry: ResizeGeometry, axis: Int) -> [ResizeTaps] {
        let extent = geometry.inputShape[axis]
        return (0..<geometry.outputShape[axis]).map { position in
            let x = coordinate(Double(position), geometry, axis)
            if coordinates == .cropAndResize && (x < 0 || x > Double(extent - 1)) {
                return ResizeTaps(indices: [], weights: [])
            }
            return taps(at: x, extent, geometry.scales[axis])
        }
    }

    /// Where an output element lies on the input's axis.
    private func coordinate(_ x: Double, _ geometry: ResizeGeometry, _ axis: Int) -> Double {
        let scale = geometry.scales[axis]
        let extent = Double(geometry.inputShape[axis])
        let length = scale * extent
        switch coordinates {
        case .halfPixel: return (x + 0.5) / scale - 0.5
        case .halfPixelSymmetric:
            let adjustment = Double(geometry.outputShape[axis]) / length
            return extent / 2 * (1 - adjustment) + (x + 0.5) / scale - 0.5
        case .pytorchHalfPixel: return length == 1 ? -0.5 : (x + 0.5) / scale - 0.5
        case .alignCorners: return length == 1 ? 0 : x * (extent - 1) / (length - 1)
        case .asymmetric: return x / scale
        case .cropAndResize:
            let (start, end) = (geometry.regionStarts[axis], geometry.regionEnds[axis])
            let offset =
                length == 1 ? (end - start) * (extent - 1) / 2 : x * (end - start) * (extent - 1) / (length - 1)
            return offset + start * (extent - 1)
        }
    }

    /// The taps around a coordinate, those beyond the border moved to it.
    private func taps(at x: Double, _ extent: Int, _ scale: Double) -> ResizeTaps {
        let bounded = min(max(x.isNaN ? 0 : x, -4e15), 4e15)
        let left = Int(Glibc.floor(bounded))
        let isWhole = Double(left) == bounded
        let ratio = isWhole ? 1 : bounded - Double(left)
        func clamped(_ index: Int) -> Int { min(max(index, 0), extent - 1) }
        if mode == .nearest {
            let index =
                switch nearestMode {
                case .roundPreferFloor: isWhole || ratio <= 0.5 ? left : left + 1
                case .roundPreferCeil: isWhole || ratio < 0.5 ? left : left + 1
                case .floor: left
                case .ceil: isWhole ? left : left + 1
                }
            return ResizeTaps(indices: [clamped(index)], weights: [1])
        }
        let stretch = usesAntialias ? min(scale, 1) : 1
        let radius = mode == .linear ? 1.0 : 2.0
        let first = Int(Glibc.floor(max(-radius / stretch, -1e6))) + 1
        let offsets = Array(first..<(2 - first))
        var weights = offsets.map { weight(abs((Double($0) - ratio) * stretch)) }
        let indices = offsets.map { left + $0 - (isWhole ? 1 : 0) }
        if usesAntialias { normalize(&weights) }
        if excludesOutside {
            for (position, index) in indices.enumerated() where index < 0 || index >= extent { weights[position] = 0 }
            normalize(&weights)
        }
        return ResizeTaps(indices: indices.map(clamped), weights: weights)
    }

    private func weight(_ distance: Double) -> Double {
        if mode == .linear { return max(0, 1 - distance) }
        let a = cubicCoefficient
        if distance <= 1 { return ((a + 2) * distance - (a + 3)) * distance * distance + 1 }
        if distance < 2 { return ((distance - 5) * distance + 8) * distance * a - 4 * a }
        return 0
    }

    private func normalize(_ weights: inout [Double]) {
        let sum = weights.reduce(0, +)
        if sum != 0 { weights = weights.map { $0 / sum } }
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        let count = outputs.first.flatMap { $0 }?.elementCount ?? 0
        let perElement =
            switch mode {
            case .nearest: 1
            case .linear: 8
            case .cubic: 32
            }
        let bytes = (inputs.prefix(1) + outputs).reduce(0) { $0 + ($1?.byteCount ?? 0) }
        return Cost(operations: count * perElement, bytes: bytes)
    }
}
