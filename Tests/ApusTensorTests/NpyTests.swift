import ApusTensor
import Glibc
import Testing

@Suite struct NpyTests {
    private static let types: [ElementType] = [
        .bool, .int8, .uint8, .int16, .uint16, .int32, .uint32, .int64, .uint64, .float16, .float32, .float64,
    ]

    private func decode(_ bytes: [UInt8]) throws -> Tensor {
        try bytes.withUnsafeBytes { try Npy.decode($0) }
    }

    private func file(_ header: String, _ data: [UInt8], version: UInt8 = 1) -> [UInt8] {
        let count = header.utf8.count
        let length: [UInt8] = (0..<(version == 1 ? 2 : 4)).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) }
        return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + Array(header.utf8) + data
    }

    @Test(arguments: types, [[Int](), [3], [2, 0], [2, 3, 1]])
    func tensorsSurvive(type: ElementType, shape: [Int]) throws {
        let count = shape.reduce(1, *)
        let tensor = try Tensor(TensorType(type, shape), wrapping: (0..<count).map { $0 % 2 })
        let bytes = try Npy.encode(tensor)
        #expect((bytes.count - tensor.byteCount) % 64 == 0)
        let result = try decode(bytes)
        #expect(result.type == tensor.type)
        #expect(result.withUnsafeBytes { Array($0) } == tensor.withUnsafeBytes { Array($0) })
    }

    /// The bytes that NumPy 2 writes for `numpy.array([[1, 2, 3]], dtype=numpy.int16)`.
    @Test func filesEqualNumPys() throws {
        let header = "{'descr': '<i2', 'fortran_order': False, 'shape': (1, 3), }"
        let padded = header + String(repeating: " ", count: 128 - 10 - header.utf8.count - 1) + "\n"
        let expected = file(padded, [1, 0, 2, 0, 3, 0])
        #expect(try Npy.encode(Tensor(shape: [1, 3], [Int16(1), 2, 3])) == expected)
    }

    @Test func otherOrdersAreUnderstood() throws {
        let big = file("{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }", [1, 2, 0, 3])
        #expect(try decode(big).array(of: Int16.self) == [0x102, 3])
        let columns = file("{'descr': '|i1', 'fortran_order': True, 'shape': (2, 3), }", [1, 4, 2, 5, 3, 6])
        #expect(try decode(columns).array(of: Int8.self) == [1, 2, 3, 4, 5, 6])
        let wide = file("{\"shape\": (1L,), \"fortran_order\": False, \"descr\": \"|u1\"}\n", [7], version: 3)
        #expect(try decode(wide).array(of: UInt8.self) == [7])
    }

    @Test(arguments: [
        "", "{", "{}", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 'x', }",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } trailing",
    ])
    func hostileHeadersAreRefused(header: String) {
        #expect(throws: ModelError.self) { try decode(file(header, [0, 0, 0, 0])) }
    }

    @Test func damagedFilesAreRefused() throws {
        let bytes = try Npy.encode(Tensor(vector: [Float(1), 2]))
        for length in 0..<bytes.count {
            #expect(throws: ModelError.self) { try decode(Array(bytes[..<length])) }
        }
        #expect(throws: ModelError.self) { try decode(bytes + [0]) }
        var wrong = bytes
        wrong[6] = 9
        #expect(throws: ModelError.self) { try decode(wrong) }
        wrong = bytes
        wrong[8] = 0xFF
        wrong[9] = 0xFF
        #expect(throws: ModelError.self) { try decode(wrong) }
    }

    @Test func typesWithoutANameAreRefused() throws {
        for type in [ElementType.bfloat16, .float8e4m3fn, .int4, .uint2] {
            let tensor = Tensor(zeros: TensorType(type, [4]))
            let error = #expect(throws: ModelError.self) { try Npy.encode(tensor) }
            #expect(error?.code == .unsupported)
        }
    }

    @Test func filesAreNamedInErrors() throws {
        let path = "/tmp/apus-npy-\(getpid()).npy"
        defer { unlink(path) }
        try Npy.write(Tensor(vector: [Float(1), 2]), path: path)
        #expect(try Npy.read(path: path).array(of: Float.self) == [1, 2])
        let error = #expect(throws: ModelError.self) { try Npy.read(path: path + ".missing") }
        #expect(error?.file == path + ".missing")
        #expect(throws: ModelError.self) { try Npy.read(path: "/tmp") }
    }
}
