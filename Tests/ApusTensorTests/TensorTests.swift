import ApusTensor
import Testing

@Suite struct TensorTests {
    @Test func countsMustFit() throws {
        #expect(throws: ModelError.self) { try Tensor(shape: [2, 3], [Float(1)]) }
        #expect(throws: ModelError.self) { try Tensor(shape: [-1], [Float]()) }
        #expect(throws: ModelError.self) { try Tensor(vector: [Float(1), 2]).reshaped([3]) }
        #expect(throws: ModelError.self) { try Tensor(vector: [Float(1)]).array(of: Int32.self) }
        #expect(throws: ModelError.self) { try StringTensor(shape: [2], [[]]) }
        #expect(try Tensor(shape: [2, 0], [Float]()).byteCount == 0)
    }

    @Test func overflowingShapesAreRefused() {
        for shape in [[Int.max, 2], [1 << 32, 1 << 32], [Int.max / 2], [0, Int.max, 2]] {
            let error = #expect(throws: ModelError.self) { try TensorType(.float32, shape).validated() }
            #expect(error?.code == .limitExceeded)
        }
        #expect(ElementType.float64.byteCount(elements: .max) == nil)
        #expect(ElementType.float64.byteCount(elements: -1) == nil)
        #expect(ElementType.int4.byteCount(elements: 3) == 2)
        #expect(ElementType.uint2.byteCount(elements: 5) == 2)
    }

    @Test func viewsShareTheirStorage() throws {
        let tensor = Tensor(vector: [Int32(1), 2, 3, 4])
        let view = try Tensor(type: TensorType(.int32, [2]), storage: tensor.storage, byteOffset: 8)
        #expect(try view.array(of: Int32.self) == [3, 4])
        let shifted = try Tensor(type: TensorType(.int32, [1]), storage: tensor.storage, byteOffset: 1)
        #expect(try shifted.array(of: Int32.self) == [0x0200_0000])
        for offset in [-1, 9, 17] {
            #expect(throws: ModelError.self) {
                try Tensor(type: TensorType(.int32, [2]), storage: tensor.storage, byteOffset: offset)
            }
        }
    }

    @Test func storageIsReleasedOnce() throws {
        final class Counter: @unchecked Sendable { var count = 0 }
        let counter = Counter()
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 8)
        defer { bytes.deallocate() }
        do {
            let storage = TensorStorage(adopting: UnsafeRawBufferPointer(bytes)) { _ in counter.count += 1 }
            let tensor = try Tensor(type: TensorType(.uint8, [8]), storage: storage)
            #expect(try tensor.reshaped([2, 4]).byteCount == 8)
        }
        #expect(counter.count == 1)
    }

    @Test func errorsNameTheirPlaceAndEscapeNames() {
        let error = ModelError(.invalidModel, "broken\u{1B}[31m")
            .at(node: "a\nb", operatorType: "Conv")
            .at(node: "outer", operatorType: "If")
            .at(file: "model.onnx")
        #expect(error.description == "model.onnx: node \"a\\u{a}b\" (Conv): broken\\u{1b}[31m")
        #expect(ModelError(.unsupported, "x").at(node: "", operatorType: "Foo").description == "unnamed Foo node: x")
    }

    @Test func valuesOfOtherKindsAreNoTensors() throws {
        #expect(throws: ModelError.self) { try RuntimeValue.sequence([]).tensor() }
        #expect(throws: ModelError.self) { try RuntimeValue.optional(nil).tensor() }
        #expect(RuntimeValue.optional(.tensor(Tensor(scalar: Float(1)))).kind == "an optional of a tensor float32[]")
    }
}
