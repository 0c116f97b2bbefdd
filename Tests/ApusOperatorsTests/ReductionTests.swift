import ApusGraph
import ApusOperators
import ApusTensor
import Testing

@Suite struct ReductionTests {
    @Test(arguments: reductionVectors)
    func matchesReferenceVectors(_ vector: ReferenceVector) throws {
        let result = try vector.evaluate()
        #expect(result.first?.shape == vector.shape)
        #expect(try relativeError(result[0], vector.expected) < 1e-6)
    }

    private func reduced(_ operatorType: String, _ x: Tensor, _ axes: Int64...) throws -> Tensor {
        try evaluateOperator(operatorType, ["keepdims": .int(0)], [x, Tensor(vector: axes)])[0]
    }

    @Test func reductionsByHand() throws {
        let x = try Tensor(shape: [2, 3], [3, -4, 0, 1, 2, -2] as [Float])
        #expect(try reduced("ReduceSum", x, 1).array(of: Float.self) == [-1, 1])
        #expect(try reduced("ReduceMean", x, 0).array(of: Float.self) == [2, -1, -1])
        #expect(try reduced("ReduceMax", x, -1).array(of: Float.self) == [3, 2])
        #expect(try reduced("ReduceMin", x, 0, 1).array(of: Float.self) == [-4])
        #expect(try reduced("ReduceProd", x, 1).array(of: Float.self) == [0, -4])
        #expect(try reduced("ReduceL1", x, 1).array(of: Float.self) == [7, 5])
        #expect(try reduced("ReduceL2", x, 1).array(of: Float.self) == [5, 3])
        #expect(try reduced("ReduceSumSquare", x, 1).array(of: Float.self) == [25, 9])
    }

    @Test func emptySetsGiveTheNeutralElement() throws {
        let x = Tensor(zeros: TensorType(.float32, [2, 0]))
        #expect(try reduced("ReduceSum", x, 1).array(of: Float.self) == [0, 0])
        #expect(try reduced("ReduceProd", x, 1).array(of: Float.self) == [1, 1])
        #expect(try reduced("ReduceMax", x, 1).array(of: Float.self) == [-.infinity, -.infinity])
        #expect(try reduced("ReduceMin", x, 1).array(of: Float.self) == [.infinity, .infinity])
        #expect(try reduced("ReduceLogSum", x, 1).array(of: Float.self) == [-.infinity, -.infinity])
        #expect(try reduced("ReduceLogSumExp", x, 1).array(of: Float.self) == [-.infinity, -.infinity])
        #expect(try reduced("ReduceMean", x, 1).array(of: Float.self).allSatisfy(\.isNaN))
        let integers = Tensor(zeros: TensorType(.int32, [1, 0]))
        #expect(try reduced("ReduceMax", integers, 1).array(of: Int32.self) == [Int32.min])
        #expect(try reduced("ReduceMin", integers, 1).array(of: Int32.self) == [Int32.max])
        let unsigned = Tensor(zeros: TensorType(.uint64, [1, 0]))
        #expect(try reduced("ReduceMin", unsigned, 1).array(of: UInt64.self) == [UInt64.max])
        #expect(try reduced("ReduceMax", unsigned, 1).array(of: UInt64.self) == [0])
    }

    @Test func integersAreExact() throws {
        let x = try Tensor(shape: [1, 3], [1 << 60, 1, 2] as [Int64])
        #expect(try reduced("ReduceSum", x, 1).array(of: Int64.self) == [(1 << 60) + 3])
        let large = try Tensor(shape: [2], [UInt64.max, 1])
        #expect(try reduced("ReduceMax", large, 0).array(of: UInt64.self) == [UInt64.max])
        #expect(try reduced("ReduceMin", large, 0).array(of: UInt64.self) == [1])
        let signed = try Tensor(shape: [3], [-7, 2, 1] as [Int32])
        #expect(try reduced("ReduceMean", signed, 0).array(of: Int32.self) == [-1])
        #expect(try reduced("ReduceL1", signed, 0).array(of: Int32.self) == [10])
    }

