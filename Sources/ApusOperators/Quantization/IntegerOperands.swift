import ApusGraph
package import ApusTensor

/// Checks the element types of the operands of an integer product.
///
/// - Throws: `ModelError` if one is neither int8 nor uint8.
func requireBytes(_ inputs: [ValueFact?], _ operands: [Int]) throws(ModelError) {
    for index in operands {
        let type = try inputs.elementType(index)
        guard type.isByte else {
            throw ModelError(.unsupported, "input \(index) is \(type), expected int8 or uint8")
        }
    }
}

/// Checks a zero point: the type of its operand, and a single element or one a channel.
///
/// - Parameters:
///   - operand: the input that the zero point belongs to.
///   - counts: the numbers of elements that are allowed.
func checkZeroPoint(
    _ inputs: [ValueFact?],
    _ index: Int,
    operand: Int,
    counts: Set<Int>
) throws(ModelError) {
    guard inputs.has(index) else { return }
    let expected = try inputs.elementType(operand)
    guard try inputs.elementType(index) == expected else {
        throw ModelError(.invalidModel, "input \(index) is no zero point of type \(expected)")
    }
    guard let type = try inputs.optionalType(index), !counts.contains(type.elementCount) else { return }
    throw ModelError(.invalidModel, "input \(index) has shape \(type.shape), expected \(counts.sorted()) elements")
}

/// Checks a scale: a real type, and a single element or one a channel.
func checkScale(_ inputs: [ValueFact?], _ index: Int, counts: Set<Int>) throws(ModelError) {
    let type = try inputs.type(index)
    try requireReal(type.elementType, input: index)
    guard counts.contains(type.elementCount) else {
        throw ModelError(.invalidModel, "input \(index) has shape \(type.shape), expected \(counts.sorted()) elements")
    }
}

/// A tensor of bytes less its zero point, as float64, in which products and sums of the reference are exact.
///
/// - Parameter axis: the axis along which the zero point has an element each, where it has more than one.
func shifted(_ tensor: Tensor, by zeroPoint: Tensor?, axis: Int) throws -> Tensor {
    let converted = PointwiseExpression.cast(.float64, .input(0))
    guard let zeroPoint else { return try evaluatePointwise(converted, [tensor]) }
    var shape = [Int](repeating: 1, count: tensor.rank)
    if zeroPoint.elementCount > 1 { shape[axis] = zeroPoint.elementCount }
    if zeroPoint.rank > 1 { shape = zeroPoint.shape }
    return try evaluatePointwise(converted - .cast(.float64, .input(1)), [tensor, zeroPoint.reshaped(shape)])
}

/// Exact sums as int32, discarding what 32 bits cannot hold, after adding a bias for each index of an axis.
func wrappedSums(_ sums: Tensor, bias: Tensor?, axis: Int) throws -> Tensor {
    let values = try sums.doubles()
    let offsets = try bias?.integers()
    return Tensor(TensorType(.int32, sums.shape)) { bytes in
        let target = bytes.bindMemory(to: Int32.self)
        guard let offsets else {
            for index in values.indices { target[index] = Int32(truncatingIfNeeded: Int64(values[index])) }
            return
        }
        let view = AxisView(sums.shape, axis: axis)
        for index in values.indices {
            let sum = Int64(values[index]) &+ Int64(offsets[index / view.inner % view.extent])
            target[index] = Int32(truncatingIfNeeded: sum)
        }
    }
}

/// `float(sum) * multiplier`, each rounded to float32 once, for multipliers of one element or one for each index of an
/// axis.
func scaledSums(_ sums: Tensor, by multiplier: Tensor, axis: Int) throws -> Tensor {
    let factors = try multiplier.array(of: Float.self)
    let view = AxisView(sums.shape, axis: axis)
    return sums.withElements(as: Int32.self) { sums in
        Tensor(TensorType(.float32, [view.outer, view.extent, view.inner])) { bytes in
            let target = bytes.bindMemory(to: Float.self)
            for index in sums.indices {
                let factor = factors[factors.count == 1 ? 0 : index / view.inner % view.extent]
                target[index] = Float(sums[index]) * factor
            }
        }
    }
}

/// `x_scale * w_scale / y_scale`, computed in float32: the multiplier of a sum of products.
///
/// - Throws: `ModelError` if a scale is no real tensor.
package func requantizationMultiplier(
    _ first: Tensor,
    _ second: Tensor,
    output: Tensor?
) throws(ModelError) -> Tensor {
    let x = try first.floats()
    let w = try second.floats()
    let y = try output?.floats() ?? [1]
    guard x.count == 1, y.count == 1, !w.isEmpty else {
        throw ModelError(.invalidModel, "the scales of an input and of the output are expected as single elements")
    }
    return Tensor(vector: w.map { x[0] * $0 / y[0] })
}

extension Tensor {
    /// The elements as float32.
    ///
    /// - Throws: `ModelError` with code `unsupported` for complex numbers.
    package func floats() throws(ModelError) -> [Float] { try doubles().map { Float($0) } }
}
