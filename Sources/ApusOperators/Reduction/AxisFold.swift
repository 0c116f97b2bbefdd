/// Folds axes of a row-major tensor, element by element in order.
struct AxisFold {
    private let views: StridedViews
    private let inputCount: Int
    /// The elements of the result.
    let outputCount: Int
    /// The elements that each element of the result comes from.
    let reducedCount: Int

    init(_ shape: [Int], axes: [Int]) {
        let reduced = Set(axes)
        let kept = shape.enumerated().map { axis, extent in reduced.contains(axis) ? 1 : extent }
        views = StridedViews(shape, [broadcastStrides(kept, to: shape)])
        inputCount = shape.reduce(1, *)
        outputCount = kept.reduce(1, *)
        reducedCount = axes.reduce(1) { $0 * shape[$1] }
    }

    @inline(__always)
    func callAsFunction<Element>(
        _ source: [Element],
        _ start: Element,
        _ combine: (Element, Element) -> Element
    ) -> [Element] {
        var result = [Element](repeating: start, count: outputCount)
        guard inputCount > 0 else { return result }
        source.withUnsafeBufferPointer { source in
            result.withUnsafeMutableBufferPointer { result in
                views.forEachRun(0, 0, inputCount) { offset, element, stride, length in
                    if stride == 0 {
                        var value = result[element]
                        for index in 0..<length { value = combine(value, source[offset + index]) }
                        result[element] = value
                    } else {
                        for index in 0..<length {
                            let target = element + index * stride
                            result[target] = combine(result[target], source[offset + index])
                        }
                    }
                }
            }
        }
        return result
    }

    /// Combines every element with the element of a result that it belongs to.
    func map(_ source: [Double], _ result: [Double], _ combine: (Double, Double) -> Double) -> [Double] {
        var mapped = source
        guard inputCount > 0 else { return mapped }
        views.forEachRun(0, 0, inputCount) { offset, element, stride, length in
            for index in 0..<length {
                mapped[offset + index] = combine(source[offset + index], result[element + index * stride])
            }
        }
        return mapped
    }
}
