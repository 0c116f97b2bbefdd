import ApusGraph
import ApusONNX
import ApusONNXProto
import ApusTensor
import FoundationEssentials
import Testing

/// Bytes of the protobuf wire format.
private enum Wire {
    static func varint(_ value: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    static func field(_ number: UInt64, _ payload: [UInt8]) -> [UInt8] {
        varint(number << 3 | 2) + varint(UInt64(payload.count)) + payload
    }

    static func integer(_ number: UInt64, _ value: UInt64) -> [UInt8] { varint(number << 3) + varint(value) }

    /// IR version 10, opset 21, then a graph.
    static func model(_ graph: [UInt8]) -> [UInt8] { integer(1, 10) + field(8, integer(2, 21)) + field(7, graph) }
}

@Suite struct HostileWireTests {
    private static func random(_ count: Int, _ seed: UInt64) -> [UInt8] {
        var state = seed
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 33)
        }
    }

    static let refused: [(String, [UInt8])] = [
        ("an empty file", []),
        ("random bytes", random(4096, 1)),
        ("zeros", [UInt8](repeating: 0, count: 100)),
        ("text", Array("#!/bin/sh\necho model\n".utf8)),
        ("a length over 2 GiB", [0x3A] + Wire.varint(1 << 31)),
        ("a length of 2^63", [0x3A] + Wire.varint(1 << 63)),
        ("a length of 2^64 - 1", [0x3A] + Wire.varint(.max)),
        ("a varint of 11 bytes", [0x08] + [UInt8](repeating: 0x80, count: 10) + [0x01]),
        ("a varint over 64 bits", [0x08] + [UInt8](repeating: 0xFF, count: 9) + [0x02]),
        ("an endless varint", [0x08, 0x80, 0x80]),
        ("a key alone", [0x3A]),
        ("field number 0", [0x02, 0x00]),
        ("a field number over 2^29", Wire.varint(1 << 40 | 2) + [0]),
        ("a group", [0x3B, 0x3C]),
        ("groups in groups", [UInt8](repeating: 0x1B, count: 100_000)),
        ("an end without a group", [0x3C]),
        ("wire type 6", [0x3E, 0x00]),
        ("the graph as a number", Wire.integer(1, 10) + Wire.integer(7, 1)),
        ("raw data as a number", Wire.model(Wire.field(5, Wire.integer(9, 1)))),
        ("a node longer than its graph", Wire.model([0x0A, 0x7F])),
        ("invalid UTF-8 in a name", Wire.model(Wire.field(2, [0xFF, 0xFE]))),
        ("300 nested graphs", Wire.model(nestedGraphs(300))),
        ("10,000 nested graphs", Wire.model(nestedGraphs(10_000))),
        ("200 nested types", Wire.model(Wire.field(11, Wire.field(1, [0x78]) + Wire.field(2, nestedTypes(200))))),
        ("no IR version", Wire.field(8, Wire.integer(2, 21)) + Wire.field(7, [])),
        ("IR version 2^31", Wire.integer(1, 1 << 31) + Wire.field(8, Wire.integer(2, 21)) + Wire.field(7, [])),
        ("IR version -1", Wire.integer(1, .max) + Wire.field(8, Wire.integer(2, 21)) + Wire.field(7, [])),
        ("no graph", Wire.integer(1, 10) + Wire.field(8, Wire.integer(2, 21))),
    ]

    /// Graph > node > attribute > graph ..., built from the inside.
    private static func nestedGraphs(_ depth: Int) -> [UInt8] {
        var lengths = [0]
        for _ in 0..<depth {
            var length = lengths[lengths.count - 1]
            for _ in 0..<3 { length += 1 + Wire.varint(UInt64(length)).count }
            lengths.append(length)
        }
        var bytes: [UInt8] = []
        for length in lengths.dropLast().reversed() {
            let graph = 1 + Wire.varint(UInt64(length)).count + length
            let attribute = 1 + Wire.varint(UInt64(graph)).count + graph
            bytes += [0x0A] + Wire.varint(UInt64(attribute)) + [0x2A] + Wire.varint(UInt64(graph))
            bytes += [0x32] + Wire.varint(UInt64(length))
        }
        return bytes
    }

    private static func nestedTypes(_ depth: Int) -> [UInt8] {
        var type = Wire.field(1, Wire.integer(1, 1))
        for _ in 0..<depth { type = Wire.field(4, Wire.field(1, type)) }
        return type
    }

    @Test(arguments: refused.indices) func refuses(_ index: Int) {
        let (name, bytes) = Self.refused[index]
        #expect(failure(bytes: bytes) != nil, "\(name)")
    }

    @Test func skipsUnknownFields() throws {
        let unknown = [UInt8](repeating: 0, count: 5_000_000).enumerated().map {
            $0.offset % 3 == 0 ? 0xBA : $0.offset % 3 == 1 ? 0x3E : 0 as UInt8
        }
        let whole = Array(unknown.prefix(unknown.count / 3 * 3))
        #expect(failure(bytes: Wire.model(whole)) == nil)
        #expect(failure(bytes: whole + Wire.model([])) == nil)
    }

    @Test func readsUnpackedScalars() throws {
        let count = 1_000_000
        let dims = Wire.integer(1, UInt64(count))
        let data = [[UInt8]](repeating: Wire.integer(7, 1), count: count).flatMap { $0 }
        let proto = Wire.model(Wire.field(5, dims + Wire.integer(2, 7) + Wire.field(8, [0x77]) + data))
        let weights = try ONNXImporter.load(bytes: proto).graph.integers("w")
        #expect(weights?.count == count && weights?.last == 1)
        let many = [[UInt8]](repeating: Wire.integer(1, 1), count: count).flatMap { $0 }
        #expect(failure(bytes: Wire.model(Wire.field(5, Wire.integer(2, 7) + many)))?.code == .limitExceeded)
    }

    @Test func boundsTheCountOfMessages() {
        let nodes = (0..<20_000_000).map { $0 % 2 == 0 ? 0x0A : 0x00 as UInt8 }
        #expect(failure(bytes: Wire.model(nodes))?.code == .limitExceeded)
    }

    @Test func readsNonMinimalLengthsAndRepeatedMessages() throws {
        let first = Wire.field(5, Wire.integer(1, 1) + Wire.integer(2, 2) + Wire.field(8, [0x61]) + Wire.field(9, [7]))
        let second = Wire.field(
            5,
            Wire.integer(1, 1) + Wire.integer(2, 2) + Wire.field(8, [0x62]) + [0x4A, 0x82, 0x80, 0x00, 1, 2]
        )
        #expect(failure(bytes: Wire.model(first + second))?.code == .invalidModel)
        let third = Wire.field(
            5,
            Wire.integer(1, 1) + Wire.integer(2, 2) + Wire.field(8, [0x62]) + Wire.field(9, [1, 2]) + Wire.field(9, [5])
        )
        let halves = Wire.model(first) + Wire.field(7, third)
        let graph = try ONNXImporter.load(bytes: halves).graph
        #expect(try graph.constant("a")?.withUnsafeBytes { Array($0) } == [7])
        #expect(try graph.constant("b")?.withUnsafeBytes { Array($0) } == [5])
    }

    @Test func truncatedModelsAreRefusedOrRead() throws {
        let bytes: [UInt8] = try compositeModel.bytes()
        var refused = 0
        for count in bytes.indices where failure(bytes: Array(bytes.prefix(count))) != nil { refused += 1 }
        #expect(refused > bytes.count * 9 / 10)
        #expect(failure(bytes: bytes) == nil)
    }

    @Test(arguments: 0..<8) func flippedBitsAreRefusedOrRead(_ seed: UInt64) throws {
        let original: [UInt8] = try compositeModel.bytes()
        let noise = Self.random(8 * 1500, seed)
        var options = ImportOptions()
        options.maximumGeneratedBytes = 1 << 24
        var refused = 0
        for trial in 0..<1500 {
            var bytes = original
            for flip in 0...Int(noise[trial * 8] % 3) {
                let position = Int(noise[trial * 8 + 1 + flip * 2]) << 8 | Int(noise[trial * 8 + 2 + flip * 2])
                bytes[position % bytes.count] ^= 1 << (noise[trial * 8 + 7] >> UInt8(flip) & 7)
            }
            if failure(bytes: bytes, options: options) != nil { refused += 1 }
        }
        #expect(refused > 0 && refused < 1500)
    }
}
