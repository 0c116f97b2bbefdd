import ApusCompiler
import ApusGraph
import ApusLowering
import ApusOperators
import ApusTensor
import Testing

@Suite struct BatchNormalizationPassTests {
    private func normalized(_ check: inout PassCheck, _ x: ValueID, channels: Int) throws -> ValueID {
        let positive = try Tensor(shape: [channels], (0..<channels).map { Float($0) * 0.5 + 0.25 })
        return check.node(
            "BatchNormalization",
            [
                x, try check.weights([channels], seed: 2), try check.weights([channels], seed: 3),
                try check.weights([channels], seed: 4), check.constant(positive),
            ],
            ["epsilon": .float(1e-3)]
        )
    }

    enum Producer: CaseIterable { case conv, biasedConv, groupedConv, convTranspose, groupedConvTranspose }

    @Test(arguments: Producer.allCases)
    func convolutionsTakeItIn(_ producer: Producer) throws {
        var check = PassCheck()
        let x = try check.input([2, 4, 5, 6])
        let y: ValueID
        switch producer {
        case .conv: y = check.node("Conv", [x, try check.weights([6, 4, 3, 3])])
        case .biasedConv:
            y = check.node("Conv", [x, try check.weights([6, 4, 3, 3]), try check.weights([6], seed: 9)])
        case .groupedConv: y = check.node("Conv", [x, try check.weights([6, 2, 3, 3])], ["group": .int(2)])
        case .convTranspose:
            y = check.node("ConvTranspose", [x, try check.weights([4, 6, 3, 3]), try check.weights([6], seed: 9)])
        case .groupedConvTranspose:
            y = check.node("ConvTranspose", [x, try check.weights([4, 3, 3, 3])], ["group": .int(2)])
        }
        let output = try normalized(&check, y, channels: 6)
        check.graph.outputs = [output]
        let result = try check.run([.batchNormalization, .deadCode], bound: false)
        #expect(
            result.operators == [
                producer == .convTranspose || producer == .groupedConvTranspose ? "ConvTranspose" : "Conv"
            ]
        )
        #expect(result.nodes[0].outputs == [output] && result.nodes[0].inputs.count == 3)
        #expect(result.constants.count == 2)
    }

    @Test(arguments: [false, true], [Optional<[Int]>.none, [5], [1, 5], [1], []])
    func gemmTakesItIn(transposed: Bool, bias: [Int]?) throws {
        var check = PassCheck()
        let x = try check.input([3, 4])
        let y = check.node(
            "Gemm",
            [x, try check.weights(transposed ? [5, 4] : [4, 5])]
                + (try bias.map { [try check.weights($0, seed: 8)] } ?? []),
            ["transB": .int(transposed ? 1 : 0), "alpha": .float(0.5), "beta": .float(2)]
        )
        check.graph.outputs = [try normalized(&check, y, channels: 5)]
        #expect(try check.run([.batchNormalization]).operators == ["Gemm"])
    }

    @Test func aloneItBecomesAFormula() throws {
        var check = PassCheck()
        let x = try check.input([2, 4, 5, 6])
        check.graph.outputs = [try normalized(&check, x, channels: 4)]
        #expect(try check.run([.batchNormalization]).operators == ["apus.Pointwise"])
    }

    @Test func unknownRanksAreLeftAlone() throws {
        var check = PassCheck()
        let x = check.graph.addInput("x", type: .tensor(.float32, nil))
        check.inputs = [.tensor(try PassCheck.tensor([2, 4, 5], seed: 1))]
        check.graph.outputs = [try normalized(&check, x, channels: 4)]
        #expect(try check.run([.batchNormalization], bound: false).operators == ["BatchNormalization"])
    }

    enum Refusal: CaseIterable { case variableWeights, variableScale, readers, output }

    @Test(arguments: Refusal.allCases)
    func otherReadersAndVariablesKeepTheWeights(_ refusal: Refusal) throws {
        var check = PassCheck()
        let x = try check.input([2, 4, 5, 6])
        let weights = try check.weights([6, 4, 1, 1])
        let y = check.node("Conv", [x, weights])
        let output = try normalized(&check, y, channels: 6)
        check.graph.outputs = [output]
        switch refusal {
        case .variableWeights: check.graph.variables = [weights]
        case .variableScale: check.graph.variables = [try #require(check.graph.nodes[1].inputs[1])]
        case .readers: check.graph.outputs.append(check.node("Relu", [y]))
        case .output: check.graph.outputs.append(y)
        }
        let result = try check.run([.batchNormalization])
        #expect(result.nodes[0].inputs == [x, weights])
        #expect(result.operators[1] == (refusal == .variableScale ? "BatchNormalization" : "apus.Pointwise"))
    }
}

