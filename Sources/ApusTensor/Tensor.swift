import Glibc

/// A dense, immutable tensor in row-major order; copies share their bytes.
///
/// A bool takes one byte, 0 or 1. Types narrower than a byte are packed, the first element in the lowest bits.
public struct Tensor: Sendable {
    /// The element type and shape.
    public let type: TensorType
    package let storage: TensorStorage
    /// Where the first element lies in the storage, in bytes.
    package let byteOffset: Int

    /// The type of the elements.
    public var elementType: ElementType { type.elementType }
    /// The extent of each axis, outermost first; empty for a scalar.
    public var shape: [Int] { type.shape }
    /// The number of axes.
    public var rank: Int { type.rank }
    /// The number of elements.
    public var elementCount: Int { type.elementCount }
    /// The size in bytes.
    public var byteCount: Int { type.byteCount }

    /// A view of storage.
    ///
    /// - Throws: `ModelError` if the storage is too small for the type.
    package init(type: TensorType, storage: TensorStorage, byteOffset: Int = 0) throws(ModelError) {
        try type.validated()
        guard byteOffset >= 0, byteOffset <= storage.bytes.count, type.byteCount <= storage.bytes.count - byteOffset
        else {
            throw ModelError(
                .invalidModel,
                "a tensor of type \(type) takes \(type.byteCount) bytes, found \(storage.bytes.count - byteOffset)"
            )
        }
        self.type = type
        self.storage = storage
        self.byteOffset = byteOffset
    }

    /// A tensor whose bytes a closure fills; they are zero before.
    ///
    /// The type must be valid (see `TensorType.validated()`).
    package init(
        _ type: TensorType,
        initializingWith body: (UnsafeMutableRawBufferPointer) throws -> Void
    ) rethrows {
        self.type = type
        self.storage = try TensorStorage(byteCount: type.byteCount, initializingWith: body)
        self.byteOffset = 0
    }

    /// A tensor of zeros.
    package init(zeros type: TensorType) {
        self.init(type) { _ in }
    }

    /// A tensor that holds the given elements.
    ///
    /// - Throws: `ModelError` with code `invalidInput` if the count of elements does not fit the shape.
    public init<Element: TensorElement>(shape: [Int], _ elements: [Element]) throws(ModelError) {
        let type = TensorType(Element.elementType, shape)
        try type.validated()
        guard type.elementCount == elements.count else {
            throw ModelError(
                .invalidInput,
                "shape \(shape) holds \(type.elementCount) elements, \(elements.count) were given"
            )
        }
        self.init(type) { bytes in elements.withUnsafeBytes { bytes.copyMemory(from: $0) } }
    }

    /// A tensor from the raw little-endian bytes of its elements.
    ///
    /// - Throws: `ModelError` with code `invalidInput` if the count of bytes does not fit the type.
    public init(type: TensorType, bytes source: UnsafeRawBufferPointer) throws(ModelError) {
        try type.validated()
        guard type.byteCount == source.count else {
            throw ModelError(.invalidInput, "\(type) takes \(type.byteCount) bytes, \(source.count) were given")
        }
        self.init(type) { $0.copyMemory(from: source) }
    }

    /// A scalar.
    public init<Element: TensorElement>(scalar: Element) {
        self.init(TensorType(Element.elementType, [])) { bytes in
            Swift.withUnsafeBytes(of: scalar) { bytes.copyMemory(from: $0) }
        }
    }

    /// A one-dimensional tensor.
    public init<Element: TensorElement>(vector: [Element]) {
        self.init(TensorType(Element.elementType, [vector.count])) { bytes in
            vector.withUnsafeBytes { bytes.copyMemory(from: $0) }
        }
    }

