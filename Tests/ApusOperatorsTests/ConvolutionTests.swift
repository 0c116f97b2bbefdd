import ApusGraph
import ApusOperatorSuite
import ApusOperators
import ApusTensor
import Testing

@Suite struct ConvolutionTests {
    @Test(arguments: convolutionVectors)
    func matchesReferenceVectors(_ vector: ReferenceVector) throws {
        let result = try vector.evaluate()
        #expect(result.first?.shape == vector.shape)
        #expect(try relativeError(result[0], vector.expected) < 1e-6)
    }

    @Test func convolutionByHand() throws {
        let x = try Tensor(shape: [1, 1, 3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9] as [Float])
        let w = try Tensor(shape: [1, 1, 2, 2], [1, 0, 0, -1] as [Float])
        let y = try evaluateOperator("Conv", [:], [x, w, Tensor(vector: [10 as Float])])[0]
        #expect(try y.array(of: Float.self) == [6, 6, 6, 6])
    }

    @Test func transposedConvolutionSpreadsTheKernel() throws {
        let x = try Tensor(shape: [1, 1, 1, 2], [1, 10] as [Float])
        let w = try Tensor(shape: [1, 1, 1, 3], [1, 2, 3] as [Float])
        let y = try evaluateOperator("ConvTranspose", ["strides": .ints([1, 2])], [x, w])[0]
        #expect(y.shape == [1, 1, 1, 5])
        #expect(try y.array(of: Float.self) == [1, 2, 13, 20, 30])
    }

    @Test func maximumPoolsReportTheFirstIndex() throws {
        let x = try Tensor(shape: [1, 2, 2, 2], [1, 7, 7, 2, -1, -2, -3, .nan] as [Float])
        let attributes: [String: AttributeValue] = ["kernel_shape": .ints([2, 2])]
        let results = try evaluateOperator("MaxPool", attributes, [x], outputCount: 2)
        let values = try results[0].array(of: Float.self)
        #expect(values[0] == 7 && values[1].isNaN)
        #expect(try results[1].array(of: Int64.self) == [1, 7])
        let columnMajor = attributes.merging(["storage_order": .int(1)]) { $1 }
        let swapped = try evaluateOperator("MaxPool", columnMajor, [x], outputCount: 2)
        #expect(try swapped[1].array(of: Int64.self) == [2, 7])
    }

    @Test func averagePoolsCountPaddingOnDemand() throws {
        let x = try Tensor(shape: [1, 1, 2], [4, 8] as [Float])
        var attributes: [String: AttributeValue] = ["kernel_shape": .ints([3]), "pads": .ints([1, 1])]
        #expect(try evaluateOperator("AveragePool", attributes, [x])[0].array(of: Float.self) == [6, 6])
        attributes["count_include_pad"] = .int(1)
        #expect(try evaluateOperator("AveragePool", attributes, [x])[0].array(of: Float.self) == [4, 4])
    }