@Suite struct PadPassTests {
    private func padded(_ check: inout PassCheck, _ pads: [Int64], value: Float? = nil) throws -> ValueID {
        let x = try check.input([1, 2, 5, 6])
        let amounts = check.constant(Tensor(vector: pads))
        return check.node("Pad", [x, amounts] + (value.map { [check.constant(Tensor(scalar: $0))] } ?? []))
    }

    @Test(arguments: [Optional<Float>.none, 0])
    func zerosGoIntoTheConvolution(value: Float?) throws {
        var check = PassCheck()
        let x = try padded(&check, [0, 0, 1, 2, 0, 0, 0, 3], value: value)
        check.graph.outputs = [
            check.node("Conv", [x, try check.weights([3, 2, 3, 3])], ["pads": .ints([1, 0, 0, 1])])
        ]
        let result = try check.run([.pad], bound: false)
        #expect(result.operators == ["Conv"])
        #expect(try result.nodes[0].attributes.ints("pads") == [2, 2, 0, 4])
    }

    @Test func zerosGoIntoTheAveragePooling() throws {
        var check = PassCheck()
        let x = try padded(&check, [0, 0, 1, 1, 0, 0, 1, 1])
        check.graph.outputs = [check.node("AveragePool", [x], ["kernel_shape": .ints([3, 3])])]
        #expect(try check.run([.pad]).operators == ["AveragePool"])
    }

    enum Refusal: CaseIterable { case value, channels, negative, automatic }

    @Test(arguments: Refusal.allCases)
    func otherPaddingStays(_ refusal: Refusal) throws {
        var check = PassCheck()
        let x: ValueID
        var attributes: [String: AttributeValue] = [:]
        var channels = 2
        switch refusal {
        case .value: x = try padded(&check, [0, 0, 1, 1, 0, 0, 1, 1], value: 1)
        case .channels:
            x = try padded(&check, [0, 1, 1, 1, 0, 0, 1, 1])
            channels = 3
        case .negative: x = try padded(&check, [0, 0, -1, 1, 0, 0, 1, 1])
        case .automatic:
            x = try padded(&check, [0, 0, 1, 1, 0, 0, 1, 1])
            attributes["auto_pad"] = .string(Array("SAME_UPPER".utf8))
        }
        check.graph.outputs = [check.node("Conv", [x, try check.weights([3, channels, 3, 3])], attributes)]
        #expect(try check.run([.pad]).operators == ["Pad", "Conv"])
    }
}

@Suite struct ShapePassTests {
    @Test func shapeArithmeticDisappears() throws {
        var check = PassCheck()
        let x = try check.input([2, 3, 4])
        let shape = check.node("Shape", [x], ["start": .int(-2)])
        let product = check.node("ReduceProd", [shape], ["keepdims": .int(1)])
        let batch = check.node("Shape", [x], ["end": .int(1)])
        let target = check.node("Concat", [batch, product], ["axis": .int(0)])
        check.graph.outputs = [check.node("Reshape", [x, target]), check.node("Size", [x])]
        let result = try check.run([.shape, .constants, .deadCode], bound: false)
        #expect(result.operators == ["Reshape"])
    }

    @Test func symbolsStayUntilTheyAreBound() throws {
        var check = PassCheck()
        let x = check.graph.addInput("x", type: .tensor(.float32, [.symbol("n"), .known(3)]))
        check.inputs = [.tensor(try PassCheck.tensor([2, 3], seed: 1))]
        check.graph.outputs = [check.node("Shape", [x])]
        #expect(try check.run([.shape], bound: false).nodes.count == 1)
        #expect(try check.run([.shape]).nodes.isEmpty)
    }
}

