import ApusTensor

/// A serialised message without the bytes of its tensors.
struct ReducedMessage {
    /// The message; every `raw_data` holds a little-endian 32-bit index into `ranges` instead of its bytes.
    var bytes: [UInt8] = []
    /// Where the `raw_data` of each tensor lies in the original.
    var ranges: [Range<Int>] = []
}

/// Walks a serialised message once and cuts out what the importer does not decode.
///
/// Every `raw_data` is replaced, whatever its size, so a model cannot forge an index. Documentation, training and
/// annotations are dropped. Message lengths are written as five-byte varints and filled in at their end.
/// - Source: Protocol Buffers encoding; onnx.proto and onnx-data.proto of onnx 1.22.0.
struct WireScanner {
    /// The deepest nesting of messages.
    static let maximumDepth = 100
    /// The most messages, each of which takes memory many times its least size in the file.
    static let maximumMessages = 8_000_000

    /// The messages that are walked.
    enum Kind {
        case model, sequence, optional, graph, node, attribute, tensor, sparse, function, valueInfo, type, tensorType,
            elementType, mapType
        case shape, leaf
    }

    private enum Action {
        case drop, copy, rawData
        case message(Kind)
    }

    private struct Level {
        var kind: Kind
        var end: Int
        /// Where the length of the message is to be written.
        var lengthOffset: Int
    }

    private let input: UnsafeRawBufferPointer
    private let root: Kind
    private var position = 0
    private var messages = 0
    private var result = ReducedMessage()

    /// - Throws: `ModelError` with code `invalidFile` if the bytes are no protobuf message, `limitExceeded` if it is
    ///   nested too deep or holds too many messages.
    static func reduce(
        _ input: UnsafeRawBufferPointer,
        as root: Kind = .model
    ) throws(ModelError) -> ReducedMessage {
        var scanner = WireScanner(input: input, root: root)
        try scanner.scan()
        return scanner.result
    }

    private init(input: UnsafeRawBufferPointer, root: Kind) {
        self.input = input
        self.root = root
    }

    private mutating func scan() throws(ModelError) {
        var levels = [Level(kind: root, end: input.count, lengthOffset: -1)]
        while let level = levels.last {
            if position == level.end {
                levels.removeLast()
                if level.lengthOffset >= 0 { try writeLength(level.lengthOffset) }
                continue
            }
            let start = position
            let key = try varint(level.end)
            guard let field = Int(exactly: key >> 3), (1..<1 << 29).contains(field) else {
                throw malformed("field number \(key >> 3)", start)
            }
            let wireType = key & 7
            let action = Self.action(level.kind, field)
            switch (action, wireType) {
            case (.message(let kind), 2):
                let end = try payloadEnd(level.end)
                messages += 1
                guard messages <= Self.maximumMessages else {
                    throw ModelError(.limitExceeded, "the file holds more than \(Self.maximumMessages) messages")
                }
                guard levels.count < Self.maximumDepth else {
                    throw ModelError(.limitExceeded, "messages are nested more than \(Self.maximumDepth) deep")
                }
                appendVarint(key)
                if kind == .leaf {
                    appendVarint(UInt64(end - position))
                    append(position..<end)
                    position = end
                } else {
                    levels.append(Level(kind: kind, end: end, lengthOffset: result.bytes.count))
                    result.bytes.append(contentsOf: [0x80, 0x80, 0x80, 0x80, 0x00])
                }
            case (.rawData, 2):
                let end = try payloadEnd(level.end)
                guard let index = UInt32(exactly: result.ranges.count) else {
                    throw ModelError(.limitExceeded, "the file holds too many tensors")
                }
                result.ranges.append(position..<end)
                appendVarint(key)
                result.bytes.append(4)
                withUnsafeBytes(of: index.littleEndian) { result.bytes.append(contentsOf: $0) }
                position = end
            case (.message, _), (.rawData, _):
                throw malformed("wire type \(wireType) of field \(field)", start)
            default:
                try skip(wireType, level.end, start)
                if case .copy = action { append(start..<position) }
            }
        }
    }

