import Glibc

/// Reading and writing of NumPy's `.npy` files.
///
/// - Source: numpy.lib.format, versions 1.0 to 3.0.
public enum Npy {
    /// The file signature and the bytes before the header text.
    private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
    private static let maximumRank = 64
    private static let maximumHeader = 1 << 20

    /// The descriptors of the element types that `.npy` can hold.
    private static let descriptors: [(type: ElementType, text: String)] = [
        (.bool, "|b1"), (.int8, "|i1"), (.uint8, "|u1"), (.int16, "<i2"), (.uint16, "<u2"), (.int32, "<i4"),
        (.uint32, "<u4"), (.int64, "<i8"), (.uint64, "<u8"), (.float16, "<f2"), (.float32, "<f4"), (.float64, "<f8"),
        (.complex64, "<c8"), (.complex128, "<c16"),
    ]

    /// The bytes of a file that holds the tensor.
    ///
    /// - Throws: `ModelError` with code `unsupported` for element types that `.npy` has no name for, such as bfloat16.
    public static func encode(_ tensor: Tensor) throws(ModelError) -> [UInt8] {
        guard let descriptor = descriptors.first(where: { $0.type == tensor.elementType })?.text else {
            throw ModelError(.unsupported, "a .npy file cannot hold \(tensor.elementType)")
        }
        let shape = tensor.shape.map(String.init).joined(separator: ", ") + (tensor.rank == 1 ? "," : "")
        var header = Array("{'descr': '\(descriptor)', 'fortran_order': False, 'shape': (\(shape)), }".utf8)
        let isLong = header.count > 65000
        let prefix = magic.count + 2 + (isLong ? 4 : 2)
        let padding = (64 - (prefix + header.count + 1) % 64) % 64
        header += [UInt8](repeating: 0x20, count: padding) + [0x0A]
        var bytes = magic + [isLong ? 2 : 1, 0]
        for index in 0..<(isLong ? 4 : 2) { bytes.append(UInt8(truncatingIfNeeded: header.count >> (8 * index))) }
        bytes += header
        bytes.reserveCapacity(bytes.count + tensor.byteCount)
        tensor.withUnsafeBytes { bytes.append(contentsOf: $0) }
        return bytes
    }

    /// The tensor that the bytes of a file hold; big-endian and column-major data are brought in order.
    ///
    /// - Throws: `ModelError` with code `invalidFile` or `unsupported`.
    public static func decode(_ bytes: UnsafeRawBufferPointer) throws(ModelError) -> Tensor {
        guard bytes.count >= 10, bytes.prefix(magic.count).elementsEqual(magic) else {
            throw ModelError(.invalidFile, "no .npy file")
        }
        let version = bytes[6]
        guard (1...3).contains(version) else {
            throw ModelError(.unsupported, "the version \(version) of the .npy format")
        }
        let lengthBytes = version == 1 ? 2 : 4
        guard bytes.count >= 8 + lengthBytes else { throw ModelError(.invalidFile, "the header is cut off") }
        var length = 0
        for index in 0..<lengthBytes { length |= Int(bytes[8 + index]) << (8 * index) }
        let start = 8 + lengthBytes
        guard length <= maximumHeader, length <= bytes.count - start else {
            throw ModelError(.invalidFile, "the header of \(length) bytes is too long or cut off")
        }
        var parser = HeaderParser(text: Array(bytes[start..<start + length]))
        let header = try parser.parse()
        guard header.shape.count <= maximumRank else {
            throw ModelError(.unsupported, "\(header.shape.count) axes, at most \(maximumRank) are supported")
        }
        let (elementType, isBigEndian) = try elementType(header.descriptor)
        let type = try TensorType(elementType, header.shape).validated()
        let data = UnsafeRawBufferPointer(rebasing: bytes[(start + length)...])
        guard data.count == type.byteCount else {
            throw ModelError(.invalidFile, "\(type) takes \(type.byteCount) bytes, found \(data.count)")
        }
        return ordered(data, type, isBigEndian: isBigEndian, isColumnMajor: header.isColumnMajor)
    }

