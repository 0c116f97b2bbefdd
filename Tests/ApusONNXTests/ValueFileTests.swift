import ApusGraph
import ApusONNX
import ApusONNXProto
import ApusTensor
import SwiftProtobuf
import Testing

/// Values beside a model: what is written is read again, and bytes that are none are refused.
@Suite struct ValueFileTests {
    private static let element = ValueType.tensor(.float32, nil)
    private static let vectors: [RuntimeValue] = [[1.5, -2], [], [7]].map { .tensor(Tensor(vector: $0 as [Float])) }

    private static func strings() throws -> RuntimeValue {
        .strings(try StringTensor(shape: [2, 1], [Array("one".utf8), [0xFF, 0]]))
    }

    static let samples: [(String, RuntimeValue, ValueType)] = [
        ("a sequence", .sequence(vectors), .sequence(element)),
        ("an empty sequence", .sequence([]), .sequence(element)),
        ("sequences in a sequence", .sequence([.sequence(vectors), .sequence([])]), .sequence(.sequence(element))),
        ("an optional tensor", .optional(vectors[0]), .optional(element)),
        ("an absent tensor", .optional(nil), .optional(element)),
        ("an optional sequence", .optional(.sequence(vectors)), .optional(.sequence(element))),
        ("optionals in a sequence", .sequence([.optional(vectors[2]), .optional(nil)]), .sequence(.optional(element))),
        ("an optional of an optional", .optional(.optional(nil)), .optional(.optional(element))),
    ]

    /// The kinds, types and bytes of a value as text.
    private func text(_ value: RuntimeValue) -> String {
        switch value {
        case .tensor(let tensor): "\(tensor.type) \(tensor.withUnsafeBytes { Array($0) })"
        case .strings(let strings): "\(strings)"
        case .sequence(let values): "[\(values.map(text).joined(separator: ", "))]"
        case .optional(let value): "optional(\(value.map(text) ?? ""))"
        }
    }

    @Test func whatIsWrittenIsRead() throws {
        for (name, value, type) in Self.samples {
            let bytes = try ONNXImporter.bytes(of: value, name: "value")
            #expect(text(try ONNXImporter.value(bytes: bytes, type: type)) == text(value), "\(name)")
        }
        let strings = try Self.strings()
        let bytes = try ONNXImporter.bytes(of: .sequence([strings]), name: "words")
        let read = try ONNXImporter.value(bytes: bytes, type: .sequence(.tensor(.string, nil)))
        #expect(text(read) == text(.sequence([strings])))
    }

    @Test(arguments: [ElementType.bfloat16, .float8e4m3fn, .float8e5m2, .float8e8m0, .int4, .uint4, .int2, .float4e2m1])
    func narrowTypesKeepTheirBits(_ elementType: ElementType) throws {
        let type = TensorType(elementType, [3, 5])
        let tensor = Tensor(type) { bytes in for index in bytes.indices { bytes[index] = UInt8(index * 37 & 0x3F) } }
        let bytes = try ONNXImporter.bytes(of: .tensor(tensor), name: "x")
        #expect(text(try ONNXImporter.value(bytes: bytes)) == text(.tensor(tensor)))
    }

    @Test func bytesThatAreNoValueAreRefused() throws {
        for (name, value, type) in Self.samples {
            let bytes = try ONNXImporter.bytes(of: value, name: "value")
            for count in 0..<bytes.count {
                _ = Result { try ONNXImporter.value(bytes: Array(bytes[..<count]), type: type) }
            }
            for index in bytes.indices {
                for mask: UInt8 in [0x01, 0x08, 0x80, 0xFF] {
                    var spoiled = bytes
                    spoiled[index] ^= mask
                    do {
                        _ = try ONNXImporter.value(bytes: spoiled, type: type)
                    } catch {
                        #expect(!error.message.isEmpty, "\(name), byte \(index)")
                    }
                }
            }
        }
        for type in [Self.element, .sequence(Self.element), .optional(Self.element)] {
            #expect(throws: ModelError.self) {
                try ONNXImporter.value(bytes: Array("This is no value.\n".utf8), type: type)
            }
            #expect(throws: ModelError.self) { try ONNXImporter.value(bytes: [0x1A, 0xFF, 0x7F], type: type) }
        }
    }

    @Test func deepNestingIsRefused() throws {
        var value = RuntimeValue.sequence([])
        for _ in 0..<200 { value = .sequence([value]) }
        let bytes = try ONNXImporter.bytes(of: value, name: "deep")
        #expect {
            try ONNXImporter.value(bytes: bytes, type: .sequence(Self.element))
        } throws: {
            ($0 as? ModelError)?.code == .limitExceeded
        }
    }

    @Test func otherKindsAreRefused() throws {
        var mixed = Onnx_SequenceProto()
        mixed.elemType = 1
        mixed.sequenceValues = [Onnx_SequenceProto()]
        var map = Onnx_SequenceProto()
        map.elemType = 4
        var unknown = Onnx_OptionalProto()
        unknown.elemType = 77
        for (message, type, code) in [
            (mixed as any SwiftProtobuf.Message, ValueType.sequence(Self.element), ModelError.Code.invalidModel),
            (map, .sequence(Self.element), .unsupported), (unknown, .optional(Self.element), .invalidModel),
        ] {
            let bytes: [UInt8] = try message.serializedBytes()
            #expect {
                try ONNXImporter.value(bytes: bytes, type: type)
            } throws: {
                ($0 as? ModelError)?.code == code
            }
        }
        let sequence = try ONNXImporter.bytes(of: .sequence(Self.vectors), name: "s")
        #expect(throws: ModelError.self) {
            try ONNXImporter.value(bytes: sequence, type: .sequence(.sequence(Self.element)))
        }
    }
}
