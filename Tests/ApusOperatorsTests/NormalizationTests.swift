import ApusGraph
import ApusOperators
import ApusTensor
import Testing

@Suite struct NormalizationTests {
    @Test(arguments: normalizationVectors)
    func matchesReferenceVectors(_ vector: ReferenceVector) throws {
        let result = try vector.evaluate()
        #expect(result.first?.shape == vector.shape)
        #expect(try relativeError(result[0], vector.expected) < 2e-6)
    }

    @Test func batchNormalizationByHand() throws {
        let x = try Tensor(shape: [1, 2, 2], [1, 3, 10, 20] as [Float])
        func vector(_ a: Float, _ b: Float) -> Tensor { Tensor(vector: [a, b]) }
        let inputs = [x, vector(2, 1), vector(1, 0), vector(1, 10), vector(4, 25)]
        let y = try evaluateOperator("BatchNormalization", ["epsilon": .float(0)], inputs)[0]
        #expect(try y.array(of: Float.self) == [1, 3, 0, 2])
    }

    @Test func layerNormalizationGivesItsStatistics() throws {
        let x = try Tensor(shape: [2, 2], [1, 3, 5, 5] as [Float])
        let scale = Tensor(vector: [2, 1] as [Float])
        let bias = Tensor(vector: [0, 1] as [Float])
        let results = try evaluateOperator(
            "LayerNormalization",
            ["epsilon": .float(0.25)],
            [x, scale, bias],
            outputCount: 3
        )
        let inverse = Float(1 / 1.25.squareRoot())
        #expect(try relativeError(results[0], [-2 * inverse, inverse + 1, 0, 1]) < 1e-7)
        #expect(try results[1].array(of: Float.self) == [2, 5])
        #expect(try relativeError(results[2], [inverse, 2]) < 1e-7)
        #expect(results[1].shape == [2, 1] && results[2].shape == [2, 1])
    }

    @Test func zerosHaveNoDirection() throws {
        let x = try Tensor(shape: [2, 2], [3, 4, 0, 0] as [Float])
        #expect(try evaluateOperator("LpNormalization", [:], [x])[0].array(of: Float.self) == [0.6, 0.8, 0, 0])
        let sums = try evaluateOperator("LpNormalization", ["p": .int(1), "axis": .int(0)], [x])[0]
        #expect(try sums.array(of: Float.self) == [1, 1, 0, 0])
    }

    @Test(arguments: hostileNormalizations.indices)
    func wrongParametersAreRefused(_ index: Int) {
        let (operatorType, attributes, shapes) = hostileNormalizations[index]
        #expect(throws: ModelError.self) { try inferOperator(operatorType, attributes, shapes) }
    }
}

private let hostileNormalizations: [(String, [String: AttributeValue], [[Int]?])] = [
    ("BatchNormalization", [:], [[1, 3, 2], [3], [3], [3], [2]]),
    ("BatchNormalization", [:], [[1, 3, 2], [3], [3], [3]]),
    ("BatchNormalization", [:], [[], [1], [1], [1], [1]]),
    ("BatchNormalization", ["training_mode": .int(1)], [[1, 3, 2], [3], [3], [3], [3]]),
    ("InstanceNormalization", [:], [[3], [3], [3]]),
    ("InstanceNormalization", [:], [[1, 3, 2], [2], [3]]),
    ("GroupNormalization", [:], [[1, 4, 2], [4], [4]]),
    ("GroupNormalization", ["num_groups": .int(0)], [[1, 4, 2], [4], [4]]),
    ("GroupNormalization", ["num_groups": .int(3)], [[1, 4, 2], [4], [4]]),
    ("GroupNormalization", ["num_groups": .int(-2)], [[1, 4, 2], [4], [4]]),
    ("LayerNormalization", ["axis": .int(2)], [[2, 3], [3]]),
    ("LayerNormalization", ["axis": .int(Int64.min)], [[2, 3], [3]]),
    ("LayerNormalization", ["stash_type": .int(7)], [[2, 3], [3]]),
    ("LayerNormalization", ["stash_type": .int(Int64.max)], [[2, 3], [3]]),
    ("LayerNormalization", [:], [[2, 3], [4]]),
    ("LayerNormalization", [:], [[2, 3], [5, 2, 3]]),
    ("LayerNormalization", [:], [[], []]),
    ("RMSNormalization", [:], [[2, 3]]),
    ("LRN", [:], [[1, 3, 2, 2]]),
    ("LRN", ["size": .int(0)], [[1, 3, 2, 2]]),
    ("LRN", ["size": .int(Int64.max)], [[1, 3, 2, 2]]),
    ("LRN", ["size": .int(3)], [[3]]),
    ("LpNormalization", ["p": .int(3)], [[2, 3]]),
    ("LpNormalization", ["axis": .int(2)], [[2, 3]]),
    ("MeanVarianceNormalization", [:], [[2, 3]]),
    ("MeanVarianceNormalization", ["axes": .ints([0, -2])], [[2, 3]]),
]
