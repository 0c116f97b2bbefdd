package import ApusGraph
package import ApusTensor

/// Sums of products over named axes.
///
/// - Source: ONNX Einsum, opset 12; terms of letters with an optional ellipsis, explicit or implicit output.
package struct Einsum: Operator {
    /// An equation over operands of known ranks: axes are numbered, those of the ellipsis come first.
    package struct Equation: Sendable, Hashable {
        /// The axis behind each dimension of each operand.
        package var operands: [[Int]]
        /// The axes of the output, in order.
        package var output: [Int]
        package var axisCount: Int
    }

    package let equation: String

    package init(_ node: Node) throws(ModelError) {
        guard let text = try node.attributes.string("equation") else {
            throw ModelError(.invalidModel, "the required attribute \"equation\" is missing")
        }
        equation = text.filter { $0 != " " }
    }

    /// The equation for operands of given ranks.
    ///
    /// - Throws: `ModelError` if it is malformed or does not fit the ranks.
    package func parsed(ranks: [Int]) throws(ModelError) -> Equation {
        func wrong(_ reason: String) -> ModelError {
            ModelError(.invalidModel, "the equation \"\(equation)\" \(reason)")
        }
        let sides = equation.split(separator: "-", omittingEmptySubsequences: false)
        guard sides.count <= 2, sides.count < 2 || sides[1].hasPrefix(">") else { throw wrong("is malformed") }
        let terms = sides[0].split(separator: ",", omittingEmptySubsequences: false).map(Array.init)
        guard terms.count == ranks.count else { throw wrong("has \(terms.count) terms for \(ranks.count) operands") }
        var parts: [(before: [Character], hasEllipsis: Bool, after: [Character])] = []
        for term in terms { parts.append(try Self.parts(term, wrong)) }
        var ellipsisRank = 0
        for (part, rank) in zip(parts, ranks) {
            let named = part.before.count + part.after.count
            guard part.hasEllipsis ? named <= rank : named == rank else {
                throw wrong("does not fit an operand of rank \(rank)")
            }
            if part.hasEllipsis { ellipsisRank = max(ellipsisRank, rank - named) }
        }
        var numbers: [Character: Int] = [:]
        var counts: [Character: Int] = [:]
        for letter in parts.flatMap({ $0.before + $0.after }) {
            if numbers[letter] == nil { numbers[letter] = ellipsisRank + numbers.count }
            counts[letter, default: 0] += 1
        }
        var operands: [[Int]] = []
        for (part, rank) in zip(parts, ranks) {
            let missing = rank - part.before.count - part.after.count
            let ellipsis = part.hasEllipsis ? Array(ellipsisRank - missing..<ellipsisRank) : []
            operands.append(part.before.compactMap { numbers[$0] } + ellipsis + part.after.compactMap { numbers[$0] })
        }
        var output = Array(0..<ellipsisRank)
        if sides.count == 2 {
            let part = try Self.parts(Array(sides[1].dropFirst()), wrong)
            let letters = part.before + part.after
            guard Set(letters).count == letters.count, letters.allSatisfy({ numbers[$0] != nil }) else {
                throw wrong("names an output axis twice or without an operand")
            }
            let ellipsis = part.hasEllipsis ? output : []
            output = part.before.compactMap { numbers[$0] } + ellipsis + part.after.compactMap { numbers[$0] }
        } else {
            output += counts.filter { $0.value == 1 }.keys.sorted().compactMap { numbers[$0] }
        }
        return Equation(operands: operands, output: output, axisCount: ellipsisRank + numbers.count)
    }

    private static func parts(
        _ term: [Character],
        _ wrong: (String) -> ModelError
    ) throws(ModelError) -> (before: [Character], hasEllipsis: Bool, after: [Character]) {
        let letters = term.filter { $0 != "." }
        guard letters.allSatisfy({ $0.isASCII && $0.isLetter }) else { throw wrong("holds other signs than letters") }
        guard let first = term.firstIndex(of: ".") else { return (term, false, []) }
        guard term.count - letters.count == 3, first + 3 <= term.count,
            term[first..<first + 3].allSatisfy({ $0 == "." })
        else { throw wrong("has a malformed ellipsis") }
        return (Array(term[..<first]), true, Array(term[(first + 3)...]))
    }

    /// The extent of every axis.
    ///
    /// - Throws: `ModelError` if operands differ about one.
    package func extents(_ equation: Equation, _ shapes: [[Int]]) throws(ModelError) -> [Int] {
        var extents = [Int](repeating: 1, count: equation.axisCount)
        for (axes, shape) in zip(equation.operands, shapes) {
            for (axis, extent) in zip(axes, shape) where extent != 1 {
                guard extents[axis] == 1 || extents[axis] == extent else {
                    throw ModelError(
                        .invalidModel,
                        "an axis of \"\(self.equation)\" has extents \(extents[axis]), \(extent)"
                    )
                }
                extents[axis] = extent
            }
        }
        return extents
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let element = try inputs.elementType(0)
        guard element.isNumeric else { throw ModelError(.unsupported, "a sum of \(element)") }
        if inputs.isDataDependent { return [.dataDependent(element)] }
        let first = try inputs.type(0)
        var shapes: [[Int]] = []
        for index in inputs.indices {
            let type = try inputs.type(index)
            try requireSameType(type, as: first, input: index)
            shapes.append(type.shape)
        }
        let equation = try parsed(ranks: shapes.map(\.count))
        let extents = try extents(equation, shapes)
        return [ValueFact(try TensorType(element, equation.output.map { extents[$0] }).validated())]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let tensors = try inputs.indices.map { try inputs.tensor($0) }
        let equation = try parsed(ranks: tensors.map(\.rank))
        let extents = try extents(equation, tensors.map(\.shape))
        let type = TensorType(tensors[0].elementType, equation.output.map { extents[$0] })
        let summed = (0..<equation.axisCount).filter { !equation.output.contains($0) }
        let strides = zip(tensors, equation.operands).map { tensor, axes in
            var strides = [Int](repeating: 0, count: equation.axisCount)
            for ((axis, extent), stride) in zip(zip(axes, tensor.shape), contiguousStrides(tensor.shape))
            where extent != 1 { strides[axis] += stride }
            return strides
        }
        let count = try checkedProduct(summed.map { extents[$0] })
        try context.limits.check(TensorType(.int64, [count]))
        func offsets(_ axes: [Int], _ index: Int, _ operand: Int) -> Int {
            var rest = index
            var offset = 0
            for axis in axes.reversed() {
                offset += rest % extents[axis] * strides[operand][axis]
                rest /= extents[axis]
            }
            return offset
        }
        let inner = tensors.indices.map { operand in (0..<count).map { offsets(summed, $0, operand) } }
        if type.elementType.isInteger {
            let values = try tensors.map { try $0.integers() }
            let sums = (0..<type.elementCount).map { element in
                let starts = tensors.indices.map { offsets(equation.output, element, $0) }
                return (0..<count).reduce(0) { sum, term in
                    sum &+ values.indices.reduce(1) { $0 &* values[$1][starts[$1] + inner[$1][term]] }
                }
            }
            return [.tensor(try Tensor(type, wrapping: sums))]
        }
        let values = try tensors.map { try $0.doubles() }
        var sums = [Double](repeating: 0, count: type.elementCount)
        sums.withUnsafeMutableBufferPointer { sums in
            parallelFor(sums.count, grain: max(1, 4096 / max(count, 1))) { range in
                for element in range {
                    let starts = values.indices.map { offsets(equation.output, element, $0) }
                    var sum = 0.0
                    for term in 0..<count {
                        var product = 1.0
                        for operand in values.indices {
                            product *= values[operand][starts[operand] + inner[operand][term]]
                        }
                        sum += product
                    }
                    sums[element] = sum
                }
            }
        }
        return [.tensor(try Tensor(type, rounding: sums))]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        let shapes = inputs.compactMap { $0?.shape }
        guard let equation = try? parsed(ranks: shapes.map(\.count)), let extents = try? extents(equation, shapes)
        else { return Cost(operations: 0, bytes: 0) }
        return Cost(operations: [max(1, shapes.count)] + extents, moving: inputs + outputs)
    }
}