    private mutating func skip(_ wireType: UInt64, _ end: Int, _ start: Int) throws(ModelError) {
        switch wireType {
        case 0: _ = try varint(end)
        case 1 where end - position >= 8: position += 8
        case 2: position = try payloadEnd(end)
        case 5 where end - position >= 4: position += 4
        case 1, 5: throw malformed("truncated field", start)
        default: throw malformed("wire type \(wireType)", start)
        }
    }

    private mutating func varint(_ end: Int) throws(ModelError) -> UInt64 {
        let start = position
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while position < end {
            let byte = UInt64(input[position])
            position += 1
            guard shift < 63 || byte <= 1 else { throw malformed("varint", start) }
            value |= (byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw malformed("truncated varint", start)
    }

    private mutating func payloadEnd(_ end: Int) throws(ModelError) -> Int {
        let start = position
        let length = try varint(end)
        guard length <= UInt64(end - position) else { throw malformed("length \(length)", start) }
        return position + Int(length)
    }

    private mutating func append(_ range: Range<Int>) {
        result.bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: input[range]))
    }

    private mutating func appendVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            result.bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        result.bytes.append(UInt8(rest))
    }

    private mutating func writeLength(_ offset: Int) throws(ModelError) {
        let length = UInt64(result.bytes.count - offset - 5)
        guard length < 1 << 31 else { throw ModelError(.limitExceeded, "a message is larger than 2 GiB") }
        for index in 0..<5 { result.bytes[offset + index] |= UInt8(length >> (7 * UInt64(index)) & 0x7F) }
    }

    private func malformed(_ what: String, _ offset: Int) -> ModelError {
        let subject = root == .model ? "model" : "value"
        return ModelError(.invalidFile, "not an ONNX \(subject): malformed protobuf (\(what)) at byte \(offset)")
    }

    private static func action(_ kind: Kind, _ field: Int) -> Action {
        switch (kind, field) {
        case (.model, 1...5): .copy
        case (.model, 7): .message(.graph)
        case (.model, 8), (.model, 14): .message(.leaf)
        case (.model, 25): .message(.function)
        case (.sequence, 1...2), (.optional, 1...2): .copy
        case (.sequence, 3), (.optional, 3): .message(.tensor)
        case (.sequence, 5), (.optional, 5): .message(.sequence)
        case (.sequence, 7), (.optional, 7): .message(.optional)
        case (.graph, 1): .message(.node)
        case (.graph, 2): .copy
        case (.graph, 5): .message(.tensor)
        case (.graph, 11...13): .message(.valueInfo)
        case (.graph, 15): .message(.sparse)
        case (.node, 1...4), (.node, 7...8): .copy
        case (.node, 5): .message(.attribute)
        case (.attribute, 1...4), (.attribute, 7...9), (.attribute, 20...21): .copy
        case (.attribute, 5), (.attribute, 10): .message(.tensor)
        case (.attribute, 6), (.attribute, 11): .message(.graph)
        case (.attribute, 14...15): .message(.type)
        case (.attribute, 22...23): .message(.sparse)
        case (.tensor, 9): .rawData
        case (.tensor, 1...8), (.tensor, 10...11), (.tensor, 14): .copy
        case (.tensor, 13): .message(.leaf)
        case (.sparse, 1...2): .message(.tensor)
        case (.sparse, 3): .copy
        case (.function, 1), (.function, 4...6), (.function, 10), (.function, 13): .copy
        case (.function, 7): .message(.node)
        case (.function, 9): .message(.leaf)
        case (.function, 11): .message(.attribute)
        case (.valueInfo, 1): .copy
        case (.valueInfo, 2): .message(.type)
        case (.type, 1), (.type, 8): .message(.tensorType)
        case (.type, 4), (.type, 9): .message(.elementType)
        case (.type, 5): .message(.mapType)
        case (.type, 7): .message(.leaf)
        case (.tensorType, 1), (.mapType, 1): .copy
        case (.tensorType, 2): .message(.shape)
        case (.elementType, 1), (.mapType, 2): .message(.type)
        case (.shape, 1): .message(.leaf)
        default: .drop
        }
    }
}
