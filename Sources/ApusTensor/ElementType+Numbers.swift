/// How elements are read, rounded and written: real numbers as `Double`, integers and bools as `Int64`.
///
/// A `uint64` is the `Int64` of the same bits. Complex numbers and strings are no numbers here.
extension ElementType {
    /// Whether the elements can be read as numbers.
    package var isNumeric: Bool { isFloatingPoint || isInteger || self == .bool }

    /// Rounds to the nearest value of the type, ties to even; integer types truncate and saturate.
    package func rounded(_ value: Double) -> Double {
        switch self {
        case .float64: value
        case .float32: Double(Float(value))
        case .float16: Double(Float16(value))
        case .bfloat16: SmallFloat.bfloat16.decode(SmallFloat.bfloat16.encode(value, saturate: false))
        case .float8e4m3fn: SmallFloat.float8e4m3fn.decode(SmallFloat.float8e4m3fn.encode(value, saturate: true))
        case .float8e4m3fnuz: SmallFloat.float8e4m3fnuz.decode(SmallFloat.float8e4m3fnuz.encode(value, saturate: true))
        case .float8e5m2: SmallFloat.float8e5m2.decode(SmallFloat.float8e5m2.encode(value, saturate: true))
        case .float8e5m2fnuz: SmallFloat.float8e5m2fnuz.decode(SmallFloat.float8e5m2fnuz.encode(value, saturate: true))
        case .float4e2m1: SmallFloat.float4e2m1.decode(SmallFloat.float4e2m1.encode(value, saturate: true))
        case .float8e8m0:
            PowerOfTwoScale.decode(PowerOfTwoScale.encode(value, rounding: .up, saturate: true))
        case .uint64: Double(UInt64(bitPattern: integer(value)))
        default: Double(integer(value))
        }
    }

    /// Casts to an integer type or bool: truncation towards zero, saturation, NaN to 0; bool compares with zero.
    package func integer(_ value: Double) -> Int64 {
        if self == .bool { return value != 0 ? 1 : 0 }
        if value.isNaN { return 0 }
        if self == .uint64 {
            if value <= 0 { return 0 }
            return Int64(bitPattern: value >= 0x1p64 ? UInt64.max : UInt64(value))
        }
        let range = integerRange
        if value <= Double(range.lowerBound) { return range.lowerBound }
        return value >= Double(range.upperBound) ? range.upperBound : Int64(value)
    }

    /// Discards the bits that the integer type cannot hold; bool compares with zero.
    package func wrapped(_ value: Int64) -> Int64 {
        switch self {
        case .bool: value == 0 ? 0 : 1
        case .int2: (value << 62) >> 62
        case .int4: (value << 60) >> 60
        case .int8: Int64(Int8(truncatingIfNeeded: value))
        case .int16: Int64(Int16(truncatingIfNeeded: value))
        case .int32: Int64(Int32(truncatingIfNeeded: value))
        case .uint2: value & 3
        case .uint4: value & 15
        case .uint8: value & 0xFF
        case .uint16: value & 0xFFFF
        case .uint32: value & 0xFFFF_FFFF
        default: value
        }
    }

    /// The values of an integer type or bool; those of `uint64` up to `Int64.max` only.
    package var integerRange: ClosedRange<Int64> {
        switch self {
        case .bool: 0...1
        case .int2: -2...1
        case .int4: -8...7
        case .int8: -128...127
        case .int16: -32768...32767
        case .int32: Int64(Int32.min)...Int64(Int32.max)
        case .uint2: 0...3
        case .uint4: 0...15
        case .uint8: 0...255
        case .uint16: 0...65535
        case .uint32: 0...Int64(UInt32.max)
        case .uint64: 0...Int64.max
        default: Int64.min...Int64.max
        }
    }

    /// The real number that stands for an integer of the type.
    package func double(_ value: Int64) -> Double {
        self == .uint64 ? Double(UInt64(bitPattern: value)) : Double(value)
    }