    @Test func largeExponentsDoNotOverflow() throws {
        let x = try Tensor(shape: [2], [1000, 1000] as [Float])
        let sum = try reduced("ReduceLogSumExp", x, 0).array(of: Float.self)
        #expect(abs(sum[0] - 1000.6931) < 1e-4)
        #expect(try evaluateOperator("Softmax", [:], [x])[0].array(of: Float.self) == [0.5, 0.5])
        let logarithms = try evaluateOperator("LogSoftmax", [:], [x])[0].array(of: Float.self)
        #expect(abs(logarithms[0] + 0.6931472) < 1e-6)
    }

    @Test func notANumberWins() throws {
        let x = try Tensor(shape: [3], [1, .nan, 2] as [Float])
        #expect(try reduced("ReduceMax", x, 0).array(of: Float.self)[0].isNaN)
        #expect(try reduced("ReduceMin", x, 0).array(of: Float.self)[0].isNaN)
        #expect(try evaluateOperator("ArgMax", [:], [x])[0].array(of: Int64.self) == [1])
        #expect(try evaluateOperator("ArgMin", [:], [x])[0].array(of: Int64.self) == [1])
    }

    @Test func extremaTakeTheFirstOrLastOfEqualElements() throws {
        let x = try Tensor(shape: [2, 4], [5, 1, 5, 1, 2, 2, 2, 2] as [Int32])
        let first: [String: AttributeValue] = ["axis": .int(1), "keepdims": .int(0)]
        let last = first.merging(["select_last_index": .int(1)]) { $1 }
        #expect(try evaluateOperator("ArgMax", first, [x])[0].array(of: Int64.self) == [0, 0])
        #expect(try evaluateOperator("ArgMax", last, [x])[0].array(of: Int64.self) == [2, 3])
        #expect(try evaluateOperator("ArgMin", first, [x])[0].array(of: Int64.self) == [1, 0])
        #expect(try evaluateOperator("ArgMin", last, [x])[0].array(of: Int64.self) == [3, 3])
        let row = try Tensor(shape: [3], [1, 4, 4] as [Float])
        #expect(try evaluateOperator("Hardmax", [:], [row])[0].array(of: Float.self) == [0, 1, 0])
    }

    @Test func unknownAxesMakeTheShapeDataDependent() throws {
        let node = Node(operatorType: "ReduceSum", inputs: [ValueID(0), ValueID(1)], outputs: [ValueID(2)])
        let facts = try OperatorTable.standard.makeOperator(node).infer([
            ValueFact(TensorType(.float32, [2, 3])), ValueFact(TensorType(.int64, [1])),
        ])
        guard case .dataDependent(.float32) = try #require(facts.first) else {
            Issue.record("found \(facts)")
            return
        }
    }

    @Test(arguments: hostileReductions.indices)
    func hostileAxesAreRefused(_ index: Int) {
        let (operatorType, attributes, shape, axes) = hostileReductions[index]
        #expect(throws: ModelError.self) { try inferOperator(operatorType, attributes, [shape], axes: axes) }
    }
}

private let hostileReductions: [(String, [String: AttributeValue], [Int], [Int64]?)] = [
    ("ReduceSum", [:], [2, 3], [2]),
    ("ReduceSum", [:], [2, 3], [-3]),
    ("ReduceSum", [:], [2, 3], [1, -1]),
    ("ReduceMean", [:], [2, 3], [Int64.max]),
    ("ReduceMean", [:], [2, 3], [Int64.min]),
    ("ReduceMax", [:], [], [0]),
    ("ReduceMax", ["keepdims": .float(1)], [2], nil),
    ("Softmax", ["axis": .int(2)], [2, 3], nil),
    ("Softmax", ["axis": .int(Int64.min)], [2, 3], nil),
    ("Softmax", [:], [], nil),
    ("LogSoftmax", ["axis": .int(-3)], [2, 3], nil),
    ("Hardmax", ["axis": .int(9)], [2, 3], nil),
    ("ArgMax", ["axis": .int(2)], [2, 3], nil),
    ("ArgMax", ["axis": .int(1)], [2, 0], nil),
    ("ArgMin", ["axis": .int(Int64.max)], [2, 3], nil),
    ("ArgMin", [:], [], nil),
]
