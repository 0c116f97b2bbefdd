package import ApusTensor

/// How far computed elements are from reference elements of the same type.
///
/// Sums run in Double over the pairs of which both are finite; every number here is finite.
package struct ErrorMetrics: Sendable, Hashable, Codable {
    package var elementCount = 0
    /// L0: the elements that differ at all; NaN equals NaN.
    package var mismatchCount = 0
    /// The elements of which one is not finite and the other is not the same.
    package var nonFiniteMismatchCount = 0
    /// L1: the sum of absolute differences.
    package var l1 = 0.0
    /// The Euclidean norm of the difference, relative to that of the reference.
    package var relativeL2 = 0.0
    /// LInf: the largest absolute difference.
    package var maximumAbsolute = 0.0
    /// LInf relative to the largest magnitude of the reference.
    package var maximumRelative = 0.0
    /// The cosine of the angle between both, 1 for equal directions and where both are zero.
    package var cosine = 1.0
    /// The largest difference in units in the last place, for 16-, 32- and 64-bit real types.
    package var maximumULPs: Int?
    /// The row-major index of the worst element.
    package var worstIndex: Int?
    package var worstReference: Double?
    package var worstComputed: Double?

    /// Compares two tensors.
    ///
    /// - Throws: `ModelError` with code `invalidInput` if their types differ, `unsupported` if they are not numeric.
    package init(reference: Tensor, computed: Tensor) throws(ModelError) {
        guard reference.type == computed.type else {
            throw ModelError(.invalidInput, "expected \(reference.type), found \(computed.type)")
        }
        guard reference.elementType.isNumeric else {
            throw ModelError(.unsupported, "\(reference.elementType) cannot be compared as numbers")
        }
        elementCount = reference.elementCount
        var sums = Sums(elementType: reference.elementType)
        reference.withUnsafeBytes { a in
            computed.withUnsafeBytes { b in
                if let a = a.baseAddress, let b = b.baseAddress { sums.add(a, b, count: elementCount) }
            }
        }
        take(sums)
    }

    private mutating func take(_ sums: Sums) {
        mismatchCount = sums.mismatches
        nonFiniteMismatchCount = sums.nonFinite
        l1 = Self.finite(sums.l1)
        maximumAbsolute = Self.finite(sums.largestDifference)
        relativeL2 = Self.ratio(sums.squaredDifference.squareRoot(), sums.squaredReference.squareRoot())
        maximumRelative = Self.ratio(sums.largestDifference, sums.largestReference)
        let squares = sums.squaredReference * sums.squaredComputed
        let norms =
            squares.isNormal
            ? squares.squareRoot() : sums.squaredReference.squareRoot() * sums.squaredComputed.squareRoot()
        if norms > 0, norms.isFinite, sums.product.isFinite {
            cosine = min(max(sums.product / norms, -1), 1)
        } else if sums.squaredReference != sums.squaredComputed {
            cosine = 0
        }
        if sums.hasULPs { maximumULPs = sums.ulps }
        if let worst = sums.worst {
            worstIndex = worst.index
            worstReference = worst.reference.isFinite ? worst.reference : nil
            worstComputed = worst.computed.isFinite ? worst.computed : nil
        }
    }

    private static func finite(_ value: Double) -> Double {
        value.isNaN ? .greatestFiniteMagnitude : min(value, .greatestFiniteMagnitude)
    }

    /// The error relative to a norm; an error against nothing counts in full.
    private static func ratio(_ error: Double, _ norm: Double) -> Double {
        error == 0 ? 0 : finite(norm > 0 && norm.isFinite ? error / norm : .greatestFiniteMagnitude)
    }
}

/// The relative L2 error of a tensor; infinite if the two cannot be compared or one alone is not finite somewhere.
package func relativeError(_ found: Tensor, _ expected: Tensor) -> Double {
    let areEqual =
        found.type == expected.type
        && found.withUnsafeBytes { found in expected.withUnsafeBytes { found.elementsEqual($0) } }
    if areEqual { return 0 }
    guard let metrics = try? ErrorMetrics(reference: expected, computed: found), metrics.nonFiniteMismatchCount == 0
    else { return .infinity }
    return metrics.relativeL2
}

/// The running sums over pairs of elements.
private struct Sums {
    let elementType: ElementType
    let hasULPs: Bool
    var mismatches = 0
    var nonFinite = 0
    var l1 = 0.0
    var squaredDifference = 0.0
    var squaredReference = 0.0
    var squaredComputed = 0.0
    var product = 0.0
    var largestDifference = 0.0
    var largestReference = 0.0
    var ulps = 0
    var worst: (index: Int, reference: Double, computed: Double)?

    private static let chunk = 4096

    init(elementType: ElementType) {
        self.elementType = elementType
        hasULPs = [.float16, .bfloat16, .float32, .float64].contains(elementType)
    }

    mutating func add(_ reference: UnsafeRawPointer, _ computed: UnsafeRawPointer, count: Int) {
        var a = [Double](repeating: 0, count: Self.chunk)
        var b = a
        var start = 0
        while start < count {
            let length = min(Self.chunk, count - start)
            a.withUnsafeMutableBufferPointer {
                elementType.readDoubles(
                    reference,
                    start: start,
                    into: UnsafeMutableBufferPointer(rebasing: $0[..<length])
                )
            }
            b.withUnsafeMutableBufferPointer {
                elementType.readDoubles(
                    computed,
                    start: start,
                    into: UnsafeMutableBufferPointer(rebasing: $0[..<length])
                )
            }
            for index in 0..<length { add(a[index], b[index], at: start + index) }
            start += length
        }
    }

    private mutating func add(_ reference: Double, _ computed: Double, at index: Int) {
        guard reference.isFinite && computed.isFinite else {
            if reference == computed || (reference.isNaN && computed.isNaN) { return }
            mismatches += 1
            if nonFinite == 0 { worst = (index, reference, computed) }
            nonFinite += 1
            return
        }
        squaredReference += reference * reference
        squaredComputed += computed * computed
        product += reference * computed
        largestReference = max(largestReference, abs(reference))
        guard reference != computed else { return }
        mismatches += 1
        let difference = abs(reference - computed)
        l1 += difference
        squaredDifference += difference * difference
        if difference > largestDifference {
            largestDifference = difference
            if nonFinite == 0 { worst = (index, reference, computed) }
        }
        if hasULPs {
            let (distance, overflow) = order(reference).subtractingReportingOverflow(order(computed))
            ulps = max(ulps, overflow ? Int.max : Int(clamping: distance.magnitude))
        }
    }

    /// The position of a value among all values of the type.
    private func order(_ value: Double) -> Int {
        switch elementType {
        case .float16: Self.order(Int(Float16(value).bitPattern), bits: 16)
        case .bfloat16: Self.order(Int(Float(value).bitPattern >> 16), bits: 16)
        case .float32: Self.order(Int(Float(value).bitPattern), bits: 32)
        default:
            value.sign == .minus ? -Int(value.magnitude.bitPattern) : Int(value.bitPattern)
        }
    }

    private static func order(_ pattern: Int, bits: Int) -> Int {
        let sign = 1 << (bits - 1)
        return pattern & sign == 0 ? pattern : -(pattern & (sign - 1))
    }
}
