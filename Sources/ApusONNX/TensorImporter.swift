import ApusONNXProto
import ApusTensor
import FoundationEssentials

/// Turns `TensorProto` into values; `raw_data` and external data are referred to, not copied.
final class TensorImporter {
    /// The most axes of a tensor.
    static let maximumRank = 64

    private let model: TensorStorage
    private let ranges: [Range<Int>]
    private let externalData: ExternalData?
    private let weights: SeededWeights?
    private var remainingBytes: Int

    /// - Parameters:
    ///   - model: the serialised model that the ranges refer to.
    ///   - externalData: `nil` if external data is refused.
    ///   - maximumGeneratedBytes: a bound on the tensors that are larger than their data in the file.
    init(
        model: TensorStorage,
        ranges: [Range<Int>],
        externalData: ExternalData?,
        weights: SeededWeights?,
        maximumGeneratedBytes: Int
    ) {
        self.model = model
        self.ranges = ranges
        self.externalData = externalData
        self.weights = weights
        remainingBytes = maximumGeneratedBytes
    }

    /// The value of a tensor.
    ///
    /// - Parameter isInitializer: whether data that is missing may come from the model's seed.
    /// - Throws: `ModelError` if type, shape and data disagree, or its data cannot be read.
    func value(_ proto: Onnx_TensorProto, isInitializer: Bool = false) throws(ModelError) -> RuntimeValue {
        guard let elementType = ElementType(rawValue: proto.dataType) else {
            throw ModelError(.invalidModel, "a tensor has the unknown element type \(proto.dataType)")
        }
        guard !proto.hasSegment else { throw ModelError(.unsupported, "tensors in segments are not supported") }
        let shape = try Self.shape(proto.dims)
        let type = try TensorType(elementType, shape).validated()
        if elementType == .string { return .strings(try strings(proto, type)) }
        if proto.dataLocation == .external {
            guard !proto.hasRawData, proto.typedCount == 0 else {
                throw ModelError(.invalidModel, "a tensor has both external and other data")
            }
            guard let externalData else {
                throw ModelError(.invalidModel, "external data needs a model that is loaded from a file")
            }
            return .tensor(try normalized(externalData.tensor(type, proto.externalData)))
        }
        if proto.hasRawData {
            guard proto.typedCount == 0 else { throw ModelError(.invalidModel, "a tensor has raw and typed data") }
            return .tensor(try normalized(rawTensor(proto.rawData, type)))
        }
        if isInitializer, proto.typedCount == 0, type.elementCount > 0, let weights {
            try charge(type)
            return .tensor(try weights.tensor(type, name: proto.name))
        }
        return .tensor(try typedTensor(proto, type))
    }

    /// The dense form of a sparse tensor.
    ///
    /// - Throws: `ModelError` if indices are unsorted, repeated or out of range, or the tensor exceeds the limit.
    func value(_ proto: Onnx_SparseTensorProto) throws(ModelError) -> RuntimeValue {
        let values = try value(proto.values).tensor()
        let indices = try value(proto.indices).tensor()
        let type = try TensorType(values.elementType, Self.shape(proto.dims)).validated()
        guard values.rank == 1, type.elementType.bitWidth >= 8 else {
            throw ModelError(.unsupported, "sparse values of type \(values.type) are not supported")
        }
        let count = values.elementCount
        let linear = indices.rank == 1
        guard indices.shape == (linear ? [count] : [count, type.rank]), count <= type.elementCount else {
            throw ModelError(.invalidModel, "sparse indices \(indices.type) do not fit \(count) values in \(type)")
        }
        var positions: [Int] = []
        let flat = try indices.array(of: Int64.self)
        let width = linear ? 1 : type.rank
        let extents = linear ? [type.elementCount] : type.shape
        for entry in 0..<count {
            var position = 0
            for axis in 0..<width {
                let index = flat[entry * width + axis]
                guard (0..<Int64(extents[axis])).contains(index) else {
                    throw ModelError(.invalidModel, "a sparse index \(index) lies outside of \(type)")
                }
                position = position * extents[axis] + Int(index)
            }
            guard positions.last.map({ $0 < position }) ?? true else {
                throw ModelError(.invalidModel, "sparse indices are not in ascending order")
            }
            positions.append(position)
        }
        try charge(type)
        let width8 = type.elementType.bitWidth / 8
        return .tensor(
            Tensor(type) { bytes in
                values.withUnsafeBytes { source in
                    for (entry, position) in positions.enumerated() {
                        let element = source[entry * width8..<(entry + 1) * width8]
                        UnsafeMutableRawBufferPointer(rebasing: bytes[(position * width8)...])
                            .copyMemory(from: UnsafeRawBufferPointer(rebasing: element))
                    }
                }
            }
        )
    }

    /// - Throws: `ModelError` if there are too many axes or an extent does not fit `Int`.
    private static func shape(_ dims: [Int64]) throws(ModelError) -> [Int] {
        guard dims.count <= maximumRank else {
            throw ModelError(.limitExceeded, "a tensor has \(dims.count) axes, the limit is \(maximumRank)")
        }
        return dims.map { Int($0) }
    }

