package import ApusGraph
package import ApusTensor

/// The position of the largest or smallest element along an axis; a NaN counts as the extremum.
///
/// - Source: ONNX ArgMax and ArgMin, opset 13.
package struct ArgExtremum: Operator {
    package let isMaximum: Bool
    package let axis: Int
    package let keepsDimension: Bool
    /// Whether the last of equal elements is taken, rather than the first.
    package let selectsLast: Bool

    package init(_ node: Node) throws(ModelError) {
        isMaximum = node.operatorType == "ArgMax"
        axis = try node.attributes.int("axis", default: 0)
        keepsDimension = try node.attributes.bool("keepdims", default: true)
        selectsLast = try node.attributes.bool("select_last_index", default: false)
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let element = try inputs.elementType(0)
        guard element.isReal || (element.isInteger && element.bitWidth >= 8) else {
            throw ModelError(.unsupported, "the extremum of \(element) is not supported")
        }
        if inputs.isDataDependent { return [.dataDependent(.int64)] }
        return [ValueFact(try outputType(inputs.type(0)))]
    }

    private func outputType(_ x: TensorType) throws(ModelError) -> TensorType {
        let axis = try normalizedAxis(axis, rank: x.rank)
        var shape = x.shape
        guard shape[axis] > 0 else { throw ModelError(.invalidModel, "axis \(axis) of \(shape) has no element") }
        if keepsDimension { shape[axis] = 1 } else { shape.remove(at: axis) }
        return TensorType(.int64, shape)
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let x = try inputs.tensor(0)
        let type = try outputType(x.type)
        let view = AxisView(x.shape, axis: try normalizedAxis(axis, rank: x.rank))
        if x.elementType.isFloatingPoint {
            let isMaximum = isMaximum
            let positions = try positions(x.doubles(), view) { new, old in
                if old.isNaN { return false }
                return new.isNaN || (isMaximum ? new > old : new < old)
            } isEqual: {
                $0 == $1 || ($0.isNaN && $1.isNaN)
            }
            return [.tensor(try Tensor(type, wrapping: positions))]
        }
        let bias = x.elementType == .uint64 ? Int.min : 0
        let isMaximum = isMaximum
        let positions = try positions(x.integers(), view) { new, old in
            isMaximum ? new ^ bias > old ^ bias : new ^ bias < old ^ bias
        } isEqual: {
            $0 == $1
        }
        return [.tensor(try Tensor(type, wrapping: positions))]
    }

    @inline(__always)
    private func positions<Element>(
        _ x: [Element],
        _ view: AxisView,
        isBetter: (_ new: Element, _ old: Element) -> Bool,
        isEqual: (Element, Element) -> Bool
    ) -> [Int] {
        var result = [Int](repeating: 0, count: view.outer * view.inner)
        result.withUnsafeMutableBufferPointer { result in
            view.forEachLine { line, start in
                var best = 0
                for index in 1..<max(view.extent, 1) {
                    let new = x[start + index * view.inner]
                    let old = x[start + best * view.inner]
                    if isBetter(new, old) || (selectsLast && isEqual(new, old)) { best = index }
                }
                result[line] = best
            }
        }
        return result
    }
}