    /// Reads real numbers; integers are converted.
    ///
    /// - Parameters:
    ///   - start: the element to begin with; `stride` elements lie between two that are read.
    package func readDoubles(
        _ bytes: UnsafeRawPointer,
        start: Int = 0,
        stride: Int = 1,
        into target: UnsafeMutableBufferPointer<Double>
    ) {
        func read<Element: BitwiseCopyable>(_: Element.Type, _ convert: (Element) -> Double) {
            let size = MemoryLayout<Element>.stride
            for index in target.indices {
                let offset = (start + index * stride) * size
                target[index] = convert(bytes.loadUnaligned(fromByteOffset: offset, as: Element.self))
            }
        }
        switch self {
        case .float32: read(Float.self) { Double($0) }
        case .float64: read(Double.self) { $0 }
        case .float16: read(UInt16.self) { Double(Float16(bitPattern: $0)) }
        case .bfloat16: read(UInt16.self) { Double(Float(bitPattern: UInt32($0) << 16)) }
        case .float8e4m3fn: read(UInt8.self) { [table = SmallFloat.table8e4m3fn] in table[Int($0)] }
        case .float8e4m3fnuz: read(UInt8.self) { [table = SmallFloat.table8e4m3fnuz] in table[Int($0)] }
        case .float8e5m2: read(UInt8.self) { [table = SmallFloat.table8e5m2] in table[Int($0)] }
        case .float8e5m2fnuz: read(UInt8.self) { [table = SmallFloat.table8e5m2fnuz] in table[Int($0)] }
        case .float8e8m0: read(UInt8.self) { PowerOfTwoScale.decode($0) }
        case .int32: read(Int32.self) { Double($0) }
        case .int64: read(Int64.self) { Double($0) }
        case .uint64: read(UInt64.self) { Double($0) }
        case .int8: read(Int8.self) { Double($0) }
        case .uint8: read(UInt8.self) { Double($0) }
        case .int16: read(Int16.self) { Double($0) }
        case .uint16: read(UInt16.self) { Double($0) }
        case .uint32: read(UInt32.self) { Double($0) }
        case .bool: read(UInt8.self) { $0 == 0 ? 0 : 1 }
        case .float4e2m1:
            for index in target.indices {
                target[index] = SmallFloat.table4e2m1[Int(packed(bytes, start + index * stride))]
            }
        case .int2, .int4, .uint2, .uint4:
            for index in target.indices {
                target[index] = Double(wrapped(Int64(packed(bytes, start + index * stride))))
            }
        case .string, .complex64, .complex128: preconditionFailure("\(self) is not numeric")
        }
    }

    /// Reads integers and bools; real numbers are cast.
    package func readIntegers(
        _ bytes: UnsafeRawPointer,
        start: Int = 0,
        stride: Int = 1,
        into target: UnsafeMutableBufferPointer<Int64>
    ) {
        func read<Element: BitwiseCopyable>(_: Element.Type, _ convert: (Element) -> Int64) {
            let size = MemoryLayout<Element>.stride
            for index in target.indices {
                let offset = (start + index * stride) * size
                target[index] = convert(bytes.loadUnaligned(fromByteOffset: offset, as: Element.self))
            }
        }
        switch self {
        case .int64, .uint64: read(Int64.self) { $0 }
        case .int32: read(Int32.self) { Int64($0) }
        case .int8: read(Int8.self) { Int64($0) }
        case .uint8: read(UInt8.self) { Int64($0) }
        case .bool: read(UInt8.self) { $0 == 0 ? 0 : 1 }
        case .int16: read(Int16.self) { Int64($0) }
        case .uint16: read(UInt16.self) { Int64($0) }
        case .uint32: read(UInt32.self) { Int64($0) }
        case .int2, .int4, .uint2, .uint4:
            for index in target.indices {
                target[index] = wrapped(Int64(packed(bytes, start + index * stride)))
            }
        default:
            withUnsafeTemporaryAllocation(of: Double.self, capacity: target.count) { values in
                readDoubles(bytes, start: start, stride: stride, into: values)
                for index in target.indices { target[index] = ElementType.int64.integer(values[index]) }
            }
        }
    }

    /// Rounds real numbers to the type and writes them one after the other; integer types truncate and saturate.
    ///
    /// The elements narrower than a byte that share a byte must be written by one thread.
    package func write(_ source: UnsafeBufferPointer<Double>, to bytes: UnsafeMutableRawPointer, start: Int = 0) {
        func write<Element: BitwiseCopyable>(_: Element.Type, _ convert: (Double) -> Element) {
            let size = MemoryLayout<Element>.stride
            for index in source.indices {
                bytes.storeBytes(of: convert(source[index]), toByteOffset: (start + index) * size, as: Element.self)
            }
        }
        switch self {
        case .float32: write(Float.self) { Float($0) }
        case .float64: write(Double.self) { $0 }
        case .float16: write(UInt16.self) { Float16($0).bitPattern }
        case .bfloat16: write(UInt16.self) { UInt16(SmallFloat.bfloat16.encode($0, saturate: false)) }
        case .float8e4m3fn: write(UInt8.self) { UInt8(SmallFloat.float8e4m3fn.encode($0, saturate: true)) }
        case .float8e4m3fnuz: write(UInt8.self) { UInt8(SmallFloat.float8e4m3fnuz.encode($0, saturate: true)) }
        case .float8e5m2: write(UInt8.self) { UInt8(SmallFloat.float8e5m2.encode($0, saturate: true)) }
        case .float8e5m2fnuz: write(UInt8.self) { UInt8(SmallFloat.float8e5m2fnuz.encode($0, saturate: true)) }
        case .float8e8m0: write(UInt8.self) { PowerOfTwoScale.encode($0, rounding: .up, saturate: true) }
        case .float4e2m1:
            for index in source.indices {
                pack(UInt8(SmallFloat.float4e2m1.encode(source[index], saturate: true)), bytes, start + index)
            }
        case .string, .complex64, .complex128: preconditionFailure("\(self) is not numeric")
        default:
            withUnsafeTemporaryAllocation(of: Int64.self, capacity: source.count) { values in
                for index in source.indices { values[index] = integer(source[index]) }
                self.write(UnsafeBufferPointer(values), to: bytes, start: start)
            }
        }
    }

