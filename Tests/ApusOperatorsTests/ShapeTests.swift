import ApusGraph
import ApusOperators
import ApusTensor
import Testing

@Suite struct ShapeTests {
    private let matrix = Tensor(vector: (0..<6).map { Float($0) })

    private func grid(_ rows: Int, _ columns: Int) throws -> Tensor {
        try Tensor(shape: [rows, columns], (0..<rows * columns).map { Float($0) })
    }

    private func indices(_ values: [Int64]) -> Tensor { Tensor(vector: values) }

    @Test func sliceCountsBackwards() throws {
        let x = Tensor(vector: (0..<7).map { Int32($0) })
        func slice(_ start: Int64, _ end: Int64, _ step: Int64) throws -> [Int32] {
            try evaluate("Slice", [x, indices([start]), indices([end]), indices([0]), indices([step])]).array(
                of: Int32.self
            )
        }
        #expect(try slice(-1, -100, -1) == [6, 5, 4, 3, 2, 1, 0])
        #expect(try slice(5, 0, -2) == [5, 3, 1])
        #expect(try slice(100, -100, -3) == [6, 3, 0])
        #expect(try slice(-3, .max, 1) == [4, 5, 6])
        #expect(try slice(-100, 2, 1) == [0, 1])
        #expect(try slice(2, 2, 1) == [])
        #expect(try slice(-100, -200, -1) == [])
        #expect(try slice(.max, .min, .min) == [6])
        #expect(throws: ModelError.self) { try slice(0, 1, 0) }
    }

    @Test func padModes() throws {
        let x = Tensor(vector: [Int32(1), 2, 3])
        func pad(_ mode: String, _ before: Int64, _ after: Int64) throws -> [Int32] {
            try evaluate("Pad", [x, indices([before, after])], ["mode": text(mode)]).array(of: Int32.self)
        }
        #expect(try pad("constant", 2, 1) == [0, 0, 1, 2, 3, 0])
        #expect(try pad("reflect", 2, 2) == [3, 2, 1, 2, 3, 2, 1])
        #expect(try pad("reflect", 5, 0) == [2, 1, 2, 3, 2, 1, 2, 3])
        #expect(try pad("edge", 2, 1) == [1, 1, 1, 2, 3, 3])
        #expect(try pad("wrap", 4, 4) == [3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1])
        #expect(try pad("constant", -1, 1) == [2, 3, 0])
        #expect(throws: ModelError.self) { try pad("constant", -2, -2) }
        #expect(throws: ModelError.self) { try pad("constant", .max, .max) }
        #expect(throws: ModelError.self) { try pad("mirror", 1, 1) }
    }

    @Test func gatherNDWithBatches() throws {
        let data = try Tensor(shape: [2, 2, 2], (0..<8).map { Int32($0) })
        let places = try Tensor(shape: [2, 1], [Int64(1), 0])
        let batched = try evaluate("GatherND", [data, places], ["batch_dims": .int(1)])
        #expect(batched.shape == [2, 2])
        #expect(try batched.array(of: Int32.self) == [2, 3, 4, 5])
        let plain = try evaluate("GatherND", [data, try Tensor(shape: [2, 2], [Int64(0), 1, -1, 0])])
        #expect(try plain.array(of: Int32.self) == [2, 3, 4, 5])
    }

    @Test func scatterReductions() throws {
        let data = Tensor(vector: [Float(1), 2, 3, 4])
        let places = try Tensor(shape: [3, 1], [Int64(1), 1, -1])
        let updates = Tensor(vector: [Float(10), 20, 0.5])
        func scatter(_ reduction: String) throws -> [Float] {
            try evaluate("ScatterND", [data, places, updates], ["reduction": text(reduction)]).array(of: Float.self)
        }
        #expect(try scatter("none") == [1, 20, 3, 0.5])
        #expect(try scatter("add") == [1, 32, 3, 4.5])
        #expect(try scatter("mul") == [1, 400, 3, 2])
        #expect(try scatter("max") == [1, 20, 3, 4])
        #expect(try scatter("min") == [1, 2, 3, 0.5])
    }

