import ApusDevice
import ApusGraph
import ApusOperators
package import ApusTensor

/// A node's bias and epilogue as the text that stands before a tile kernel, and the arguments that follow its own.
///
/// The text defines `EPILOGUE_ARGUMENTS` and `EPILOGUE` as `Kernels/epilogue.cl` describes them.
package struct EpilogueSource: Sendable, Hashable {
    /// Which axes of the output a kernel names by (n, d, y, x, c).
    package struct Coordinates: Sendable, Hashable {
        /// The axes behind n, d, y and x; more than one where the kernel walks them as a single axis.
        package var outer: [[Int]]
        /// The axis behind c; `nil` where the kernel has a single channel.
        package var channel: Int?

        package init(outer: [[Int]], channel: Int?) {
            self.outer = outer
            self.channel = channel
        }

        /// `[n, c, spatial...]` with up to three spatial axes.
        package static func channels(rank: Int) -> Coordinates {
            let spatial = (2..<max(rank, 2)).map { [$0] }
            return Coordinates(
                outer: [[0]] + [[Int]](repeating: [], count: max(0, 3 - spatial.count)) + spatial,
                channel: 1
            )
        }

        /// `[batch..., rows, columns]` of a matrix product: n = batch, x = row, c = column.
        package static func matrix(rank: Int) -> Coordinates {
            Coordinates(
                outer: [Array(0..<max(0, rank - 2)), [], [], rank >= 2 ? [rank - 2] : []],
                channel: rank >= 1 ? rank - 1 : nil
            )
        }
    }

    /// What stands before the kernel file; empty without an epilogue.
    package private(set) var generated = ""
    /// `HAS_BIAS` and `CHANNELS_PADDED`, where they apply.
    package private(set) var defines: [String: String] = [:]
    package private(set) var arguments: [KernelArgument] = []
    /// Inputs of the node whose memory the output may take over.
    package private(set) var inPlaceInputs: [Int] = []
    /// The first operand, where it is a tensor of bytes: its element in OpenCL C and the arguments of `TYPED_TENSOR`.
    private var byteTensor: ByteTensor?

    private struct ByteTensor: Hashable {
        var element: String
        var arguments: [KernelArgument]
    }

    /// - Parameters:
    ///   - bias: one element a channel, of the output's type, added before the epilogue.
    ///   - isPadded: whether the output's channels may be written up to a multiple of 16; the operands decide as well.
    ///   - coordinates: `[n, c, spatial...]` unless given.
    ///   - bytes: whether the kernel reads operands of bytes and stores bytes, both as float32 in between.
    /// - Throws: `ModelError` with code `unsupported`, where the formula needs other arithmetic than float32, or an
    ///   operand is neither broadcast nor contiguous along the channels.
    package init(
        _ call: OperatorCall,
        bias: Operand? = nil,
        isPadded: Bool = false,
        coordinates: Coordinates? = nil,
        bytes: Bool = false
    ) throws(ModelError) {
        let output = try call.output(0)
        let coordinates = coordinates ?? .channels(rank: output.type.rank)
        var isPadded = isPadded
        let channels = coordinates.channel.map { output.type.shape[$0] } ?? 1
        if let bias {
            defines["HAS_BIAS"] = "1"
            arguments.append(bias.argument())
            isPadded = isPadded && channels % 16 == 0
        }
        defer { if isPadded { defines["CHANNELS_PADDED"] = "1" } }
        guard let epilogue = call.epilogue else { return }
        if !(bytes && output.type.elementType.isByte) { _ = try ElementStorage(output.type.elementType) }
        var names = [ExpressionPrinter.Value(text: "v", type: try KernelScalar(.float32))]
        var parameters = ""
        let expression =
            try bytes ? epilogue.expression.overFloat32() : epilogue.expression.computedInFloat32()
        let used = Set(expression.usedInputs)
        for (index, operand) in call.epilogueInputs.enumerated() {
            let name = "e\(index)"
            guard used.contains(index + 1), let operand else {
                names.append(ExpressionPrinter.Value(text: "0.0f", type: try KernelScalar(.float32)))
                continue
            }
            let stored = try Self.names(operand.type.elementType, bytes: bytes)
            if operand.type.elementCount == 1, let value = operand.value, let number = try value.doubles().first {
                parameters += " EPILOGUE_VALUE(\(name))"
                arguments.append(.float(Float(number)))
                names.append(ExpressionPrinter.Value(text: "((T)(\(name)))", type: try KernelScalar(.float32)))
                continue
            }
            let view = operand.view(broadcastTo: output.type.shape)
            var pitches = try Self.pitches(view, output.type.shape, coordinates)
            if operand.value == nil { Self.keepRows(of: view, output.type.shape, coordinates, &pitches) }
            let channel = coordinates.channel.map { output.type.shape[$0] == 1 ? 0 : view.pitches[$0] } ?? 0
            let kind: String
            switch (pitches.allSatisfy { $0 == 0 }, channel) {
            case (true, 0): kind = "SCALAR"
            case (true, 1): kind = "CHANNEL"
            case (false, 0): kind = "PIXEL"
            case (false, 1): kind = "TENSOR"
            default:
                throw ModelError(.unsupported, "an operand of the epilogue is not contiguous along the channels")
            }
            parameters +=
                stored.suffix.isEmpty ? " EPILOGUE_\(kind)(\(name))" : " TYPED_\(kind)(\(stored.element), \(name))"
            arguments.append(view.argument(.read))
            let load = stored.suffix.isEmpty ? "LOAD" : "LOAD##\(stored.suffix)"
            let place: String
            switch kind {
            case "SCALAR": place = "LOAD_LANE\(stored.suffix)(\(name) + \(name)_offset)"
            case "CHANNEL":
                isPadded = isPadded && channels % 16 == 0
                place = "AT_CHANNEL(\(load), \(name), c)"
            case "PIXEL":
                arguments += try intArguments(pitches)
                place = "LOAD_LANE\(stored.suffix)(PIXEL_ADDRESS(\(name), n, d, y, x))"
            default:
                isPadded = isPadded && (channels % 16 == 0 || operand.layout == output.layout)
                arguments += try intArguments(pitches)
                if index == 0, bytes, operand.type.elementType.isByte {
                    byteTensor = ByteTensor(
                        element: stored.element,
                        arguments: arguments.suffix(pitches.count + 1)
                    )
                }
                if operand.type == output.type { inPlaceInputs.append(call.anchorInputs.count + index) }
                place = "AT_TENSOR(\(load), \(name), n, d, y, x, c)"
            }
            names.append(ExpressionPrinter.Value(text: "((T)(\(place)))", type: try KernelScalar(.float32)))
        }
        if expression.isLongInline, !bytes || !expression.isShortArithmetic { defines["EPILOGUE_LOOP"] = "1" }
        var printed = expression
        if bytes, expression.isShortArithmetic {
            var numbers: [Double] = []
            printed = expression.withNumbersAsOperands(from: names.count, &numbers)
            for (index, number) in numbers.enumerated() {
                parameters += " EPILOGUE_VALUE(k\(index))"
                arguments.append(.float(Float(number)))
                names.append(ExpressionPrinter.Value(text: "((T)(k\(index)))", type: try KernelScalar(.float32)))
            }
        }
        let body = try Self.body(printed, names)
        generated = """
            #define EPILOGUE_ARGUMENTS\(parameters)
            #define EPILOGUE(T, LOAD, v, n, d, y, x, c) { \(body) }

            """
    }

    /// The epilogue of an integer kernel: as instructions where they do all of it, else as text.
    ///
    /// - Throws: `ModelError` as `init` does.
    init(
        _ call: OperatorCall,
        _ operands: IntegerOperands,
        isPadded: Bool = false,
        coordinates: Coordinates? = nil,
        _ context: LoweringContext
    ) throws(ModelError) {
        try self.init(call, isPadded: isPadded, coordinates: coordinates, bytes: true)
        guard context.integerModel(call) == .workItemTile,
            let requantization = operands.requantization(call, context)
        else { return }
        if requantization.residual != nil, byteTensor == nil { return }
        generated = ""
        defines["EPILOGUE_LOOP"] = nil
        defines["REQUANTIZE"] = "1"
        arguments = [.int(requantization.zeroPoint)]
        if let first = requantization.first {
            let range = first.type.integerRange
            defines["REQUANTIZE_FIRST"] = "1"
            arguments += [
                .int(Int(range.lowerBound) - first.parameters.zeroPoint),
                .int(Int(range.upperBound) - first.parameters.zeroPoint),
                .float(first.parameters.scale),
            ]
        }
        if let residual = requantization.residual, let byteTensor {
            defines["RESIDUAL"] = byteTensor.element
            arguments += [.int(residual.zeroPoint), .float(residual.scale)] + byteTensor.arguments
        }
    }

    /// A formula of one operand as the macro `NAME(T, v)`, which changes v in place, and whether it is too long to be
    /// written out for every register of a tile.
    ///
    /// - Throws: `ModelError` with code `unsupported`, where the formula needs other arithmetic than float32.
    static func macro(
        _ name: String,
        _ formula: PointwiseExpression
    ) throws(ModelError) -> (text: String, isLong: Bool) {
        let formula = try formula.computedInFloat32()
        let operand = ExpressionPrinter.Value(text: "v", type: try KernelScalar(.float32))
        return ("#define \(name)(T, v) { \(try body(formula, [operand])) }\n", formula.isLongInline)
    }

    /// The statements that give v the value of a formula.
    private static func body(
        _ formula: PointwiseExpression,
        _ operands: [ExpressionPrinter.Value]
    ) throws(ModelError) -> String {
        var printer = ExpressionPrinter(form: .generic, inputs: operands)
        let result = try printer.print(formula, as: .float32)
        guard result.type.elementType == .float32 else {
            throw ModelError(.unsupported, "the epilogue gives \(result.type.elementType), not float32")
        }
        return (printer.statements + ["v = \(result.text);"]).joined(separator: " ")
    }

    /// The suffix of the loads, and the type of an element in OpenCL C.
    private static func names(
        _ type: ElementType,
        bytes: Bool
    ) throws(ModelError) -> (suffix: String, element: String) {
        if bytes, type.isByte { return ("_CHAR", type == .int8 ? "char" : "uchar") }
        return try ElementStorage(type).names
    }

    /// Gives a single row its pitch, where an operand has rows at all: more rows then find the same program.
    private static func keepRows(
        of view: StridedView,
        _ shape: [Int],
        _ coordinates: Coordinates,
        _ pitches: inout [Int]
    ) {
        guard coordinates.outer.joined().allSatisfy({ shape[$0] == 1 }), let axis = coordinates.outer.last?.last else {
            return
        }
        pitches[pitches.count - 1] = view.pitches[axis]
    }

    /// The distances along n, d, y and x; where x has extent 1 that of the axis around it, so that x may stand for it.
    private static func pitches(
        _ view: StridedView,
        _ shape: [Int],
        _ coordinates: Coordinates
    ) throws(ModelError) -> [Int] {
        var result: [Int] = []
        for axes in coordinates.outer {
            let space = IterationSpace(shape: shape, order: axes, pitches: [view.pitches])
            guard space.extents.count == 1 else {
                throw ModelError(.unsupported, "an operand of the epilogue repeats within the batch")
            }
            result.append(space.pitches[0][0])
        }
        let order = coordinates.outer.flatMap { $0 }
        if coordinates.outer.last?.allSatisfy({ shape[$0] == 1 }) ?? false, !result.isEmpty {
            let space = IterationSpace(shape: shape, order: order, pitches: [view.pitches])
            result[result.count - 1] = space.pitches[0][space.extents.count - 1]
        }
        return result
    }

    /// Whether every operand can be read with the output's batch and spatial axes walked as a single row x.
    package static func addressesSingleRow(_ call: OperatorCall) -> Bool {
        guard let output = call.outputs.first ?? nil, output.type.rank >= 2 else { return false }
        let shape = output.type.shape
        let order = [0] + Array(2..<shape.count)
        return call.epilogueInputs.allSatisfy { operand in
            guard let operand else { return true }
            let view = operand.view(broadcastTo: shape)
            let space = IterationSpace(shape: shape, order: order, pitches: [view.pitches])
            return space.extents.count == 1
        }
    }

    /// The layouts to ask of the epilogue's operands, for a kernel with a channels-last or a canonical output.
    package static func layoutRequests(_ call: OperatorCall, channelsLast: Bool = true) -> [LayoutRequest] {
        call.epilogueInputs.map { operand in
            guard let operand else { return .any }
            return channelsLast && operand.type.rank >= 3 && operand.type.shape[1] > 1 ? .channelsLast : .canonical
        }
    }
}

