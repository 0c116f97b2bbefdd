import ApusDevice
import ApusGraph
import ApusOperators
import ApusTensor

/// A batch of matrices inside an operand.
struct MatrixView {
    var operand: Operand
    /// Elements between rows, between columns, and between the matrices of the two batch levels.
    var rowPitch: Int
    var columnPitch: Int
    var batchPitches: [Int]

    /// The same matrices with rows and columns exchanged.
    var transposed: MatrixView {
        MatrixView(operand: operand, rowPitch: columnPitch, columnPitch: rowPitch, batchPitches: batchPitches)
    }
}

/// A matrix product as the kernels take it: C[n, d] = A[n, d] * B[n, d].
struct MatrixProblem {
    var rows: Int
    var columns: Int
    var depth: Int
    /// The extents of the two batch levels.
    var batch: [Int]
    var a: MatrixView
    var b: MatrixView
    var c: MatrixView
    /// What A and B hold.
    var storage: ElementStorage
    /// Whether C holds float32 though A and B hold less: its epilogue ends in float32.
    var widensResult: Bool
    /// The call with everything that follows the product in its epilogue.
    var call: OperatorCall
    /// The axes of the output behind the kernel's batch, row and column.
    var coordinates: EpilogueSource.Coordinates

    /// Whether the rows of A cannot be read where they lie.
    func packsRows(_ device: DeviceInfo) -> Bool {
        a.columnPitch != 1 || a.operand.type.elementType != .float32 && !usesPairs(device)
    }

    /// Whether pairs of bfloat16 are multiplied.
    func usesPairs(_ device: DeviceInfo) -> Bool {
        storage.multipliesPairs(device) && a.columnPitch == 1
    }

    /// The defines for what the matrices hold.
    func storageDefines(_ device: DeviceInfo) -> [String: String] {
        storage.defines(device).merging(widensResult ? ["FLOAT_RESULT": "1"] : [:]) { $1 }
    }

    private static func storage(
        _ call: OperatorCall
    ) throws(ModelError) -> (operands: ElementStorage, widensResult: Bool) {
        let operands = try ElementStorage(call.anchorInputs)
        let result = try ElementStorage(call.outputs)
        guard result == operands || result == .float32 else {
            throw ModelError(.unsupported, "no kernel that takes \(operands) and gives \(result)")
        }
        return (operands, result != operands)
    }

    /// Whether all matrices of a batch are multiplied by the same one.
    var sharesColumns: Bool { b.batchPitches.allSatisfy { $0 == 0 } }

    /// - Throws: `ModelError` with code `unsupported` for batches that two levels cannot walk.
    init(_ call: OperatorCall) throws(ModelError) {
        switch call.anchor {
        case let gemm as Gemm: try self.init(gemm, call)
        case is MatMul: try self.init(matMul: call)
        default: throw ModelError(.invalidModel, "the operator is no matrix product")
        }
    }

    private init(_ gemm: Gemm, _ call: OperatorCall) throws(ModelError) {
        (storage, widensResult) = try Self.storage(call)
        let a = Self.matrix(try call.input(0))
        let b = Self.matrix(try call.input(1))
        self.a = gemm.transposesA ? a.transposed : a
        self.b = gemm.transposesB ? b.transposed : b
        c = Self.matrix(try call.output(0))
        let shape = try call.output(0).type.shape
        (rows, columns) = (shape[0], shape[1])
        depth = try call.input(0).type.shape[gemm.transposesA ? 0 : 1]
        batch = [1, 1]
        coordinates = .matrix(rank: 2)
        let bias = call.anchorInputs.count > 2 ? call.inputs[2] : nil
        var product = PointwiseExpression.input(0)
        if gemm.alpha != 1 { product = .constant(Double(gemm.alpha)) * product }
        guard let bias else {
            self.call = call
            if gemm.alpha != 1 { self.call.append(product, operands: []) }
            return
        }
        let scaled: PointwiseExpression =
            gemm.beta == 1 ? .input(1) : .constant(Double(gemm.beta)) * .input(1)
        self.call = call
        self.call.append(product + scaled, operands: [bias])
    }

