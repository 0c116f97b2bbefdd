package import ApusGraph
package import ApusTensor

extension PointwiseExpression {
    /// The operand numbers that occur, in ascending order.
    package var usedInputs: [Int] {
        var used = Set<Int>()
        collectInputs(&used)
        return used.sorted()
    }

    private func collectInputs(_ used: inout Set<Int>) {
        switch self {
        case .input(let index): used.insert(index)
        case .constant: break
        case .unary(_, let a), .cast(_, let a): a.collectInputs(&used)
        case .binary(_, let a, let b):
            a.collectInputs(&used)
            b.collectInputs(&used)
        case .select(let a, let b, let c):
            a.collectInputs(&used)
            b.collectInputs(&used)
            c.collectInputs(&used)
        }
    }
}

/// The type of a pointwise result: the formula's element type and numpy's broadcast of the operands that occur in it.
///
/// - Throws: `ModelError` if an operand is no tensor of a known shape, types differ or shapes do not broadcast.
package func inferPointwise(
    _ expression: PointwiseExpression,
    _ operands: [ValueFact]
) throws(ModelError) -> TensorType {
    guard case .tensor(let type, _) = try inferPointwiseFact(expression, operands.map { $0 }) else {
        throw ModelError(.unsupported, "the shape of an operand depends on data")
    }
    return type
}

/// What is known of a pointwise result: data-dependent if an operand that occurs in the formula is.
///
/// - Throws: `ModelError` if an operand is missing or no numeric tensor, types differ or shapes do not broadcast.
package func inferPointwiseFact(
    _ expression: PointwiseExpression,
    _ operands: [ValueFact?]
) throws(ModelError) -> ValueFact {
    let used = expression.usedInputs
    var types = [ElementType](repeating: .float32, count: operands.count)
    var shapes: [[Int]] = []
    for index in used {
        types[index] = try operands.elementType(index)
        guard types[index].isNumeric else {
            throw ModelError(.unsupported, "arithmetic on \(types[index]) is not supported")
        }
        if let type = operands[index]?.type { shapes.append(type.shape) }
    }
    guard let result = try expression.resultType(types), result.isNumeric else {
        throw ModelError(.invalidModel, "a formula without operands or of a type that is not numeric")
    }
    guard shapes.count == used.count else { return .dataDependent(result) }
    return ValueFact(try TensorType(result, broadcastShape(shapes)).validated())
}

/// Evaluates a formula over tensors, which broadcast: in Double or Int64, rounded to the result's type once.
///
/// - Throws: `ModelError` as `inferPointwise` does.
package func evaluatePointwise(_ expression: PointwiseExpression, _ operands: [Tensor]) throws -> Tensor {
    try evaluatePointwise(expression, operands: operands.map { .tensor($0) })
}

/// Evaluates a formula over the inputs of a node; those that it does not mention may be left out or be no tensors.
///
/// - Throws: `ModelError` as `inferPointwise` does.
package func evaluatePointwise(
    _ expression: PointwiseExpression,
    operands: [RuntimeValue?]
) throws(ModelError) -> Tensor {
    let used = expression.usedInputs
    var tensors: [Tensor] = []
    for index in used { tensors.append(try operands.tensor(index)) }
    let dense = expression.substituting { .input(used.firstIndex(of: $0) ?? 0) }
    let type = try inferPointwise(dense, tensors.map { ValueFact($0.type) })
    let program = try PointwiseProgram(dense, tensors.map(\.elementType))
    return program.run(tensors, type)
}