    /// The raw bytes of the elements, valid during the call.
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(rebasing: storage.bytes[byteOffset..<byteOffset + byteCount]))
    }

    /// The elements as values of a Swift type of the same width, valid during the call; the type is not converted.
    ///
    /// The bytes of a mapped tensor may lie at any address: they are copied first when they are not aligned.
    public func withElements<Element: TensorElement, Result, Failure: Error>(
        as: Element.Type,
        _ body: (UnsafeBufferPointer<Element>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(MemoryLayout<Element>.stride * 8 == elementType.bitWidth, "\(Element.self) for \(elementType)")
        let bytes = UnsafeRawBufferPointer(rebasing: storage.bytes[byteOffset..<byteOffset + byteCount])
        let aligned = Int(bitPattern: bytes.baseAddress) % MemoryLayout<Element>.alignment == 0
        if aligned { return try body(bytes.assumingMemoryBound(to: Element.self)) }
        let copy = Tensor(type) { $0.copyMemory(from: bytes) }
        return try body(copy.storage.bytes.assumingMemoryBound(to: Element.self))
    }

    /// The elements as an array of a Swift type.
    ///
    /// - Throws: `ModelError` with code `invalidInput` if the tensor has another element type.
    public func array<Element: TensorElement>(of: Element.Type) throws(ModelError) -> [Element] {
        guard elementType == Element.elementType else {
            throw ModelError(.invalidInput, "expected \(Element.elementType), found \(elementType)")
        }
        return withElements(as: Element.self) { Array($0) }
    }

    /// The same elements under another shape of the same count.
    ///
    /// - Throws: `ModelError` with code `invalidModel` if the counts differ.
    public func reshaped(_ shape: [Int]) throws(ModelError) -> Tensor {
        let type = try TensorType(elementType, shape).validated()
        guard type.elementCount == elementCount else {
            throw ModelError(.invalidModel, "\(self.type) cannot take the shape \(shape)")
        }
        return try Tensor(type: type, storage: storage, byteOffset: byteOffset)
    }
}

/// A Swift type that is the storage of one element type.
public protocol TensorElement: BitwiseCopyable, Sendable {
    static var elementType: ElementType { get }
}

extension Float: TensorElement {
    /// `float32`.
    public static var elementType: ElementType { .float32 }
}

extension Double: TensorElement {
    /// `float64`.
    public static var elementType: ElementType { .float64 }
}

extension Int8: TensorElement {
    /// `int8`.
    public static var elementType: ElementType { .int8 }
}

extension Int16: TensorElement {
    /// `int16`.
    public static var elementType: ElementType { .int16 }
}

extension Int32: TensorElement {
    /// `int32`.
    public static var elementType: ElementType { .int32 }
}

extension Int64: TensorElement {
    /// `int64`.
    public static var elementType: ElementType { .int64 }
}

extension UInt8: TensorElement {
    /// `uint8`.
    public static var elementType: ElementType { .uint8 }
}

extension UInt16: TensorElement {
    /// `uint16`.
    public static var elementType: ElementType { .uint16 }
}

extension UInt32: TensorElement {
    /// `uint32`.
    public static var elementType: ElementType { .uint32 }
}

extension UInt64: TensorElement {
    /// `uint64`.
    public static var elementType: ElementType { .uint64 }
}

extension Tensor {
    /// Gives the pages of a mapped tensor back to the system; they are read again from the file when needed.
    ///
    /// - Parameter bytes: the part that is meant, within the tensor; `nil` for all of it.
    package func dropMappedPages(_ bytes: Range<Int>? = nil) {
        let range = (bytes ?? 0..<byteCount).clamped(to: 0..<byteCount)
        guard storage.isMapped, !range.isEmpty else { return }
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        guard page > 0, let base = storage.bytes.baseAddress else { return }
        let start = Int(bitPattern: base) + byteOffset
        let first = (start + range.lowerBound + page - 1) / page * page
        let end = (start + range.upperBound) / page * page
        guard end > first else { return }
        madvise(UnsafeMutableRawPointer(bitPattern: first), end - first, MADV_DONTNEED)
    }
}