    @Test(arguments: 0..<60)
    func convolutionEqualsDirectSums(_ seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let group = Int.random(in: 1...3, using: &generator)
        let channels = Int.random(in: 1...3, using: &generator)
        let outputs = Int.random(in: 1...3, using: &generator)
        let kernel = [Int.random(in: 1...3, using: &generator), Int.random(in: 1...4, using: &generator)]
        let strides = [Int.random(in: 1...3, using: &generator), Int.random(in: 1...3, using: &generator)]
        let dilations = [Int.random(in: 1...2, using: &generator), Int.random(in: 1...3, using: &generator)]
        let pads = (0..<4).map { _ in Int.random(in: 0...2, using: &generator) }
        let input = [Int.random(in: 7...11, using: &generator), Int.random(in: 10...13, using: &generator)]
        let x = try generator.tensor(TensorType(.float32, [2, group * channels] + input), in: -1...1)
        let w = try generator.tensor(TensorType(.float32, [group * outputs, channels] + kernel), in: -1...1)
        let attributes: [String: AttributeValue] = [
            "group": .int(Int64(group)), "strides": .ints(strides.map { Int64($0) }),
            "dilations": .ints(dilations.map { Int64($0) }), "pads": .ints(pads.map { Int64($0) }),
        ]
        let y = try evaluateOperator("Conv", attributes, [x, w])[0]
        let xs = try x.doubles()
        let ws = try w.doubles()
        var expected: [Float] = []
        for sample in 0..<2 {
            for channel in 0..<group * outputs {
                for row in 0..<y.shape[2] {
                    for column in 0..<y.shape[3] {
                        var sum = 0.0
                        for k in 0..<channels {
                            let source = sample * group * channels + channel / outputs * channels + k
                            for i in 0..<kernel[0] {
                                for j in 0..<kernel[1] {
                                    let r = row * strides[0] - pads[0] + i * dilations[0]
                                    let c = column * strides[1] - pads[1] + j * dilations[1]
                                    guard r >= 0, r < input[0], c >= 0, c < input[1] else { continue }
                                    let weight = ws[((channel * channels + k) * kernel[0] + i) * kernel[1] + j]
                                    sum += weight * xs[(source * input[0] + r) * input[1] + c]
                                }
                            }
                        }
                        expected.append(Float(sum))
                    }
                }
            }
        }
        #expect(try relativeError(y, expected) < 1e-7)
    }

    @Test(arguments: hostileWindows.indices)
    func hostileAttributesAreRefused(_ index: Int) {
        let (operatorType, attributes, shapes) = hostileWindows[index]
        #expect(throws: ModelError.self) { try inferOperator(operatorType, attributes, shapes) }
    }

    @Test func dataDependentInputsGiveDataDependentOutputs() throws {
        for (operatorType, attributes) in [
            ("Conv", [:]), ("GlobalAveragePool", [:]), ("MaxPool", ["kernel_shape": AttributeValue.ints([2, 2])]),
        ] {
            let node = Node(
                operatorType: operatorType,
                inputs: [ValueID(0), ValueID(1)],
                outputs: [ValueID(2)],
                attributes: Attributes(attributes)
            )
            let op = try OperatorTable.standard.makeOperator(node)
            let facts = try op.infer([.dataDependent(.float32), ValueFact(TensorType(.float32, [4, 3, 1, 1]))])
            guard case .dataDependent(.float32) = try #require(facts.first) else {
                Issue.record("\(operatorType) gave \(facts)")
                continue
            }
        }
    }

    @Test func costCountsTwoOperationsAMultiplyAdd() throws {
        let node = Node(operatorType: "Conv", inputs: [ValueID(0), ValueID(1)], outputs: [ValueID(2)])
        let types = [TensorType(.float32, [1, 64, 56, 56]), TensorType(.float32, [64, 64, 1, 1])]
        let cost = try OperatorTable.standard.makeOperator(node).cost(
            inputs: types,
            outputs: [TensorType(.float32, [1, 64, 56, 56])]
        )
        #expect(cost.operations == 2 * 64 * 64 * 56 * 56)
        #expect(cost.bytes == 4 * (2 * 64 * 56 * 56 + 64 * 64))
    }
}

private let image = [1, 4, 8, 8]
private let huge = Int64(1) << 31