    private init(matMul call: OperatorCall) throws(ModelError) {
        (storage, widensResult) = try Self.storage(call)
        let left = try call.input(0)
        let right = try call.input(1)
        let output = try call.output(0)
        guard left.type.rank >= 2, right.type.rank >= 2 else {
            throw ModelError(.unsupported, "no kernel for a product with a vector")
        }
        let leftShape = left.type.shape
        let rightShape = right.type.shape
        self.call = call
        depth = leftShape[leftShape.count - 1]
        columns = rightShape[rightShape.count - 1]
        let batchShape = Array(output.type.shape.dropLast(2))
        let leftPitches = Self.batchPitches(left, batchShape)
        let rightPitches = Self.batchPitches(right, batchShape)
        let outputPitches = Self.batchPitches(output, batchShape)
        if rightPitches.allSatisfy({ $0 == 0 }), left.layout.isCanonical(leftShape),
            output.layout.isCanonical(output.type.shape), leftShape.dropLast(2).elementsEqual(batchShape)
        {
            rows = leftShape.dropLast().reduce(1, *)
            batch = [1, 1]
            a = MatrixView(operand: left, rowPitch: depth, columnPitch: 1, batchPitches: [0, 0])
            b = MatrixView(
                operand: right,
                rowPitch: right.layout.pitches[rightShape.count - 2],
                columnPitch: right.layout.pitches[rightShape.count - 1],
                batchPitches: [0, 0]
            )
            c = MatrixView(operand: output, rowPitch: columns, columnPitch: 1, batchPitches: [0, 0])
            let rank = output.type.rank
            coordinates = EpilogueSource.Coordinates(outer: [[], [], [], Array(0..<rank - 1)], channel: rank - 1)
            return
        }
        rows = leftShape[leftShape.count - 2]
        coordinates = .matrix(rank: output.type.rank)
        var extents = batchShape
        var pitches = [leftPitches, rightPitches, outputPitches]
        if batchShape.count == 2 {
            // Not merged: an operand of the epilogue may repeat along one of the two.
            coordinates.outer = [[0], [1], [], [2]]
        } else {
            let space = IterationSpace(shape: batchShape, order: Array(batchShape.indices), pitches: pitches)
            guard space.extents.count == 1 else {
                throw ModelError(
                    .unsupported,
                    "no kernel for a batch of \(space.extents.count) axes that cannot be merged"
                )
            }
            (extents, pitches) = (space.extents, space.pitches)
        }
        func two(_ values: [Int], _ missing: Int) -> [Int] {
            values + [Int](repeating: missing, count: 2 - values.count)
        }
        batch = two(extents, 1)
        func view(_ operand: Operand, _ index: Int) -> MatrixView {
            let rank = operand.type.rank
            return MatrixView(
                operand: operand,
                rowPitch: operand.layout.pitches[rank - 2],
                columnPitch: operand.layout.pitches[rank - 1],
                batchPitches: two(pitches[index], 0)
            )
        }
        a = view(left, 0)
        b = view(right, 1)
        c = view(output, 2)
    }

    private static func matrix(_ operand: Operand) -> MatrixView {
        MatrixView(
            operand: operand,
            rowPitch: operand.layout.pitches[0],
            columnPitch: operand.layout.pitches[1],
            batchPitches: [0, 0]
        )
    }

    /// The pitches of the leading axes of an operand, broadcast to a batch shape.
    private static func batchPitches(_ operand: Operand, _ batch: [Int]) -> [Int] {
        let own = operand.type.rank - 2
        return batch.indices.map { axis in
            let position = axis - (batch.count - own)
            return position < 0 || operand.type.shape[position] == 1 ? 0 : operand.layout.pitches[position]
        }
    }
}

extension OperatorCall {
    /// Puts a formula between the anchor and its epilogue.
    ///
    /// - Parameters:
    ///   - formula: operand 0 is the anchor's result, operands 1... are the given ones.
    ///   - operands: what the formula reads beside the result; they become the first inputs of the epilogue.
    mutating func append(_ formula: PointwiseExpression, operands: [Operand]) {
        let old = node.epilogue ?? Epilogue(expression: .input(0), inputCount: 0)
        let expression = old.expression.substituting { index in
            index == 0 ? formula : .input(index + operands.count)
        }
        let anchors = Array(anchorInputs)
        let extras = Array(epilogueInputs)
        inputs = anchors + operands.map { $0 } + extras
        node.inputs = inputs.map { $0?.id }
        node.epilogue = Epilogue(expression: expression, inputCount: operands.count + extras.count)
    }
}
