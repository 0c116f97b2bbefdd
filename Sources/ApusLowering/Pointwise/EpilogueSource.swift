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

    /// - Parameters:
    ///   - bias: one float a channel, added before the epilogue.
    ///   - isPadded: whether the output's channels may be written up to a multiple of 16; the operands decide as well.
    ///   - coordinates: `[n, c, spatial...]` unless given.
    /// - Throws: `ModelError` with code `unsupported`, where the formula computes with other types than float32, or an
    ///   operand is neither broadcast nor contiguous along the channels.
    package init(
        _ call: OperatorCall,
        bias: Operand? = nil,
        isPadded: Bool = false,
        coordinates: Coordinates? = nil
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
        guard output.type.elementType == .float32 else {
            throw ModelError(.unsupported, "the epilogue stores \(output.type.elementType), not float32")
        }
        var names = [ExpressionPrinter.Value(text: "v", type: try KernelScalar(.float32))]
        var parameters = ""
        let used = Set(epilogue.expression.usedInputs)
        for (index, operand) in call.epilogueInputs.enumerated() {
            let name = "e\(index)"
            guard used.contains(index + 1), let operand else {
                names.append(ExpressionPrinter.Value(text: "0.0f", type: try KernelScalar(.float32)))
                continue
            }
            guard operand.type.elementType == .float32 else {
                throw ModelError(.unsupported, "an operand of the epilogue is \(operand.type.elementType), not float32")
            }
            if operand.type.elementCount == 1, let value = operand.value,
                let number = value.withUnsafeBytes({ $0.isEmpty ? nil : $0.loadUnaligned(as: Float.self) })
            {
                parameters += " EPILOGUE_VALUE(\(name))"
                arguments.append(.float(number))
                names.append(ExpressionPrinter.Value(text: "((T)(\(name)))", type: try KernelScalar(.float32)))
                continue
            }
            let view = operand.view(broadcastTo: output.type.shape)
            let pitches = try Self.pitches(view, output.type.shape, coordinates)
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
            parameters += " EPILOGUE_\(kind)(\(name))"
            arguments.append(view.argument(.read))
            let place: String
            switch kind {
            case "SCALAR": place = "AT_SCALAR(\(name))"
            case "CHANNEL":
                isPadded = isPadded && channels % 16 == 0
                place = "AT_CHANNEL(LOAD, \(name), c)"
            case "PIXEL":
                arguments += try intArguments(pitches)
                place = "AT_PIXEL(\(name), n, d, y, x)"
            default:
                isPadded = isPadded && (channels % 16 == 0 || operand.layout == output.layout)
                arguments += try intArguments(pitches)
                if operand.type.shape == output.type.shape { inPlaceInputs.append(call.anchorInputs.count + index) }
                place = "AT_TENSOR(LOAD, \(name), n, d, y, x, c)"
            }
            names.append(ExpressionPrinter.Value(text: "((T)(\(place)))", type: try KernelScalar(.float32)))
        }
        if epilogue.expression.isLongInline { defines["EPILOGUE_LOOP"] = "1" }
        var printer = ExpressionPrinter(form: .generic, inputs: names)
        let result = try printer.print(epilogue.expression, as: .float32)
        guard result.type.elementType == .float32 else {
            throw ModelError(.unsupported, "the epilogue gives \(result.type.elementType), not float32")
        }
        let body = (printer.statements + ["v = \(result.text);"]).joined(separator: " ")
        generated = """
            #define EPILOGUE_ARGUMENTS\(parameters)
            #define EPILOGUE(T, LOAD, v, n, d, y, x, c) { \(body) }

            """
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
    /// Whether the formula is too long to be written out for every register of a tile.
    fileprivate var isLongInline: Bool {
        switch self {
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