extension PointwiseExpression {
    /// The formula over float32 operands: what is rounded to 16 bits in between is left as it is.
    ///
    /// - Throws: `ModelError` with code `invalidModel` where types do not fit together.
    fileprivate func computedInFloat32() throws(ModelError) -> PointwiseExpression {
        switch self {
        case .input, .constant: return self
        case .unary(let function, let a): return .unary(function, try a.computedInFloat32())
        case .binary(let function, let a, let b):
            return .binary(function, try a.computedInFloat32(), try b.computedInFloat32())
        case .select(let a, let b, let c):
            return .select(try a.computedInFloat32(), try b.computedInFloat32(), try c.computedInFloat32())
        case .cast(let type, let a):
            let operand = try a.computedInFloat32()
            guard [.float32, .float16, .bfloat16].contains(type) else { return .cast(type, operand) }
            let inputs = [ElementType](repeating: .float32, count: operand.inputCount)
            return try operand.resultType(inputs) ?? .float32 == .float32 ? operand : .cast(.float32, operand)
        }
    }

    /// Whether the formula is too long to be written out for every register of a tile.
    fileprivate var isLongInline: Bool {
        if let (_, x) = logisticQuotient { return x.isLongInline }
        return switch self {
        case .input, .constant: false
        case .unary(let function, let a):
            switch function {
            case .negate, .absolute, .sqrt, .floor, .ceil, .round, .isNaN, .logicalNot: a.isLongInline
            default: true
            }
        case .cast(_, let a): a.isLongInline
        case .binary(let function, let a, let b):
            function == .power || function == .modulo || function == .remainder || operationCount > 8
                || a.isLongInline || b.isLongInline
        case .select(let a, let b, let c): operationCount > 8 || a.isLongInline || b.isLongInline || c.isLongInline
        }
    }
}