    @Test func depthToSpaceOrders() throws {
        let x = try Tensor(shape: [1, 8, 1, 1], (0..<8).map { Float($0) })
        let depth = try evaluate("DepthToSpace", [x], ["blocksize": .int(2)])
        let column = try evaluate("DepthToSpace", [x], ["blocksize": .int(2), "mode": text("CRD")])
        #expect(depth.shape == [1, 2, 2, 2])
        #expect(try depth.array(of: Float.self) == [0, 2, 4, 6, 1, 3, 5, 7])
        #expect(try column.array(of: Float.self) == [0, 1, 2, 3, 4, 5, 6, 7])
        #expect(
            try evaluate("SpaceToDepth", [depth], ["blocksize": .int(2)]).array(of: Float.self)
                == (0..<8).map { Float($0) }
        )
    }

    @Test func topKKeepsTheFirstOfEquals() throws {
        let x = Tensor(vector: [Float(1), 3, 3, .nan, 2])
        let results = try evaluate("TopK", [.tensor(x), .tensor(indices([4]))], outputs: 2)
        #expect(try results[1].tensor().array(of: Int64.self) == [3, 1, 2, 4])
        let smallest = try evaluate("TopK", [.tensor(x), .tensor(indices([2]))], ["largest": .int(0)], outputs: 2)
        #expect(try smallest[0].tensor().array(of: Float.self) == [1, 2])
        #expect(throws: ModelError.self) { try evaluate("TopK", [.tensor(x), .tensor(indices([6]))], outputs: 2) }
    }

    @Test func uniqueReportsPlaces() throws {
        let x = Tensor(vector: [Float(2), 1, 1, 3, 4, 3])
        let sorted = try evaluate("Unique", [.tensor(x)], outputs: 4).map { try $0.tensor().doubles() }
        #expect(sorted == [[1, 2, 3, 4], [1, 0, 3, 4], [1, 0, 0, 2, 3, 2], [2, 1, 2, 1]])
        let unsorted = try evaluate("Unique", [.tensor(x)], ["sorted": .int(0)], outputs: 4).map {
            try $0.tensor().doubles()
        }
        #expect(unsorted == [[2, 1, 3, 4], [0, 1, 3, 4], [0, 1, 1, 2, 3, 2], [1, 2, 2, 1]])
    }

    @Test func nonZeroListsCoordinates() throws {
        let x = try Tensor(shape: [2, 2], [Int32(1), 0, 1, 1])
        let places = try evaluate("NonZero", [x])
        #expect(places.shape == [2, 3])
        #expect(try places.array(of: Int64.self) == [0, 1, 1, 0, 0, 1])
        #expect(try evaluate("NonZero", [Tensor(scalar: Float(1))]).shape == [0, 1])
    }

    @Test func oneHotIgnoresIndicesOutOfRange() throws {
        let hot = try evaluate("OneHot", [indices([0, -1, 3, -4]), indices([3]), Tensor(vector: [Int32(0), 1])])
        #expect(try hot.array(of: Int32.self) == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0])
    }

    @Test func sumsRunBothWays() throws {
        let x = Tensor(vector: [Int32(1), 2, 3])
        let axis = Tensor(scalar: Int64(0))
        func sum(_ attributes: [String: AttributeValue]) throws -> [Int32] {
            try evaluate("CumSum", [x, axis], attributes).array(of: Int32.self)
        }
        #expect(try sum([:]) == [1, 3, 6])
        #expect(try sum(["exclusive": .int(1)]) == [0, 1, 3])
        #expect(try sum(["reverse": .int(1)]) == [6, 5, 3])
        #expect(try sum(["reverse": .int(1), "exclusive": .int(1)]) == [5, 3, 0])
    }

    /// Expected values from ONNX's own node tests.
    @Test func resizeAgreesWithONNX() throws {
        let x = try Tensor(shape: [1, 1, 2, 2], [Float(1), 2, 3, 4])
        let doubled = Tensor(vector: [Float(1), 1, 2, 2])
        let linear = try evaluate("Resize", [x, nil, doubled], ["mode": text("linear")]).array(of: Float.self)
        #expect(linear == [1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4])
        let aligned = try evaluate(
            "Resize",
            [x, nil, doubled],
            ["mode": text("linear"), "coordinate_transformation_mode": text("align_corners")]
        ).array(of: Float.self)
        let expected: [Float] = [
            1, 1.33333333, 1.66666667, 2, 1.66666667, 2, 2.33333333, 2.66666667, 2.33333333, 2.66666667, 3, 3.33333333,
            3, 3.33333333, 3.66666667, 4,
        ]
        for (a, b) in zip(aligned, expected) { #expect(abs(a - b) < 1e-6) }
        let nearest = try evaluate("Resize", [x, nil, Tensor(vector: [Float(1), 1, 2, 3])])
        #expect(nearest.shape == [1, 1, 4, 6])
        #expect(try nearest.array(of: Float.self)[..<6] == [1, 1, 1, 2, 2, 2])
        let wide = try Tensor(shape: [1, 1, 2, 4], (1...8).map { Float($0) })
        let smaller = try evaluate("Resize", [wide, nil, Tensor(vector: [Float(1), 1, 0.6, 0.6])])
        #expect(try smaller.array(of: Float.self) == [1, 3])
        let reduced = try evaluate(
            "Resize",
            [wide, nil, Tensor(vector: [Float(1), 1, 0.6, 0.6])],
            ["mode": text("linear")]
        )
        for (a, b) in zip(try reduced.array(of: Float.self), [Float(2.6666665), 4.3333331]) {
            #expect(abs(a - b) < 1e-5)
        }
    }

    @Test func cubicResizeAgreesWithONNX() throws {
        let x = try Tensor(shape: [1, 1, 4, 4], (1...16).map { Float($0) })
        let scales = Tensor(vector: [Float(1), 1, 0.8, 0.8])
        let cubic = try evaluate("Resize", [x, nil, scales], ["mode": text("cubic")]).array(of: Float.self)
        let expected: [Float] = [
            1.47119141, 2.78125, 4.08251953, 6.71142578, 8.02148438, 9.32275391, 11.91650391, 13.2265625, 14.52783203,
        ]
        for (a, b) in zip(cubic, expected) { #expect(abs(a - b) < 1e-5) }
        let outside = try evaluate(
            "Resize",
            [x, nil, scales],
            ["mode": text("cubic"), "exclude_outside": .int(1), "cubic_coeff_a": .float(-0.5)]
        )
        #expect(abs(try outside.array(of: Float.self)[0] - 1.36812675) < 1e-5)
    }

    @Test func hostileShapesAreRefused() throws {
        let x = try grid(2, 3)
        let huge = indices([.max, .max])
        #expect(throws: ModelError.self) { try evaluate("Reshape", [x, huge]) }
        #expect(throws: ModelError.self) { try evaluate("Reshape", [x, indices([-1, -1])]) }
        #expect(throws: ModelError.self) { try evaluate("Reshape", [x, indices([4, -1])]) }
        #expect(throws: ModelError.self) { try evaluate("Reshape", [x, indices([-2, 3])]) }
        #expect(throws: ModelError.self) { try evaluate("Expand", [x, huge]) }
        #expect(throws: ModelError.self) { try evaluate("Tile", [x, huge]) }
        #expect(throws: ModelError.self) { try evaluate("Tile", [x, indices([-1, 1])]) }
        #expect(throws: ModelError.self) { try evaluate("ConstantOfShape", [huge]) }
        #expect(throws: ModelError.self) { try evaluate("ConstantOfShape", [indices([1 << 40])]) }
        #expect(throws: ModelError.self) { try evaluate("Gather", [x, indices([2])]) }
        #expect(throws: ModelError.self) { try evaluate("Gather", [x, indices([.min])]) }
        #expect(throws: ModelError.self) { try evaluate("GatherND", [x, try Tensor(shape: [1, 1], [Int64(-3)])]) }
        #expect(throws: ModelError.self) { try evaluate("Transpose", [x], ["perm": .ints([0, 0])]) }
        #expect(throws: ModelError.self) { try evaluate("Concat", [x, matrix], ["axis": .int(0)]) }
        #expect(throws: ModelError.self) { try evaluate("Unsqueeze", [x, indices([.max])]) }
        #expect(throws: ModelError.self) { try evaluate("Squeeze", [x, indices([0])]) }
        #expect(throws: ModelError.self) { try evaluate("Split", [x], ["axis": .int(5)]) }
        #expect(throws: ModelError.self) { try evaluate("DepthToSpace", [x], ["blocksize": .int(.max)]) }
        #expect(throws: ModelError.self) { try evaluate("Resize", [x, nil, Tensor(vector: [Float.infinity, 1])]) }
        #expect(throws: ModelError.self) { try evaluate("Resize", [x, nil, nil, indices([.max, .max])]) }
        let bounds = [Float(0), 1, 0].map { Tensor(scalar: $0) }
        #expect(throws: ModelError.self) { try evaluate("Range", bounds) }
        let far = [Int64.min, .max, 1].map { Tensor(scalar: $0) }
        #expect(throws: ModelError.self) { try evaluate("Range", far) }
    }

    @Test func stringsMoveAsWell() throws {
        let words = ["a", "b", "c", "d"].map { Array($0.utf8) }
        let strings = RuntimeValue.strings(try StringTensor(shape: [2, 2], words))
        guard case .strings(let moved) = try evaluate("Transpose", [strings])[0] else {
            Issue.record("no strings")
            return
        }
        #expect(moved.elements == [words[0], words[2], words[1], words[3]])
        guard case .strings(let joined) = try evaluate("Concat", [strings, strings], ["axis": .int(0)])[0] else {
            Issue.record("no strings")
            return
        }
        #expect(joined.shape == [4, 2] && joined.elements == words + words)
    }

    @Test func narrowTypesMove() throws {
        let type = TensorType(.int4, [3, 3])
        let x = try Tensor(type, wrapping: Array(-4...4))
        #expect(try evaluate("Transpose", [x]).integers() == [-4, -1, 2, -3, 0, 3, -2, 1, 4])
        let row = try evaluate("Gather", [x, Tensor(scalar: Int64(-1))])
        #expect(try row.integers() == [2, 3, 4])
        #expect(try evaluate("Concat", [row, row], ["axis": .int(0)]).integers() == [2, 3, 4, 2, 3, 4])
    }
}