    /// Reads a file.
    ///
    /// - Throws: `ModelError` that names the file.
    public static func read(path: String) throws(ModelError) -> Tensor {
        guard let file = fopen(path, "rb") else { throw failure(path) }
        defer { fclose(file) }
        var status = stat()
        guard fstat(fileno(file), &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            let size = Int(exactly: status.st_size)
        else { throw ModelError(.invalidFile, "no regular file", file: path) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(size, 1), alignment: 64)
        defer { buffer.deallocate() }
        let count = fread(buffer.baseAddress, 1, size, file)
        guard count == size else { throw failure(path) }
        do {
            return try decode(UnsafeRawBufferPointer(rebasing: buffer[0..<size]))
        } catch {
            throw error.at(file: path)
        }
    }

    /// Writes a file, replacing an old one.
    ///
    /// - Throws: `ModelError` that names the file.
    public static func write(_ tensor: Tensor, path: String) throws(ModelError) {
        let bytes: [UInt8]
        do { bytes = try encode(tensor) } catch { throw error.at(file: path) }
        guard let file = fopen(path, "wb") else { throw failure(path) }
        let count = bytes.withUnsafeBytes { fwrite($0.baseAddress, 1, $0.count, file) }
        guard fclose(file) == 0, count == bytes.count else { throw failure(path) }
    }

    private static func failure(_ path: String) -> ModelError {
        ModelError(.invalidFile, String(cString: strerror(errno)), file: path)
    }

    private static func elementType(_ text: String) throws(ModelError) -> (ElementType, isBigEndian: Bool) {
        let order = text.first
        guard let order, "<>|=".contains(order),
            let type = descriptors.first(where: { $0.text.dropFirst() == text.dropFirst() })?.type
        else { throw ModelError(.unsupported, "the element type \"\(text)\" of a .npy file") }
        return (type, order == ">")
    }

    /// Row-major little-endian elements.
    private static func ordered(
        _ data: UnsafeRawBufferPointer,
        _ type: TensorType,
        isBigEndian: Bool,
        isColumnMajor: Bool
    ) -> Tensor {
        let size = type.elementType.bitWidth / 8
        let isComplex = type.elementType == .complex64 || type.elementType == .complex128
        let wordSize = isComplex ? size / 2 : size
        return Tensor(type) { bytes in
            if !isBigEndian && !isColumnMajor && type.elementType != .bool { return bytes.copyMemory(from: data) }
            for index in 0..<type.elementCount {
                var source = index
                if isColumnMajor {
                    source = 0
                    var rest = index
                    var place = type.elementCount
                    for extent in type.shape.reversed() {
                        place /= extent
                        source += rest % extent * place
                        rest /= extent
                    }
                }
                for byte in 0..<size {
                    let word = byte / wordSize * wordSize
                    let from = isBigEndian ? word + (wordSize - 1 - (byte - word)) : byte
                    bytes[index * size + byte] = data[source * size + from]
                }
                if type.elementType == .bool { bytes[index] = bytes[index] == 0 ? 0 : 1 }
            }
        }
    }
}

/// Parses the Python dictionary that heads a `.npy` file; anything but the three known keys is refused.
private struct HeaderParser {
    struct Header {
        var descriptor: String
        var isColumnMajor: Bool
        var shape: [Int]
    }

    private let text: [UInt8]
    private var place = 0

    init(text: [UInt8]) { self.text = text }

    mutating func parse() throws(ModelError) -> Header {
        var descriptor: String?
        var isColumnMajor: Bool?
        var shape: [Int]?
        try expect("{")
        while !accept("}") {
            let key = try string()
            try expect(":")
            switch key {
            case "descr" where descriptor == nil: descriptor = try string()
            case "fortran_order" where isColumnMajor == nil: isColumnMajor = try flag()
            case "shape" where shape == nil: shape = try tuple()
            default: throw ModelError(.invalidFile, "the header has the key \"\(key)\" twice or beyond the format")
            }
            if !accept(",") {
                try expect("}")
                break
            }
        }
        skipSpace()
        guard place == text.count, let descriptor, let isColumnMajor, let shape else {
            throw ModelError(.invalidFile, "the header is incomplete")
        }
        return Header(descriptor: descriptor, isColumnMajor: isColumnMajor, shape: shape)
    }

    private mutating func skipSpace() {
        while place < text.count, text[place] == 0x20 || text[place] == 0x0A { place += 1 }
    }

    private mutating func accept(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard place < text.count, text[place] == UInt8(ascii: character) else { return false }
        place += 1
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(ModelError) {
        guard accept(character) else { throw ModelError(.invalidFile, "the header lacks \"\(character)\"") }
    }

    private mutating func string() throws(ModelError) -> String {
        let quote: Unicode.Scalar = accept("\"") ? "\"" : "'"
        if quote == "'" { try expect("'") }
        let start = place
        while place < text.count, text[place] != UInt8(ascii: quote) { place += 1 }
        guard place < text.count, place - start <= 64 else { throw ModelError(.invalidFile, "an open string") }
        place += 1
        return String(decoding: text[start..<place - 1], as: UTF8.self)
    }

    private mutating func flag() throws(ModelError) -> Bool {
        skipSpace()
        for (word, value) in [("True", true), ("False", false)] where text[place...].starts(with: word.utf8) {
            place += word.utf8.count
            return value
        }
        throw ModelError(.invalidFile, "fortran_order is neither True nor False")
    }

    private mutating func tuple() throws(ModelError) -> [Int] {
        var values: [Int] = []
        try expect("(")
        while !accept(")") {
            skipSpace()
            let start = place
            while place < text.count, (0x30...0x39).contains(text[place]) { place += 1 }
            guard let value = Int(String(decoding: text[start..<place], as: UTF8.self)) else {
                throw ModelError(.invalidFile, "the shape holds no number or one too large")
            }
            if place < text.count, text[place] == UInt8(ascii: "L") { place += 1 }
            values.append(value)
            if !accept(",") {
                try expect(")")
                break
            }
        }
        return values
    }
}
