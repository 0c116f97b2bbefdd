import ApusGraph
import ApusONNX
import ApusONNXProto
import ApusTensor
import FoundationEssentials
import Testing

/// An initialiser in the typed field of its element type and the bytes that it stands for.
struct TypedTensor: CustomTestStringConvertible, Sendable {
    var type: ElementType
    var count: Int64
    var bytes: [UInt8]
    var fill: @Sendable (inout Onnx_TensorProto) -> Void

    init(
        _ type: ElementType,
        _ count: Int64,
        _ bytes: [UInt8],
        _ fill: @escaping @Sendable (inout Onnx_TensorProto) -> Void
    ) {
        self.type = type
        self.count = count
        self.bytes = bytes
        self.fill = fill
    }

    var testDescription: String { type.description }

    static func bytes<Element: BitwiseCopyable>(_ elements: [Element]) -> [UInt8] {
        elements.withUnsafeBytes { Array($0) }
    }

    static let all: [TypedTensor] = [
        TypedTensor(.float32, 2, bytes([1.5, -2] as [Float])) { $0.floatData = [1.5, -2] },
        TypedTensor(.complex64, 1, bytes([1.5, -2] as [Float])) { $0.floatData = [1.5, -2] },
        TypedTensor(.float64, 2, bytes([1.5, -2] as [Double])) { $0.doubleData = [1.5, -2] },
        TypedTensor(.complex128, 1, bytes([1.5, -2] as [Double])) { $0.doubleData = [1.5, -2] },
        TypedTensor(.int64, 2, bytes([Int64.min, 7])) { $0.int64Data = [Int64.min, 7] },
        TypedTensor(.uint64, 1, bytes([UInt64.max])) { $0.uint64Data = [UInt64.max] },
        TypedTensor(.uint32, 1, bytes([UInt32.max])) { $0.uint64Data = [UInt64(UInt32.max)] },
        TypedTensor(.int32, 1, bytes([Int32.min])) { $0.int32Data = [Int32.min] },
        TypedTensor(.int16, 2, bytes([Int16.min, 3])) { $0.int32Data = [-32768, 3] },
        TypedTensor(.int8, 3, bytes([-128, 127, 0] as [Int8])) { $0.int32Data = [-128, 127, 0] },
        TypedTensor(.uint16, 1, bytes([UInt16.max])) { $0.int32Data = [65535] },
        TypedTensor(.uint8, 1, [255]) { $0.int32Data = [255] },
        TypedTensor(.bool, 3, [0, 1, 1]) { $0.int32Data = [0, 1, 9] },
        TypedTensor(.float16, 1, [0x00, 0x3C]) { $0.int32Data = [0x3C00] },
        TypedTensor(.bfloat16, 1, [0x80, 0xBF]) { $0.int32Data = [0xBF80] },
        TypedTensor(.float8e4m3fn, 1, [0x38]) { $0.int32Data = [0x38] },
        TypedTensor(.float8e4m3fnuz, 1, [0x38]) { $0.int32Data = [0x38] },
        TypedTensor(.float8e5m2, 1, [0xBC]) { $0.int32Data = [0xBC] },
        TypedTensor(.float8e5m2fnuz, 1, [0xBC]) { $0.int32Data = [0xBC] },
        TypedTensor(.float8e8m0, 1, [0x7F]) { $0.int32Data = [0x7F] },
        TypedTensor(.uint4, 3, [0x21, 0x03]) { $0.int32Data = [0x21, 0x03] },
        TypedTensor(.int4, 3, [0xF1, 0x08]) { $0.int32Data = [0xF1, 0x08] },
        TypedTensor(.float4e2m1, 2, [0x21]) { $0.int32Data = [0x21] },
        TypedTensor(.uint2, 5, [0xE4, 0x01]) { $0.int32Data = [0xE4, 0x01] },
        TypedTensor(.int2, 4, [0xE4]) { $0.int32Data = [0xE4] },
    ]
}

@Suite struct TensorTests {
    private func constant(_ proto: Onnx_TensorProto) throws -> Tensor? {
        try load(model { $0.initializer = [proto] }).graph.constant(proto.name)
    }

    @Test(arguments: TypedTensor.all) func readsTypedAndRawData(_ sample: TypedTensor) throws {
        let typed = try constant(tensor("t", sample.type.rawValue, [sample.count], sample.fill))
        #expect(typed?.type == TensorType(sample.type, [Int(sample.count)]))
        #expect(typed?.withUnsafeBytes { Array($0) } == sample.bytes)
        let raw = try constant(tensor("t", sample.type.rawValue, [sample.count]) { $0.rawData = Data(sample.bytes) })
        #expect(raw?.withUnsafeBytes { Array($0) } == sample.bytes)
    }

