package import ApusGraph
package import ApusTensor
import Glibc

/// The ten operators that fold axes of a tensor.
///
/// Reals are folded in Double; integers in Int64, except for means, roots and logarithms.
/// - Source: ONNX ReduceSum, opset 13; the other Reduce operators, opsets 18 and 20.
package struct Reduction: Operator {
    package enum Kind: String, Sendable, Hashable, CaseIterable {
        case sum = "ReduceSum"
        case mean = "ReduceMean"
        /// NaN if one element is NaN; so is the minimum.
        case maximum = "ReduceMax"
        case minimum = "ReduceMin"
        case product = "ReduceProd"
        case l1Norm = "ReduceL1"
        case l2Norm = "ReduceL2"
        case logSum = "ReduceLogSum"
        case logSumExp = "ReduceLogSumExp"
        case sumSquare = "ReduceSumSquare"
    }

    package let kind: Kind
    package let keepsDimensions: Bool
    /// Whether missing or empty axes mean no axis rather than all.
    package let emptyAxesMeanNone: Bool

    package init(_ node: Node) throws(ModelError) {
        guard let kind = Kind(rawValue: node.operatorType) else {
            throw ModelError(.unsupported, "the reduction is not supported")
        }
        self.kind = kind
        keepsDimensions = try node.attributes.bool("keepdims", default: true)
        emptyAxesMeanNone = try node.attributes.bool("noop_with_empty_axes", default: false)
    }

    /// The reduced axes in ascending order.
    ///
    /// - Parameter tensor: the second input, `nil` where it is left out.
    /// - Throws: `ModelError` if it is no vector of distinct axes.
    package func axes(_ tensor: Tensor?, rank: Int) throws(ModelError) -> [Int] {
        guard tensor == nil || tensor?.elementType == .int64, (tensor?.rank ?? 1) <= 1 else {
            throw ModelError(.invalidModel, "the axes are \(tensor?.type.description ?? ""), expected an int64 vector")
        }
        let axes = try normalizedAxes(tensor?.integers() ?? [], rank: rank).sorted()
        return axes.isEmpty && !emptyAxesMeanNone ? [Int](0..<rank) : axes
    }

    /// The shape of the result.
    package func outputShape(_ shape: [Int], axes: [Int]) -> [Int] {
        let reduced = Set(axes)
        return shape.enumerated().compactMap { axis, extent in
            reduced.contains(axis) ? (keepsDimensions ? 1 : nil) : extent
        }
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let element = try inputs.elementType(0)
        let isExtremum = kind == .maximum || kind == .minimum
        guard element.isRealOrWideInteger || (isExtremum && [.int8, .uint8, .bool].contains(element)) else {
            throw ModelError(.unsupported, "a reduction of \(element) is not supported")
        }
        if inputs.isDataDependent || (inputs.has(1) && inputs.value(1) == nil) { return [.dataDependent(element)] }
        let x = try inputs.type(0)
        let axes = try axes(inputs.value(1), rank: x.rank)
        return [ValueFact(try TensorType(element, outputShape(x.shape, axes: axes)).validated())]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let x = try inputs.tensor(0)
        let axes = try axes(inputs.optionalTensor(1), rank: x.rank)
        let type = TensorType(x.elementType, outputShape(x.shape, axes: axes))
        let fold = AxisFold(x.shape, axes: axes)
        let isExact = [.sum, .maximum, .minimum, .product, .l1Norm, .sumSquare].contains(kind)
        if !x.elementType.isFloatingPoint && isExact {
            return [.tensor(try Tensor(type, wrapping: integers(x.integers(), x.elementType, fold)))]
        }
        return [.tensor(try Tensor(type, rounding: reals(x.doubles(), fold)))]
    }

    private func reals(_ x: [Double], _ fold: AxisFold) -> [Double] {
        switch kind {
        case .sum: return fold(x, 0.0) { $0 + $1 }
        case .mean:
            let count = Double(fold.reducedCount)
            return fold(x, 0.0) { $0 + $1 }.map { $0 / count }
        case .maximum: return fold(x, -Double.infinity) { $1 > $0 || $1.isNaN ? $1 : $0 }
        case .minimum: return fold(x, Double.infinity) { $1 < $0 || $1.isNaN ? $1 : $0 }
        case .product: return fold(x, 1.0) { $0 * $1 }
        case .l1Norm: return fold(x, 0.0) { $0 + $1.magnitude }
        case .l2Norm: return fold(x, 0.0) { $0 + $1 * $1 }.map { $0.squareRoot() }
        case .logSum: return fold(x, 0.0) { $0 + $1 }.map { log($0) }
        case .logSumExp:
            let maxima = fold(x, -Double.infinity) { $1 > $0 || $1.isNaN ? $1 : $0 }
            let shifts = maxima.map { $0.isFinite ? $0 : 0 }
            let shifted = fold.map(x, shifts) { $0 - $1 }
            return zip(fold(shifted, 0.0) { $0 + exp($1) }, shifts).map { log($0) + $1 }
        case .sumSquare: return fold(x, 0.0) { $0 + $1 * $1 }
        }
    }

    private func integers(_ x: [Int], _ type: ElementType, _ fold: AxisFold) -> [Int] {
        let isUnsigned = type == .uint64
        func less(_ a: Int, _ b: Int) -> Bool {
            isUnsigned ? UInt(bitPattern: a) < UInt(bitPattern: b) : a < b
        }
        let range = type.integerRange
        switch kind {
        case .maximum: return fold(x, isUnsigned ? 0 : Int(range.lowerBound)) { less($0, $1) ? $1 : $0 }
        case .minimum: return fold(x, isUnsigned ? -1 : Int(range.upperBound)) { less($1, $0) ? $1 : $0 }
        case .product: return fold(x, 1) { $0 &* $1 }
        case .l1Norm: return fold(x, 0) { $0 &+ (isUnsigned || $1 >= 0 ? $1 : 0 &- $1) }
        case .sumSquare: return fold(x, 0) { $0 &+ $1 &* $1 }
        default: return fold(x, 0) { $0 &+ $1 }
        }
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost {
        let perElement =
            switch kind {
            case .sum, .mean, .maximum, .minimum, .product, .logSum: 1
            case .l1Norm, .l2Norm, .sumSquare: 2
            case .logSumExp: 4
            }
        let input = inputs.first.flatMap { $0?.elementCount } ?? 0
        let output = outputs.first.flatMap { $0?.elementCount } ?? 0
        let hasFinish = [.mean, .l2Norm, .logSum, .logSumExp].contains(kind)
        return Cost(operations: [perElement, input], plus: hasFinish ? output : 0, moving: inputs + outputs)
    }
}