    /// Writes integers one after the other, discarding the bits that the type cannot hold; real types round.
    ///
    /// The elements narrower than a byte that share a byte must be written by one thread.
    package func write(_ source: UnsafeBufferPointer<Int64>, to bytes: UnsafeMutableRawPointer, start: Int = 0) {
        func write<Element: BitwiseCopyable>(_: Element.Type, _ convert: (Int64) -> Element) {
            let size = MemoryLayout<Element>.stride
            for index in source.indices {
                bytes.storeBytes(of: convert(source[index]), toByteOffset: (start + index) * size, as: Element.self)
            }
        }
        switch self {
        case .int64, .uint64: write(Int64.self) { $0 }
        case .int32, .uint32: write(Int32.self) { Int32(truncatingIfNeeded: $0) }
        case .int8, .uint8: write(Int8.self) { Int8(truncatingIfNeeded: $0) }
        case .int16, .uint16: write(Int16.self) { Int16(truncatingIfNeeded: $0) }
        case .bool: write(UInt8.self) { $0 == 0 ? 0 : 1 }
        case .float32: write(Float.self) { Float($0) }
        case .int2, .int4, .uint2, .uint4:
            for index in source.indices { pack(UInt8(truncatingIfNeeded: source[index]), bytes, start + index) }
        default:
            withUnsafeTemporaryAllocation(of: Double.self, capacity: source.count) { values in
                for index in source.indices { values[index] = Double(source[index]) }
                self.write(UnsafeBufferPointer(values), to: bytes, start: start)
            }
        }
    }

    /// The code of an element narrower than a byte.
    package func packed(_ bytes: UnsafeRawPointer, _ index: Int) -> UInt8 {
        let bit = index * bitWidth
        return (bytes.load(fromByteOffset: bit / 8, as: UInt8.self) >> UInt8(bit % 8)) & (1 << UInt8(bitWidth) - 1)
    }

    /// Stores the code of an element narrower than a byte.
    package func pack(_ code: UInt8, _ bytes: UnsafeMutableRawPointer, _ index: Int) {
        let bit = index * bitWidth
        let mask: UInt8 = 1 << UInt8(bitWidth) - 1
        let old = bytes.load(fromByteOffset: bit / 8, as: UInt8.self)
        let shift = UInt8(bit % 8)
        bytes.storeBytes(of: (old & ~(mask << shift)) | ((code & mask) << shift), toByteOffset: bit / 8, as: UInt8.self)
    }
}

extension Tensor {
    /// The elements as real numbers.
    ///
    /// - Throws: `ModelError` with code `unsupported` for complex numbers.
    package func doubles() throws(ModelError) -> [Double] {
        guard elementType.isNumeric else { throw ModelError(.unsupported, "\(elementType) is not a real type") }
        return withUnsafeBytes { bytes in
            [Double](unsafeUninitializedCapacity: elementCount) { target, count in
                count = elementCount
                guard let address = bytes.baseAddress else { return }
                elementType.readDoubles(address, into: UnsafeMutableBufferPointer(rebasing: target[..<count]))
            }
        }
    }

    /// The elements as integers; those of `uint64` by their bits.
    ///
    /// - Throws: `ModelError` with code `invalidModel` if the type is neither an integer type nor bool.
    package func integers() throws(ModelError) -> [Int] {
        guard elementType.isInteger || elementType == .bool else {
            throw ModelError(.invalidModel, "expected integers, found \(elementType)")
        }
        return withUnsafeBytes { bytes in
            [Int64](unsafeUninitializedCapacity: elementCount) { target, count in
                count = elementCount
                guard let address = bytes.baseAddress else { return }
                elementType.readIntegers(address, into: UnsafeMutableBufferPointer(rebasing: target[..<count]))
            }.map { Int($0) }
        }
    }

    /// A tensor of real numbers rounded to the type; integer types truncate and saturate.
    ///
    /// - Throws: `ModelError` if the count does not fit the type or the type is not numeric.
    package init(_ type: TensorType, rounding values: [Double]) throws(ModelError) {
        try type.validated()
        guard type.elementType.isNumeric, type.elementCount == values.count else {
            throw ModelError(.invalidModel, "\(values.count) real numbers do not fit \(type)")
        }
        self.init(type) { bytes in
            values.withUnsafeBufferPointer { source in
                if let address = bytes.baseAddress { type.elementType.write(source, to: address) }
            }
        }
    }

    /// A tensor of integers; the bits that the type cannot hold are discarded.
    ///
    /// - Throws: `ModelError` if the count does not fit the type or the type is not numeric.
    package init(_ type: TensorType, wrapping values: [Int]) throws(ModelError) {
        try type.validated()
        guard type.elementType.isNumeric, type.elementCount == values.count else {
            throw ModelError(.invalidModel, "\(values.count) integers do not fit \(type)")
        }
        self.init(type) { bytes in
            values.map { Int64($0) }.withUnsafeBufferPointer { source in
                if let address = bytes.baseAddress { type.elementType.write(source, to: address) }
            }
        }
    }
}
