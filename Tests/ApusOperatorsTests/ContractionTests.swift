import ApusGraph
import ApusOperatorSuite
import ApusOperators
import ApusTensor
import Testing

@Suite struct ContractionTests {
    @Test(arguments: contractionVectors)
    func matchesReferenceVectors(_ vector: ReferenceVector) throws {
        let result = try vector.evaluate()
        #expect(result.first?.shape == vector.shape)
        #expect(try relativeError(result[0], vector.expected) < 1e-6)
    }

    @Test func productsByHand() throws {
        let a = try Tensor(shape: [2, 2], [1, 2, 3, 4] as [Float])
        let b = try Tensor(shape: [2, 2], [5, 6, 7, 8] as [Float])
        #expect(try evaluateOperator("MatMul", [:], [a, b])[0].array(of: Float.self) == [19, 22, 43, 50])
        let transposed = try evaluateOperator("Gemm", ["transA": .int(1), "alpha": .float(2)], [a, b])[0]
        #expect(try transposed.array(of: Float.self) == [52, 60, 76, 88])
        let sum = try evaluateOperator("Gemm", ["beta": .float(-1)], [a, b, Tensor(vector: [1, 2] as [Float])])[0]
        #expect(try sum.array(of: Float.self) == [18, 20, 42, 48])
    }

    @Test func sumsAreHeldInDouble() throws {
        let a = try Tensor(shape: [1, 4], [1e8, 1, -1e8, 1] as [Float])
        let b = try Tensor(shape: [4, 1], [1, 1, 1, 1] as [Float])
        #expect(try evaluateOperator("MatMul", [:], [a, b])[0].array(of: Float.self) == [2])
    }

    @Test func integersWrap() throws {
        let a = try Tensor(shape: [1, 2], [Int32.max, 1])
        let b = try Tensor(shape: [2, 1], [1, 1] as [Int32])
        #expect(try evaluateOperator("MatMul", [:], [a, b])[0].array(of: Int32.self) == [Int32.min])
        let wide = try Tensor(shape: [1, 1], [Int64.max])
        let two = try Tensor(shape: [1, 1], [2 as Int64])
        #expect(try evaluateOperator("Gemm", [:], [wide, two])[0].array(of: Int64.self) == [-2])
    }

    @Test(arguments: [(1, 1, 1), (2, 9, 3), (7, 8, 16), (5, 0, 4), (33, 65, 17), (64, 300, 24), (3, 20_000, 9)])
    func matrixProductsEqualDirectSums(_ m: Int, _ k: Int, _ n: Int) throws {
        var generator = SeededGenerator(seed: UInt64(m + k + n))
        let a = try generator.tensor(TensorType(.float64, [m, k]), in: -1...1)
        let b = try generator.tensor(TensorType(.float64, [k, n]), in: -1...1)
        let y = try evaluateOperator("MatMul", [:], [a, b])[0].array(of: Double.self)
        let x = try a.doubles()
        let z = try b.doubles()
        for row in 0..<m {
            for column in 0..<n {
                let sum = (0..<k).reduce(0.0) { $0 + x[row * k + $1] * z[$1 * n + column] }
                #expect(abs(y[row * n + column] - sum) <= 1e-10)
            }
        }
    }

    @Test(arguments: hostileProducts.indices)
    func wrongOperandsAreRefused(_ index: Int) {
        let (operatorType, attributes, shapes) = hostileProducts[index]
        #expect(throws: ModelError.self) { try inferOperator(operatorType, attributes, shapes) }
    }
}

private let hostileProducts: [(String, [String: AttributeValue], [[Int]?])] = [
    ("MatMul", [:], [[], [3]]),
    ("MatMul", [:], [[3], []]),
    ("MatMul", [:], [[2, 3], [2, 3]]),
    ("MatMul", [:], [[2, 2, 3], [3, 3, 2]]),
    ("MatMul", [:], [[3], [4]]),
    ("MatMul", [:], [[1 << 40, 1], [1, 1 << 40]]),
    ("MatMul", [:], [[2, 3], nil]),
    ("Gemm", [:], [[2, 3], [2, 3]]),
    ("Gemm", ["transA": .int(1)], [[2, 3], [3, 2]]),
    ("Gemm", [:], [[2, 3, 4], [4, 2]]),
    ("Gemm", [:], [[3], [3, 2]]),
    ("Gemm", [:], [[2, 3], [3, 2], [3]]),
    ("Gemm", [:], [[2, 3], [3, 2], [2, 2, 2]]),
    ("Gemm", [:], [[1, 3], [3, 2], [4, 2]]),
    ("Gemm", ["alpha": .int(1)], [[2, 3], [3, 2]]),
]