@Suite struct FoldingBombTests {
    enum Bomb: CaseIterable { case constantOfShape, expand, tile, range, chain, product }

    @Test(.timeLimit(.minutes(1)), arguments: Bomb.allCases)
    func bombsAreNotFolded(_ bomb: Bomb) throws {
        var check = PassCheck()
        func shape(_ extents: Int64...) -> Tensor { Tensor(vector: extents) }
        let small = try check.weights([1, 64])
        switch bomb {
        case .constantOfShape:
            check.graph.outputs = [
                check.node("ConstantOfShape", [check.constant(shape(1 << 20, 1 << 16))]),
                check.node("ConstantOfShape", [check.constant(shape(200 << 20))]),
            ]
        case .expand:
            check.graph.outputs = [check.node("Expand", [small, check.constant(shape(1 << 24, 64))])]
        case .tile:
            check.graph.outputs = [check.node("Tile", [small, check.constant(shape(1 << 40, 1 << 20))])]
        case .range:
            let bounds = [0, Int64.max, 1].map { check.constant(Tensor(scalar: $0)) }
            check.graph.outputs = [check.node("Range", bounds)]
        case .chain:
            var value = small
            for _ in 0..<30 { value = check.node("Concat", [value, value], ["axis": .int(0)]) }
            check.graph.outputs = [value]
        case .product:
            let column = check.constant(Tensor(zeros: TensorType(.float32, [4096, 4096])))
            check.graph.outputs = [check.node("MatMul", [column, column])]
        }
        let context = PassContext(foldingBytes: 64 << 20)
        let result = try PassPipeline.shapeFree.run(check.graph, context: context)
        #expect(!result.nodes.isEmpty)
        let bytes = result.constants.values.reduce(0) { $0 + ((try? $1.tensor().byteCount) ?? 0) }
        #expect(bytes <= 64 << 20 + 64 << 20)
    }
}

@Suite struct WinogradPassTests {
    private func mark(_ node: Node) throws -> Int? { try node.attributes.int(winogradTileAttribute) }

    @Test func onlySuitableConvolutionsAreMarked() throws {
        var check = PassCheck()
        let x = try check.input([1, 6, 9, 9])
        let attributes: [[String: AttributeValue]] = [
            [:], ["strides": .ints([1, 1]), "dilations": .ints([1, 1]), "pads": .ints([1, 0, 2, 1])],
            ["strides": .ints([2, 1])], ["dilations": .ints([1, 2])],
        ]
        var outputs = try attributes.map { check.node("Conv", [x, try check.weights([4, 6, 3, 3])], $0) }
        outputs.append(check.node("Conv", [x, try check.weights([4, 3, 3, 3])], ["group": .int(2)]))
        outputs.append(check.node("Conv", [x, try check.weights([4, 6, 1, 3])]))
        check.graph.outputs = outputs
        let result = try check.run([.winograd])
        #expect(try result.nodes.map(mark) == [4, 4, nil, nil, nil, nil])
        #expect(try check.run([.winograd], disabled: ["winograd"]).nodes.compactMap(mark).isEmpty)
    }

    @Test(arguments: [ElementType.float16, .bfloat16])
    func storageOf16BitsLeavesTheLargeTile(_ type: ElementType) throws {
        var check = PassCheck()
        let x = try check.input([1, 1024, 3, 3])
        let weights = try check.weights([1, 1024, 3, 3])
        check.graph.outputs = (0..<30).map { _ in check.node("Conv", [x, weights]) }
        let marks = try check.run([.precision(type), .winograd], tolerance: 0.1).nodes.compactMap(mark)
        #expect(marks == [Int](repeating: 4, count: 30))
    }

    @Test func theErrorBudgetLimitsTheLargeTile() throws {
        var check = PassCheck()
        let x = try check.input([1, 1024, 3, 3])
        let weights = try check.weights([1, 1024, 3, 3])
        check.graph.outputs = (0..<30).map { _ in check.node("Conv", [x, weights]) }
        let marks = try check.run([.winograd]).nodes.compactMap(mark)
        #expect(marks.count == 30 && marks.contains(4) && marks.contains(2))
    }
}
