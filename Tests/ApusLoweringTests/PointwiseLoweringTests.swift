import ApusDevice
import ApusGraph
import ApusLowering
import ApusOperators
import ApusTensor
import Testing

/// A CPU with 16 lanes and a GPU, as lowering sees them.
enum TestDevice: String, CaseIterable, Sendable {
    case tile, group

    var context: LoweringContext {
        LoweringContext(
            device: DeviceInfo(
                name: rawValue,
                kind: self == .tile ? .cpu : .gpu,
                computeUnits: 8,
                vectorWidth: self == .tile ? 16 : 4,
                supportsDouble: true
            )
        )
    }
}

/// A call of one operator whose operands have canonical layouts unless others are given.
func makeCall(
    _ node: Node,
    _ inputs: [TensorType],
    values: [Int: Tensor] = [:],
    layouts: [Int: Layout] = [:],
    outputLayout: Layout? = nil
) throws -> OperatorCall {
    let op = try OperatorTable.standard.makeOperator(node)
    let facts = inputs.enumerated().map { index, type -> ValueFact? in .tensor(type, values[index]) }
    let types = try op.infer(facts).compactMap(\.type)
    return OperatorCall(
        node: node,
        anchor: (op as? FusedOperator)?.anchor ?? op,
        inputs: inputs.enumerated().map { index, type in
            Operand(
                id: ValueID(index),
                type: type,
                layout: layouts[index] ?? .canonical(type.shape),
                value: values[index]
            )
        },
        outputs: types.enumerated().map { index, type in
            Operand(id: ValueID(100 + index), type: type, layout: outputLayout ?? .canonical(type.shape))
        }
    )
}

func node(_ operatorType: String, inputs: Int, outputs: Int = 1, _ attributes: [String: AttributeValue] = [:]) -> Node {
    Node(
        operatorType: operatorType,
        inputs: (0..<inputs).map { ValueID($0) },
        outputs: (0..<outputs).map { ValueID(100 + $0) },
        attributes: Attributes(attributes)
    )
}

@Suite struct PointwiseLoweringTests {
    func lowered(_ shapes: [[Int]], _ device: TestDevice = .tile, _ operatorType: String = "Add") throws -> LoweredNode
    {
        let call = try makeCall(node(operatorType, inputs: shapes.count), shapes.map { TensorType(.float32, $0) })
        return try PointwiseLowering.lower(call, device.context)
    }

    @Test func printsVectorsThenScalars() throws {
        let text = try #require(lowered([[2, 3, 40], [40]]).launches.first).program.generated
        #expect(text.hasPrefix("#pragma OPENCL FP_CONTRACT OFF\n"))
        #expect(text.contains("const float16 x0 = vload16(0, q0 + i);"))
        #expect(text.contains("const float16 t0 = (x0 + x1);"))
        #expect(text.contains("STORE_LANES(float, 16, t0, q2 + i)"))
        #expect(text.contains("const float x0 = q0[i];"))
    }

    @Test(arguments: TestDevice.allCases)
    func newShapeBuildsNoProgram(_ device: TestDevice) throws {
        let first = try lowered([[2, 3, 40], [40]], device)
        let second = try lowered([[5, 7, 333], [333]], device)
        let single = try lowered([[1, 1, 40], [40]], device)
        #expect(first.launches.map(\.program) == second.launches.map(\.program))
        #expect(first.launches.map(\.program) == single.launches.map(\.program))
        #expect(first.launches.map(\.arguments) != second.launches.map(\.arguments))
    }

    @Test func mergesAxesOfEqualLayouts() throws {
        let launch = try #require(lowered([[4, 5, 6], [4, 5, 6]]).launches.first)
        #expect(Array(launch.arguments[3...5]) == [.int(1), .int(1), .int(120)])
        #expect(launch.kernel == "pointwise")
    }

    @Test func takesOverInputsOfTheOutputsShape() throws {
        #expect(try lowered([[4, 5], [5]]).inPlaceInputs == [0])
        #expect(try lowered([[4, 5], [4, 5]]).inPlaceInputs == [0, 1])
    }

    @Test func launchesNothingForAnEmptyRegion() throws {
        #expect(try lowered([[4, 0], [4, 0]]).launches.isEmpty)
    }

    @Test func integerDivisionStaysScalarAndGuarded() throws {
        let call = try makeCall(node("Div", inputs: 2), [TensorType(.int32, [64]), TensorType(.int32, [64])])
        let text = try #require(PointwiseLowering.lower(call, TestDevice.tile.context).launches.first).program.generated
        #expect(!text.contains("vload"))
        #expect(text.contains("(x1 == 0 ? 0 : x1 == -1 ? -x0 : x0 / x1)"))
    }

    @Test func composesTheEpilogue() throws {
        var anchor = node("Mul", inputs: 3)
        anchor.epilogue = Epilogue(expression: .maximum(.input(0) + .input(1), .constant(0)), inputCount: 1)
        let call = try makeCall(anchor, [8, 8, 8].map { TensorType(.float32, [$0]) })
        let text = try #require(PointwiseLowering.lower(call, TestDevice.tile.context).launches.first).program.generated
        #expect(text.contains("const float t0 = (x0 * x1);\nconst float t1 = (t0 + x2);"))
    }
}

@Suite struct EpilogueSourceTests {
    @Test func namesOperandsByHowTheyBroadcast() throws {
        var anchor = node("GlobalAveragePool", inputs: 4)
        anchor.epilogue = Epilogue(
            expression: .maximum(.input(0) * .input(1) + .input(2) + .input(3), .constant(0)),
            inputCount: 3
        )
        let shapes = [[2, 32, 5, 7], [1, 32, 1, 1], [2, 32, 1, 1], [1, 1, 1, 1]]
        let call = try makeCall(
            anchor,
            shapes.map { TensorType(.float32, $0) },
            values: [3: Tensor(zeros: TensorType(.float32, [1, 1, 1, 1]))],
            layouts: [2: .channelsLast([2, 32, 1, 1])],
            outputLayout: .channelsLast([2, 32, 1, 1])
        )
        let source = try EpilogueSource(call)
        #expect(source.generated.contains("EPILOGUE_CHANNEL(e0) EPILOGUE_TENSOR(e1) EPILOGUE_VALUE(e2)"))
        #expect(source.generated.contains("AT_CHANNEL(LOAD, e0, c)"))
        #expect(source.arguments.count == 1 + 5 + 1)
        #expect(source.inPlaceInputs == [2])
    }

    @Test func refusesOtherTypes() throws {
        var anchor = node("Relu", inputs: 1)
        anchor.epilogue = Epilogue(expression: .cast(.int32, .input(0)), inputCount: 0)
        let call = try makeCall(anchor, [TensorType(.float32, [2, 16, 4, 4])])
        #expect(throws: ModelError.self) { try EpilogueSource(call) }
    }
}
