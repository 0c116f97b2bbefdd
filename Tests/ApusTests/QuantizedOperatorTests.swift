import Apus
import ApusGraph
import ApusOperators
import ApusTensor
import Testing

@testable import ApusONNX

/// ONNX Runtime's own quantized operators, with the answers of ONNX Runtime 1.32.
@Suite struct QuantizedOperatorTests {
    struct Example: Sendable, CustomTestStringConvertible {
        var name: String
        var attributes: [String: AttributeValue] = [:]
        var operands: [Tensor]
        /// Which operand is the model's input; the others are constants.
        var input = 0
        var answer: Tensor

        var testDescription: String { name + attributes.keys.sorted().map { " " + $0 }.joined() }
    }

    @Test(arguments: [DeviceSelection.reference, .openCL(0)], try examples())
    func answersAreThoseOfONNXRuntime(_ device: DeviceSelection, _ example: Example) throws {
        let session = try Session(Self.model(example), options: Session.Options(device: device))
        let found = try session.answer(["input": .tensor(example.operands[example.input])])
        #expect(found.type == example.answer.type)
        if example.answer.elementType == .float32 {
            for (a, b) in zip(try found.floats(), try example.answer.floats()) { #expect(abs(a - b) < 1e-5) }
        } else {
            #expect(try found.integers() == example.answer.integers())
        }
    }

    @Test func whatHasNoCounterpartIsRefused() throws {
        let pool = try #require(try Self.examples().first { $0.name == "QLinearGlobalAveragePool" })
        func expectError(_ code: ModelError.Code, _ words: String, _ change: (inout Example) throws -> Void) throws {
            var example = pool
            try change(&example)
            let error = try #require(#expect(throws: ModelError.self) { try Self.model(example) })
            #expect(error.code == code)
            #expect(error.operatorType == pool.name)
            #expect(error.description.contains(words), "\(error)")
        }
        try expectError(.unsupported, "channels") { $0.attributes["channels_last"] = .int(1) }
        try expectError(.unsupported, "zero point") { $0.operands.removeLast() }
        try expectError(.invalidModel, "missing") { $0.operands = Array($0.operands.prefix(1)) }
    }

    private static func model(_ example: Example) throws -> Model {
        var graph = Graph()
        let operands = example.operands.enumerated().map { index, tensor in
            index == example.input
                ? graph.addInput("input", type: ValueType(.tensor(tensor)))
                : graph.addConstant("operand\(index)", .tensor(tensor))
        }
        graph.outputs = graph.addNode(
            example.name,
            domain: "com.microsoft",
            name: "node",
            inputs: operands,
            attributes: example.attributes,
            outputNames: ["answer"]
        )
        return try Model.load(bytes: ONNXExporter.bytes(of: graph))
    }

    private static func examples() throws -> [Example] {
        func bytes(_ shape: [Int], _ elements: [UInt8]) throws -> Tensor { try Tensor(shape: shape, elements) }
        func parameters(_ scale: Float, _ zeroPoint: UInt8) -> [Tensor] {
            [Tensor(scalar: scale), Tensor(scalar: zeroPoint)]
        }
        let a = try bytes(
            [2, 2, 4],
            [106, 152, 249, 131, 184, 200, 0, 21, 253, 147, 202, 107, 249, 169, 138, 149]
        )
        let b = try bytes([2, 1], [119, 166])
        let c = try bytes([2, 1, 4], [69, 104, 110, 97, 157, 106, 152, 251])
        let image = try bytes(
            [1, 2, 3, 3],
            [224, 148, 172, 93, 167, 142, 248, 26, 81, 218, 150, 66, 2, 191, 60, 129, 179, 90]
        )
        let scores = try bytes([1, 3, 4], [106, 152, 149, 131, 120, 100, 110, 121, 153, 147, 132, 107])
        let (first, second) = (parameters(0.03, 120), parameters(0.05, 7))
        let (wide, narrow, unit) = (parameters(0.11, 100), parameters(0.05, 50), parameters(1 / 256, 0))

        let rows = try bytes([2, 4], [62, 7, 248, 171, 33, 123, 79, 176])
        let weights: [Int8] = [-91, -108, -34, -79, 21, -1, 78, 116, -100, -9, -74, -128]
        let transposed = (0..<12).map { weights[$0 % 3 * 4 + $0 / 3] }
        let bias = Tensor(vector: [-2296, -2726, -1604] as [Int32])
        let channels = [
            try Tensor(shape: [3, 4], weights), Tensor(vector: [0.01, 0.02, 0.015] as [Float]),
            Tensor(vector: [0, 0, 0] as [Int8]), bias,
        ]
        let whole = [
            try Tensor(shape: [4, 3], transposed), Tensor(scalar: Float(0.02)), Tensor(scalar: Int8(3)), bias,
        ]
        return [
            Example(
                name: "QLinearAdd",
                operands: [a] + first + [b] + second + wide,
                answer: try bytes(
                    a.shape,
                    [147, 160, 186, 154, 190, 194, 140, 145, 187, 158, 173, 147, 207, 186, 177, 180]
                )
            ),
            Example(
                name: "QLinearMul",
                operands: [a] + first + [b] + second + wide,
                answer: try bytes(a.shape, [79, 149, 255, 117, 239, 255, 0, 0, 255, 141, 225, 80, 255, 206, 139, 163])
            ),
            Example(
                name: "QLinearSigmoid",
                operands: [a] + first + unit,
                answer: try bytes(
                    a.shape,
                    [102, 185, 251, 149, 223, 235, 7, 12, 251, 177, 236, 103, 251, 208, 162, 180]
                )
            ),
            Example(
                name: "QLinearLeakyRelu",
                attributes: ["alpha": .float(0.25)],
                operands: [a] + first + narrow,
                answer: try bytes(a.shape, [48, 69, 127, 57, 88, 98, 32, 35, 130, 66, 99, 48, 127, 79, 61, 67])
            ),
            Example(
                name: "QLinearGlobalAveragePool",
                operands: [image] + first + narrow,
                answer: try bytes([1, 2, 1, 1], [65, 50])
            ),
            Example(
                name: "QLinearAveragePool",
                attributes: ["kernel_shape": .ints([2, 2]), "strides": .ints([1, 1])],
                operands: [image] + first + narrow,
                answer: try bytes([1, 2, 2, 2], [73, 72, 58, 40, 62, 48, 53, 56])
            ),
            Example(
                name: "QLinearConcat",
                attributes: ["axis": .int(1)],
                operands: wide + [a] + first + [c] + second,
                input: 2,
                answer: try bytes(
                    [2, 3, 4],
                    [
                        96, 109, 135, 103, 117, 122, 67, 73, 128, 144, 147, 141, 136, 107, 122, 96, 135, 113, 105, 108,
                        168, 145, 166, 211,
                    ]
                )
            ),
            Example(
                name: "QLinearSoftmax",
                attributes: ["axis": .int(-1), "opset": .int(13)],
                operands: [scores] + first + unit,
                answer: try bytes(scores.shape, [24, 95, 87, 51, 77, 42, 57, 79, 98, 82, 52, 25])
            ),
            Example(
                name: "QLinearSoftmax",
                attributes: ["axis": .int(1), "opset": .int(11)],
                operands: [scores] + first + unit,
                answer: try bytes(scores.shape, [10, 38, 35, 20, 15, 8, 11, 15, 40, 33, 21, 10])
            ),
            Example(
                name: "QGemm",
                attributes: ["transB": .int(1)],
                operands: [rows] + first + channels + wide,
                answer: try bytes([2, 3], [119, 166, 56, 106, 93, 112])
            ),
            Example(
                name: "QGemm",
                attributes: ["transB": .int(1), "alpha": .float(0.5)],
                operands: [rows] + first + channels + wide,
                answer: try bytes([2, 3], [109, 133, 78, 103, 97, 106])
            ),
            Example(
                name: "QGemm",
                operands: [rows] + first + whole,
                answer: try Tensor(
                    shape: [2, 3],
                    [4.0685997, 7.2269998, -6.4865994, 1.4843999, -0.6306, 1.8851999] as [Float]
                )
            ),
        ]
    }
}
