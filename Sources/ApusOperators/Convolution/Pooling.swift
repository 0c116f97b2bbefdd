package import ApusGraph
package import ApusTensor
import Glibc

/// A function of the elements under a window that slides over each channel, or of the whole channel.
///
/// A window without any element of the input gives the lowest value for a maximum and 0 for a mean or a norm.
/// - Shapes: X `[n, c, spatial...]`, Y `[n, c, spatial...]`.
/// - Source: ONNX MaxPool, AveragePool, LpPool, opset 22; GlobalMaxPool, GlobalAveragePool, GlobalLpPool, opset 22.
package struct Pooling: Operator {
    package enum Kind: Sendable, Hashable {
        /// NaN if one element is NaN; the first of equal elements gives the index.
        case maximum
        /// The divisor counts the elements under the window, and the padding under it on demand.
        case average(countsPadding: Bool)
        /// `(sum |x|^p)^(1/p)`.
        case norm(p: Int)
    }

    package let kind: Kind
    /// Whether the window is the whole channel.
    package let isGlobal: Bool
    package let window: WindowAttributes
    /// Whether the second output numbers the elements of a channel in column-major order.
    package let indicesAreColumnMajor: Bool
    /// 2 where MaxPool's indices are wanted.
    package let outputCount: Int

    package init(_ node: Node) throws(ModelError) {
        window = try WindowAttributes(node)
        isGlobal = node.operatorType.hasPrefix("Global")
        switch node.operatorType {
        case "MaxPool", "GlobalMaxPool": kind = .maximum
        case "AveragePool", "GlobalAveragePool":
            kind = .average(countsPadding: try node.attributes.bool("count_include_pad", default: false))
        default:
            let p = try node.attributes.int("p", default: 2)
            guard p >= 1 else { throw ModelError(.invalidModel, "p is \(p), expected at least 1") }
            kind = .norm(p: p)
        }
        let order = try node.attributes.int("storage_order", default: 0)
        guard (0...1).contains(order) else { throw ModelError(.invalidModel, "storage_order is \(order)") }
        indicesAreColumnMajor = order == 1
        let count = max(1, node.outputs.count)
        guard count == 1 || (count == 2 && node.operatorType == "MaxPool") else {
            throw ModelError(.invalidModel, "\(count) outputs")
        }
        outputCount = count
        guard isGlobal || window.kernelShape != nil else {
            throw ModelError(.invalidModel, "the required attribute \"kernel_shape\" is missing")
        }
    }

    /// The window for the full shape of X; a global one treats the spatial axes as a single one.
    ///
    /// - Throws: `ModelError` if the window does not fit the input or padding reaches the window's extent.
    package func geometry(input: [Int]) throws(ModelError) -> WindowGeometry {
        guard input.count >= (isGlobal ? 2 : 3) else {
            throw ModelError(.invalidModel, "the input \(input) has no spatial axis")
        }
        if isGlobal {
            let count = input.dropFirst(2).reduce(1, *)
            return WindowGeometry(
                input: [count],
                kernel: [count],
                strides: [1],
                dilations: [1],
                padsBegin: [0],
                padsEnd: [0],
                output: [1]
            )
        }
        let geometry = try window.geometry(input: [Int](input.dropFirst(2)), kernel: window.kernelShape ?? [])
        for axis in 0..<geometry.rank {
            let limit = geometry.extent(axis)
            guard geometry.padsBegin[axis] < limit, geometry.padsEnd[axis] < limit else {
                throw ModelError(
                    .invalidModel,
                    "padding \(geometry.padsBegin) and \(geometry.padsEnd) reaches the window \(geometry.kernel)"
                )
            }
        }
        return geometry
    }

    private func outputShape(_ input: [Int], _ geometry: WindowGeometry) -> [Int] {
        let spatial = isGlobal ? [Int](repeating: 1, count: input.count - 2) : geometry.output
        return input.prefix(2) + spatial
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let element = try inputs.elementType(0)
        let isByte = element == .int8 || element == .uint8
        guard element.isReal || (kind == .maximum && isByte && !isGlobal) else {
            throw ModelError(.unsupported, "pooling of \(element) is not supported")
        }
        if inputs.isDataDependent {
            return [ValueFact](repeating: .dataDependent(element), count: 1)
                + [ValueFact](repeating: .dataDependent(.int64), count: outputCount - 1)
        }
        let x = try inputs.type(0)
        let shape = try outputShape(x.shape, geometry(input: x.shape))
        let y = try TensorType(element, shape).validated()
        let indices = try TensorType(.int64, shape).validated()
        return outputCount == 1 ? [ValueFact(y)] : [ValueFact(y), ValueFact(indices)]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let x = try inputs.tensor(0)
        let geometry = try geometry(input: x.shape)
        let type = TensorType(x.elementType, outputShape(x.shape, geometry))
        var results = [Double](repeating: 0, count: type.elementCount)
        var positions = [Int](repeating: 0, count: outputCount == 2 ? type.elementCount : 0)
        let window = geometry.extended(to: 3)
        let taps = (0..<3).map { window.taps($0) }
        let source = try x.doubles()
        let planes = x.shape[0] * x.shape[1]
        source.withUnsafeBufferPointer { source in
            results.withUnsafeMutableBufferPointer { results in
                positions.withUnsafeMutableBufferPointer { positions in
                    parallelFor(planes) { range in
                        for plane in range {
                            pool(window, taps, plane, source, results, positions)
                        }
                    }
                }
            }
        }
        let y = RuntimeValue.tensor(try Tensor(type, rounding: results))
        if outputCount == 1 { return [y] }
        return [y, .tensor(try Tensor(TensorType(.int64, type.shape), wrapping: positions))]
    }

    private func pool(
        _ window: WindowGeometry,
        _ taps: [[WindowGeometry.Taps]],
        _ plane: Int,
        _ source: UnsafeBufferPointer<Double>,
        _ results: UnsafeMutableBufferPointer<Double>,
        _ positions: UnsafeMutableBufferPointer<Int>
    ) {
        let start = plane * window.inputCount
        let channel = UnsafeBufferPointer(rebasing: source[start..<start + window.inputCount])
        var index = plane * window.outputCount
        for z in taps[0] {
            for y in taps[1] {
                for x in taps[2] {
                    let box = Box(window: window, z: z, y: y, x: x)
                    switch kind {
                    case .maximum:
                        let (value, position) = box.maximum(channel)
                        results[index] = value
                        if outputCount == 2 { positions[index] = start + number(position, window) }
                    case .average(let countsPadding):
                        let count =
                            countsPadding
                            ? z.paddedCount * y.paddedCount * x.paddedCount : z.count * y.count * x.count
                        results[index] = count == 0 ? 0 : box.sum(channel) { $0 } / Double(count)
                    case .norm(1): results[index] = box.sum(channel) { $0.magnitude }
                    case .norm(2): results[index] = box.sum(channel) { $0 * $0 }.squareRoot()
                    case .norm(let p):
                        results[index] = pow(box.sum(channel) { pow($0.magnitude, Double(p)) }, 1 / Double(p))
                    }
                    index += 1
                }
            }
        }
    }

    private func number(_ position: Int, _ window: WindowGeometry) -> Int {
        guard indicesAreColumnMajor else { return position }
        let x = position % window.input[2]
        let y = position / window.input[2] % window.input[1]
        let z = position / window.input[2] / window.input[1]
        return (x * window.input[1] + y) * window.input[0] + z
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        guard let x = inputs.first ?? nil, let y = outputs.first ?? nil else { return Cost(operations: 0, bytes: 0) }
        let taps = isGlobal ? x.shape.dropFirst(2) : (window.kernelShape ?? [])[...]
        return Cost(operations: [y.elementCount] + taps, moving: inputs + outputs)
    }
}

/// The elements of a channel under one window.
private struct Box {
    let window: WindowGeometry
    let z: WindowGeometry.Taps
    let y: WindowGeometry.Taps
    let x: WindowGeometry.Taps

    @inline(__always)
    func forEach(_ body: (Int) -> Void) {
        for tapZ in 0..<z.count {
            let plane = (z.first + tapZ * window.dilations[0]) * window.input[1]
            for tapY in 0..<y.count {
                let row = (plane + y.first + tapY * window.dilations[1]) * window.input[2]
                for tapX in 0..<x.count { body(row + x.first + tapX * window.dilations[2]) }
            }
        }
    }

    @inline(__always)
    func sum(_ channel: UnsafeBufferPointer<Double>, _ map: (Double) -> Double) -> Double {
        var total = 0.0
        forEach { total += map(channel[$0]) }
        return total
    }

    @inline(__always)
    func maximum(_ channel: UnsafeBufferPointer<Double>) -> (value: Double, position: Int) {
        var best = -Double.infinity
        var position = -1
        forEach { index in
            let value = channel[index]
            if position < 0 || value > best || (value.isNaN && !best.isNaN) {
                best = value
                position = index
            }
        }
        return (best, max(position, 0))
    }
}
