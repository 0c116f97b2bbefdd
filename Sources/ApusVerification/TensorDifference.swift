package import ApusTensor

/// How far a computed tensor is from the one that is right.
package struct TensorDifference: Sendable, Hashable, Codable {
    /// Elements that differ at all.
    package var differingElements = 0
    package var elements = 0
    /// The largest absolute difference; infinite where only one of the two is finite.
    package var maximum = 0.0
    /// The sum of the absolute differences over the sum of the absolute right values.
    package var relativeL1 = 0.0
    /// The root of the summed squared differences over that of the squared right values.
    package var relativeL2 = 0.0
    /// The cosine of the angle between the two.
    package var cosine = 1.0
    /// The flat index of the largest difference.
    package var worstIndex = 0

    /// Compares element by element; NaN equals NaN, infinity equals infinity of the same sign.
    ///
    /// - Throws: `ModelError` if types differ or cannot be compared as numbers.
    package init(_ found: Tensor, _ expected: Tensor) throws(ModelError) {
        guard found.type == expected.type else {
            throw ModelError(.invalidInput, "expected \(expected.type), found \(found.type)")
        }
        let expected = try realValues(expected)
        let found = try realValues(found)
        elements = expected.count
        var absolute = 0.0
        var absoluteExpected = 0.0
        var squared = 0.0
        var squaredExpected = 0.0
        var squaredFound = 0.0
        var product = 0.0
        for (index, (a, b)) in zip(found, expected).enumerated() {
            let difference = a == b || (a.isNaN && b.isNaN) ? 0 : abs(a - b)
            if difference != 0 { differingElements += 1 }
            let magnitude = difference.isFinite ? difference : .infinity
            if magnitude > maximum {
                maximum = magnitude
                worstIndex = index
            }
            absolute += magnitude
            squared += magnitude * magnitude
            if b.isFinite {
                absoluteExpected += abs(b)
                squaredExpected += b * b
                if a.isFinite {
                    product += a * b
                    squaredFound += a * a
                }
            }
        }
        relativeL1 = absolute == 0 ? 0 : absolute / max(absoluteExpected, .leastNormalMagnitude)
        relativeL2 = squared == 0 ? 0 : squared.squareRoot() / max(squaredExpected.squareRoot(), .leastNormalMagnitude)
        let norms = (squaredFound * squaredExpected).squareRoot()
        cosine = norms > 0 ? product / norms : (squared == 0 ? 1 : 0)
    }
}

/// The relative L2 error of a tensor; infinite if the two cannot be compared.
package func relativeError(_ found: Tensor, _ expected: Tensor) -> Double {
    let areEqual =
        found.type == expected.type
        && found.withUnsafeBytes { found in expected.withUnsafeBytes { found.elementsEqual($0) } }
    return areEqual ? 0 : (try? TensorDifference(found, expected).relativeL2) ?? .infinity
}

/// The elements as Doubles, exact for all types up to 32 bits.
///
/// - Throws: `ModelError` with code `unsupported` for types that are no real numbers.
package func realValues(_ tensor: Tensor) throws(ModelError) -> [Double] {
    func converted<Element: TensorElement & BinaryInteger>(_: Element.Type) -> [Double] {
        tensor.withElements(as: Element.self) { $0.map { Double($0) } }
    }
    switch tensor.elementType {
    case .float32: return tensor.withElements(as: Float.self) { $0.map { Double($0) } }
    case .float64: return tensor.withElements(as: Double.self) { Array($0) }
    case .float16:
        return tensor.withElements(as: UInt16.self) { $0.map { Double(Float16(bitPattern: $0)) } }
    case .bfloat16:
        return tensor.withElements(as: UInt16.self) { $0.map { Double(Float(bitPattern: UInt32($0) << 16)) } }
    case .int8: return converted(Int8.self)
    case .int16: return converted(Int16.self)
    case .int32: return converted(Int32.self)
    case .int64: return converted(Int64.self)
    case .uint8, .bool: return converted(UInt8.self)
    case .uint16: return converted(UInt16.self)
    case .uint32: return converted(UInt32.self)
    case .uint64: return converted(UInt64.self)
    default: throw ModelError(.unsupported, "values of type \(tensor.elementType) cannot be compared as numbers")
    }
}
