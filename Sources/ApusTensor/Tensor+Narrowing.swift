extension Tensor {
    /// The elements of a float32 tensor in a 16-bit type, rounded to nearest even; finite values beyond its range become
    /// the largest finite one.
    ///
    /// - Throws: `ModelError` with code `unsupported` for other types.
    package func narrowed(to elementType: ElementType) throws(ModelError) -> Tensor {
        guard self.elementType == .float32, elementType == .float16 || elementType == .bfloat16 else {
            throw ModelError(.unsupported, "\(self.elementType) is not narrowed to \(elementType)")
        }
        let convert = elementType == .float16 ? Self.float16Bits : Self.bfloat16Bits
        return withUnsafeBytes { source in
            Tensor(TensorType(elementType, shape)) { target in
                for index in 0..<elementCount {
                    let value = source.loadUnaligned(fromByteOffset: index * 4, as: Float.self)
                    target.storeBytes(of: convert(value), toByteOffset: index * 2, as: UInt16.self)
                }
            }
        }
    }

    private static func float16Bits(_ value: Float) -> UInt16 {
        let half = Float16(value)
        if half.isInfinite && value.isFinite {
            return value < 0
                ? (-Float16.greatestFiniteMagnitude).bitPattern : Float16.greatestFiniteMagnitude.bitPattern
        }
        return half.bitPattern
    }

    private static func bfloat16Bits(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        if !value.isFinite { return value.isNaN ? 0x7fc0 : UInt16(bits >> 16) }
        let rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16
        return rounded & 0x7fff == 0x7f80 ? UInt16(rounded) - 1 : UInt16(rounded)
    }
}