/// Attributes and shapes that must be refused before anything is computed.
private let hostileWindows: [(String, [String: AttributeValue], [[Int]?])] = [
    ("Conv", ["strides": .ints([0, 1])], [image, [4, 4, 3, 3]]),
    ("Conv", ["strides": .ints([-1, 1])], [image, [4, 4, 3, 3]]),
    ("Conv", ["strides": .ints([1])], [image, [4, 4, 3, 3]]),
    ("Conv", ["dilations": .ints([0, 0])], [image, [4, 4, 3, 3]]),
    ("Conv", ["dilations": .ints([huge, 1])], [image, [4, 4, 3, 3]]),
    ("Conv", ["dilations": .ints([huge - 1, huge - 1])], [image, [4, 4, 3, 3]]),
    ("Conv", ["dilations": .ints([Int64.max, 1])], [image, [4, 4, 3, 3]]),
    ("Conv", ["pads": .ints([-1, 0, 0, 0])], [image, [4, 4, 3, 3]]),
    ("Conv", ["pads": .ints([Int64.max, 0, Int64.max, 0])], [image, [4, 4, 3, 3]]),
    ("Conv", ["pads": .ints([Int64.min, 0, 0, 0])], [image, [4, 4, 3, 3]]),
    ("Conv", ["pads": .ints([huge - 1, huge - 1, huge - 1, huge - 1])], [[1 << 20, 4, 8, 8], [4, 4, 3, 3]]),
    ("Conv", ["pads": .ints([1, 1])], [image, [4, 4, 3, 3]]),
    ("Conv", ["group": .int(0)], [image, [4, 4, 3, 3]]),
    ("Conv", ["group": .int(-2)], [image, [4, 4, 3, 3]]),
    ("Conv", ["group": .int(3)], [image, [4, 1, 3, 3]]),
    ("Conv", ["group": .int(Int64.max)], [image, [4, 4, 3, 3]]),
    ("Conv", ["group": .int(4)], [image, [6, 1, 3, 3]]),
    ("Conv", ["kernel_shape": .ints([2, 2])], [image, [4, 4, 3, 3]]),
    ("Conv", ["auto_pad": text("SAME")], [image, [4, 4, 3, 3]]),
    ("Conv", ["strides": .int(1)], [image, [4, 4, 3, 3]]),
    ("Conv", [:], [image, [4, 3, 3, 3]]),
    ("Conv", [:], [image, [4, 4, 0, 3]]),
    ("Conv", [:], [image, [4, 4, 9, 9]]),
    ("Conv", [:], [image, [4, 4, 3]]),
    ("Conv", [:], [[4, 8], [4, 8]]),
    ("Conv", [:], [[1, 4, 8, 8, 8, 8], [4, 4, 3, 3, 3, 3]]),
    ("Conv", [:], [image, [4, 4, 3, 3], [5]]),
    ("Conv", [:], [image, nil]),
    ("Conv", [:], [image]),
    ("ConvTranspose", ["output_padding": .ints([1, 1])], [image, [4, 4, 3, 3]]),
    ("ConvTranspose", ["output_shape": .ints([-1, 5])], [image, [4, 4, 3, 3]]),
    ("ConvTranspose", ["output_shape": .ints([5])], [image, [4, 4, 3, 3]]),
    ("ConvTranspose", ["pads": .ints([9, 9, 9, 9])], [image, [4, 4, 3, 3]]),
    ("ConvTranspose", ["strides": .ints([huge - 1, 1])], [image, [4, 4, 3, 3]]),
    ("ConvTranspose", ["group": .int(3)], [image, [4, 4, 3, 3]]),
    ("ConvTranspose", [:], [image, [5, 4, 3, 3]]),
    ("MaxPool", [:], [image]),
    ("MaxPool", ["kernel_shape": .ints([0, 2])], [image]),
    ("MaxPool", ["kernel_shape": .ints([Int64.max, 2])], [image]),
    ("MaxPool", ["kernel_shape": .ints([9, 9])], [image]),
    ("MaxPool", ["kernel_shape": .ints([2])], [image]),
    ("MaxPool", ["kernel_shape": .ints([2, 2]), "pads": .ints([2, 0, 0, 0])], [image]),
    ("MaxPool", ["kernel_shape": .ints([2, 2]), "storage_order": .int(2)], [image]),
    ("AveragePool", ["kernel_shape": .ints([2, 2]), "strides": .ints([0, 0])], [image]),
    ("AveragePool", ["kernel_shape": .ints([2, 2]), "dilations": .ints([huge, huge])], [image]),
    ("AveragePool", ["kernel_shape": .ints([-1, -1])], [image]),
    ("LpPool", ["kernel_shape": .ints([2, 2]), "p": .int(0)], [image]),
    ("GlobalLpPool", ["p": .int(-3)], [image]),
    ("GlobalMaxPool", [:], [[3]]),
]
