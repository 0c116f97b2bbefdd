/// A row-major tensor seen along one axis: `[outer, extent, inner]`.
package struct AxisView: Sendable, Hashable {
    package let outer: Int
    package let extent: Int
    package let inner: Int

    /// - Parameter axis: a valid axis that does not count from the end.
    package init(_ shape: [Int], axis: Int) {
        outer = shape[..<axis].reduce(1, *)
        extent = shape[axis]
        inner = shape[(axis + 1)...].reduce(1, *)
    }

    /// Calls a closure on all cores with the first element of every line along the axis; elements lie `inner` apart.
    func forEachLine(_ body: (_ line: Int, _ start: Int) -> Void) {
        parallelFor(outer * inner, grain: max(1, 4096 / max(extent, 1))) { range in
            for line in range { body(line, line / inner * extent * inner + line % inner) }
        }
    }
}