    @Test(arguments: TypedTensor.all) func refusesOtherCounts(_ sample: TypedTensor) throws {
        for count in [sample.count + 9, 0] {
            let typed = tensor("t", sample.type.rawValue, [count], sample.fill)
            #expect(try failure(model { $0.initializer = [typed] })?.code == .invalidModel)
            let raw = tensor("t", sample.type.rawValue, [count]) { $0.rawData = Data(sample.bytes) }
            #expect(try failure(model { $0.initializer = [raw] })?.code == .invalidModel)
        }
        let longer = tensor("t", sample.type.rawValue, [sample.count]) { $0.rawData = Data(sample.bytes + [0]) }
        #expect(try failure(model { $0.initializer = [longer] })?.code == .invalidModel)
        let both = tensor("t", sample.type.rawValue, [sample.count]) {
            sample.fill(&$0)
            $0.rawData = Data(sample.bytes)
        }
        #expect(try failure(model { $0.initializer = [both] })?.code == .invalidModel)
    }

    @Test func coversEveryElementType() {
        #expect(Set(TypedTensor.all.map(\.type)).union([.string]) == Set(ElementType.allCases))
    }

    static let malformed: [(String, Onnx_TensorProto)] = [
        ("element type 0", tensor("t", 0, [1]) { $0.int32Data = [1] }),
        ("element type 999", tensor("t", 999, [1]) { $0.int32Data = [1] }),
        ("strings in raw data", tensor("t", 8, [1]) { $0.rawData = Data([65]) }),
        ("floats in the integer field", tensor("t", 1, [1]) { $0.int32Data = [1] }),
        ("an int8 of 200", tensor("t", 3, [1]) { $0.int32Data = [200] }),
        ("a uint8 of -1", tensor("t", 2, [1]) { $0.int32Data = [-1] }),
        ("a uint32 of 2^32", tensor("t", 12, [1]) { $0.uint64Data = [1 << 32] }),
        ("17 bits of a float16", tensor("t", 10, [1]) { $0.int32Data = [0x10000] }),
        ("a negative extent", tensor("t", 1, [-1]) { $0.floatData = [1] }),
        ("a product of 2^64", tensor("t", 1, [1 << 32, 1 << 32]) { _ in }),
        ("extents that overflow", tensor("t", 1, [Int64.max, 2]) { $0.rawData = Data([1]) }),
        ("a zero beside 2^62", tensor("t", 1, [0, 1 << 62]) { _ in }),
        ("2^60 bytes that are not there", tensor("t", 2, [1 << 60]) { $0.rawData = Data([1]) }),
        ("100,000 axes", tensor("t", 1, [Int64](repeating: 1, count: 100_000)) { $0.floatData = [1] }),
        ("no data", tensor("t", 1, [1]) { _ in }),
        (
            "a segment",
            tensor("t", 1, [1]) {
                $0.floatData = [1]
                $0.segment.begin = 1
            }
        ),
        ("no name", tensor("", 1, [1]) { $0.floatData = [1] }),
    ]

    @Test(arguments: malformed.indices) func refusesMalformedTensors(_ index: Int) throws {
        let (name, proto) = Self.malformed[index]
        #expect(try failure(model { $0.initializer = [proto] }) != nil, "\(name)")
        let holder = node(
            "ConstantOfShape",
            ["x"],
            ["y"],
            [
                attribute("value") {
                    $0.type = .tensor
                    $0.t = proto
                }
            ]
        )
        if !proto.name.isEmpty {
            let error = try failure(
                model {
                    $0.input = [info("x", 7, [1])]
                    $0.node = [holder]
                }
            )
            #expect(error?.node == "ConstantOfShape of y", "\(name)")
        }
    }

    @Test func emptyTensorsNeedNoData() throws {
        #expect(try constant(tensor("t", 1, [0, 3]) { _ in })?.shape == [0, 3])
    }

    private func sparse(_ dims: [Int64], _ count: Int64, _ indices: Onnx_TensorProto) -> Onnx_ModelProto {
        var proto = Onnx_SparseTensorProto()
        proto.dims = dims
        proto.values = floats("s", [count], (0..<max(count, 0)).map { Float($0 + 1) })
        proto.indices = indices
        return model { $0.sparseInitializer = [proto] }
    }

    @Test func readsSparseCoordinates() throws {
        let indices = tensor("", 7, [2, 2]) { $0.int64Data = [0, 1, 2, 0] }
        let dense = try load(sparse([3, 2], 2, indices)).graph.constant("s")
        #expect(try dense?.array(of: Float.self) == [0, 1, 0, 0, 2, 0])
    }

    @Test func refusesMalformedSparseTensors() throws {
        #expect(try failure(sparse([4], 2, integers("", [2, 1])))?.code == .invalidModel)
        #expect(try failure(sparse([4], 2, integers("", [1, 1])))?.code == .invalidModel)
        #expect(try failure(sparse([4], 2, integers("", [0, 4])))?.code == .invalidModel)
        #expect(try failure(sparse([4], 2, integers("", [-1, 0])))?.code == .invalidModel)
        #expect(try failure(sparse([1], 2, integers("", [0, 1])))?.code == .invalidModel)
        #expect(try failure(sparse([4], 2, integers("", [0])))?.code == .invalidModel)
        #expect(try failure(sparse([4], 1, floats("", [1], [0])))?.code == .invalidInput)
        #expect(try failure(sparse([1 << 40], 1, integers("", [0])))?.code == .limitExceeded)
        #expect(try failure(sparse([1 << 62, 1 << 62], 1, integers("", [0])))?.code == .limitExceeded)
    }
}
