package import ApusTensor

/// How far a computed element may be from the expected one: `absolute + relative * |expected|`.
///
/// The defaults are those of the ONNX backend suite.
package struct ConformanceTolerance: Sendable, Hashable {
    package var relative: Double
    package var absolute: Double

    package init(relative: Double = 1e-3, absolute: Double = 1e-7) {
        self.relative = relative
        self.absolute = absolute
    }
}

/// Why a value is not the expected one; `nil` where it is.
///
/// Floats are judged by the tolerance, with NaN equal to NaN; integers, bools and strings must be equal.
package func conformanceProblem(
    _ found: RuntimeValue,
    expected: RuntimeValue,
    tolerance: ConformanceTolerance = ConformanceTolerance()
) -> String? {
    switch (found, expected) {
    case (.tensor(let found), .tensor(let expected)):
        return tensorProblem(found, expected, tolerance)
    case (.strings(let found), .strings(let expected)):
        return found == expected ? nil : "the strings differ"
    case (.sequence(let found), .sequence(let expected)):
        guard found.count == expected.count else {
            return "expected a sequence of \(expected.count), found \(found.count)"
        }
        for (index, (found, expected)) in zip(found, expected).enumerated() {
            if let problem = conformanceProblem(found, expected: expected, tolerance: tolerance) {
                return "element \(index): \(problem)"
            }
        }
        return nil
    case (.optional(nil), .optional(nil)): return nil
    case (.optional(let found?), .optional(let expected?)):
        return conformanceProblem(found, expected: expected, tolerance: tolerance)
    default: return "expected \(expected.kind), found \(found.kind)"
    }
}

private func tensorProblem(_ found: Tensor, _ expected: Tensor, _ tolerance: ConformanceTolerance) -> String? {
    guard found.type == expected.type else { return "expected \(expected.type), found \(found.type)" }
    if found.hasSameBytes(as: expected) { return nil }
    guard found.elementType.isFloatingPoint else { return "the elements differ" }
    let right: [Double]
    let values: [Double]
    do {
        right = try expected.doubles()
        values = try found.doubles()
    } catch {
        return error.message
    }
    var bad = 0
    var worst: (index: Int, excess: Double)?
    for (index, (a, b)) in zip(values, right).enumerated() {
        if a == b || (a.isNaN && b.isNaN) { continue }
        let difference = abs(a - b)
        if difference <= tolerance.absolute + tolerance.relative * abs(b) { continue }
        bad += 1
        let excess = difference.isFinite ? difference : .infinity
        if excess > worst?.excess ?? -1 { worst = (index, excess) }
    }
    guard let worst else { return nil }
    return "\(bad) of \(right.count) elements differ, the worst at \(worst.index): "
        + "expected \(right[worst.index]), found \(values[worst.index])"
}