    private func charge(_ type: TensorType) throws(ModelError) {
        guard type.byteCount <= remainingBytes else {
            throw ModelError(.limitExceeded, "a tensor \(type) exceeds the limit on generated bytes")
        }
        remainingBytes -= type.byteCount
    }

    private func rawTensor(_ marker: Data, _ type: TensorType) throws(ModelError) -> Tensor {
        let index = marker.reversed().reduce(0) { $0 << 8 | Int($1) }
        guard marker.count == 4, ranges.indices.contains(index) else {
            throw ModelError(.invalidFile, "the data of a tensor was not found")
        }
        guard ranges[index].count == type.byteCount else {
            throw ModelError(
                .invalidModel,
                "\(type) takes \(type.byteCount) bytes, its raw data has \(ranges[index].count)"
            )
        }
        return try Tensor(type: type, storage: model, byteOffset: ranges[index].lowerBound)
    }

    /// The tensor with bools that are 0 or 1.
    private func normalized(_ tensor: Tensor) throws(ModelError) -> Tensor {
        guard tensor.elementType == .bool, tensor.withUnsafeBytes({ $0.contains { $0 > 1 } }) else { return tensor }
        return tensor.withUnsafeBytes { source in
            Tensor(tensor.type) { bytes in for (index, byte) in source.enumerated() { bytes[index] = byte == 0 ? 0 : 1 }
            }
        }
    }

    private func strings(_ proto: Onnx_TensorProto, _ type: TensorType) throws(ModelError) -> StringTensor {
        guard !proto.hasRawData, proto.dataLocation != .external, proto.typedCount == proto.stringData.count else {
            throw ModelError(.invalidModel, "a tensor of strings has data of another kind")
        }
        return try StringTensor(shape: type.shape, proto.stringData.map { [UInt8]($0) })
    }

    private func typedTensor(_ proto: Onnx_TensorProto, _ type: TensorType) throws(ModelError) -> Tensor {
        switch type.elementType {
        case .float32, .complex64: return try stored(proto.floatData, proto, type)
        case .float64, .complex128: return try stored(proto.doubleData, proto, type)
        case .int64: return try stored(proto.int64Data, proto, type)
        case .uint64: return try stored(proto.uint64Data, proto, type)
        case .uint32: return try stored(narrowed(proto.uint64Data, UInt32.self), proto, type)
        case .int32: return try stored(proto.int32Data, proto, type)
        case .int16: return try stored(narrowed(proto.int32Data, Int16.self), proto, type)
        case .int8: return try stored(narrowed(proto.int32Data, Int8.self), proto, type)
        case .uint16: return try stored(narrowed(proto.int32Data, UInt16.self), proto, type)
        case .uint8: return try stored(narrowed(proto.int32Data, UInt8.self), proto, type)
        case .bool: return try stored(proto.int32Data.map { $0 == 0 ? 0 : 1 as UInt8 }, proto, type)
        case .float16, .bfloat16:
            return try stored(bits(proto.int32Data, -0x8000...0xFFFF, UInt16.self), proto, type)
        case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0, .uint4, .int4, .float4e2m1,
            .uint2, .int2:
            return try stored(bits(proto.int32Data, -0x80...0xFF, UInt8.self), proto, type)
        case .string:
            throw ModelError(.invalidModel, "a tensor of strings has data of another kind")
        }
    }

    private func narrowed<Wide: BinaryInteger, Narrow: FixedWidthInteger>(
        _ values: [Wide],
        _: Narrow.Type
    ) throws(ModelError) -> [Narrow] {
        try values.map { value throws(ModelError) in
            guard let narrow = Narrow(exactly: value) else {
                throw ModelError(.invalidModel, "the element \(value) does not fit its type \(Narrow.self)")
            }
            return narrow
        }
    }

    private func bits<Narrow: FixedWidthInteger>(
        _ values: [Int32],
        _ range: ClosedRange<Int32>,
        _: Narrow.Type
    ) throws(ModelError) -> [Narrow] {
        try values.map { value throws(ModelError) in
            guard range.contains(value) else {
                throw ModelError(.invalidModel, "the element \(value) does not fit in \(Narrow.bitWidth) bits")
            }
            return Narrow(truncatingIfNeeded: value)
        }
    }

    private func stored<Element>(
        _ elements: [Element],
        _ proto: Onnx_TensorProto,
        _ type: TensorType
    ) throws(ModelError) -> Tensor {
        guard elements.count == proto.typedCount else {
            throw ModelError(.invalidModel, "a tensor of \(type.elementType) has data of another kind")
        }
        guard elements.count * MemoryLayout<Element>.stride == type.byteCount else {
            throw ModelError(
                .invalidModel,
                "\(type) takes \(type.byteCount) bytes, found \(elements.count) of \(MemoryLayout<Element>.stride)"
            )
        }
        return Tensor(type) { bytes in elements.withUnsafeBytes { bytes.copyMemory(from: $0) } }
    }
}

extension Onnx_TensorProto {
    /// How many entries the typed fields hold together.
    var typedCount: Int {
        floatData.count + int32Data.count + stringData.count + int64Data.count + doubleData.count + uint64Data.count
    }

    /// The bytes, at most, that an import of the tensor copies.
    var copiedByteCount: Int { 16 * typedCount + stringData.reduce(0) { $0 + $1.count } }
}
