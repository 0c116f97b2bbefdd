package import ApusTensor

extension ElementType {
    /// Whether arithmetic operators take the type as a real number: float16, bfloat16, float32 or float64.
    package var isReal: Bool {
        switch self {
        case .float16, .bfloat16, .float32, .float64: true
        default: false
        }
    }

    /// Whether ONNX's matrix products and sums take the type: a real type or an integer of 32 or 64 bits.
    package var isRealOrWideInteger: Bool {
        switch self {
        case .int32, .int64, .uint32, .uint64: true
        default: isReal
        }
    }
}

/// Checks that an input has the element type of the first one.
///
/// - Throws: `ModelError` with code `invalidModel`.
func requireSameType(_ type: TensorType, as first: TensorType, input: Int) throws(ModelError) {
    guard type.elementType == first.elementType else {
        throw ModelError(
            .invalidModel,
            "input \(input) has type \(type.elementType), expected \(first.elementType) as input 0"
        )
    }
}

/// Checks an input's element type and that it is a real one.
///
/// - Throws: `ModelError` with code `unsupported`.
func requireReal(_ type: ElementType, input: Int = 0) throws(ModelError) {
    guard type.isReal else {
        throw ModelError(.unsupported, "input \(input) has type \(type), expected a floating-point type")
    }
}

extension Cost {
    /// The product of the factors as operations, and every tensor passed once over memory; saturates.
    init(operations factors: [Int], plus further: Int = 0, moving tensors: [TensorType?]) {
        var product = 1
        for factor in factors {
            let (value, overflow) = product.multipliedReportingOverflow(by: factor)
            product = overflow ? Int.max : value
        }
        let (sum, overflow) = product.addingReportingOverflow(further)
        let bytes = tensors.reduce(0) { total, type in
            let (value, overflow) = total.addingReportingOverflow(type?.byteCount ?? 0)
            return overflow ? Int.max : value
        }
        self.init(operations: overflow ? Int.max : sum, bytes: bytes)
    }
}
