import ApusDevice
import ApusGraph
import ApusOperators
import ApusTensor

/// `apus.QuantizedMatMul`, `MatMulInteger` and `QLinearMatMul`: rows of the left operand as pixels of a convolution.
enum IntegerProductLowering: OperatorLowering {
    static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        LayoutRequests(inputs: call.inputs.map { _ in .canonical }, outputs: [.canonical])
    }

    static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        let operands = try IntegerOperands(call)
        let output = try call.output(0)
        let shape = output.type.shape
        let transposesB = (call.anchor as? QuantizedMatMul)?.transposesB ?? false
        let matrices = try IntegerMatrices(
            operands.input.type.shape,
            operands.weights.type.shape,
            transposesB: transposesB
        )
        guard (operands.zeroPoint?.type.elementCount ?? 1) == 1 else {
            throw ModelError(.unsupported, "no integer kernel for a zero point a row")
        }
        guard [1, matrices.columns].contains(operands.weightZeroPoint?.type.elementCount ?? 1) else {
            throw ModelError(.unsupported, "no integer kernel for zero points of each matrix")
        }
        let (depth, columns) = (matrices.depth, matrices.columns)
        let problem = IntegerProblem(
            operands: operands,
            groups: 1,
            groupInputs: depth,
            groupOutputs: columns,
            matrices: matrices.rightCount,
            pitches: [depth * columns] + (transposesB ? [depth, 1, 0] : [1, columns, 0])
        )
        var work = ScratchLaunches()
        let isQuantized = call.anchor is QLinearMatMul
        var result = isQuantized ? work.makeScratch(shape, .int32) : output.view
        let pitches = result.pitches
        result.pitches = matrices.outputPitches + [0, columns]
        var input = operands.input.view
        input.pitches = matrices.leftPitches + [0, depth]
        let windows = IntegerWindows(
            input: input,
            inputExtents: [matrices.batch[1], 1, matrices.rows],
            output: result,
            outputExtents: [matrices.batch[1], 1, matrices.rows],
            batch: matrices.batch[0],
            isBatch: true,
            matrixSteps: matrices.rightSteps
        )
        let epilogue = try EpilogueSource(call, operands, coordinates: matrices.coordinates, context)
        switch context.integerModel(call) {
        case .workItemTile:
            // Rows are a batch: few rows must not pay for a tall tile, and a first batch above 1 must build no program.
            var tile = problem.tile(rows: 4, context)
            tile.rows = min(tile.rows, matrices.rows)
            let packed = try problem.pack(panelWidth: tile.columns, &work)
            work.launches.append(
                try windows.workItemLaunch(
                    problem,
                    packed,
                    tile,
                    panelAxis: matrices.rightCount > 1 ? 1 : 2,
                    lines: matrices.batch.reduce(1, *),
                    epilogue,
                    context
                )
            )
        case .workGroupTile:
            let tile = windows.workGroupTile(problem, context)
            let packed = try problem.pack(panelWidth: tile.columns, &work)
            work.launches.append(try windows.workGroupLaunch(problem, packed, tile, epilogue))
        }
        if isQuantized {
            result.pitches = pitches
            work.launches += try requantizationLaunches(
                result,
                try quantizationParameters(call),
                output.view,
                shape: shape,
                order: output.layout.order,
                context
            )
        }
        return LoweredNode(
            launches: work.launches,
            scratchBytes: work.scratchBytes,
            inPlaceInputs: epilogue.inPlaceInputs
        )
    }

    /// The scales and the zero point of `QLinearMatMul`: those of the left operand for all or for each row.
    private static func quantizationParameters(
        _ call: OperatorCall
    ) throws(ModelError) -> [(operand: Operand, shape: [Int])] {
        func parameter(_ index: Int, _ shape: [Int]?) throws(ModelError) -> (operand: Operand, shape: [Int]) {
            let operand = try call.input(index)
            return (operand, operand.type.elementCount == 1 ? [] : shape ?? operand.type.shape)
        }
        let left = try call.input(1).type
        let right = try call.input(4).type
        let leftRank = try call.input(0).type.rank
        let rightRank = try call.input(3).type.rank
        guard left.elementCount * right.elementCount == 1 || min(leftRank, rightRank) > 1 else {
            throw ModelError(.unsupported, "no kernel for scales of each row or column of a vector")
        }
        return [
            try parameter(1, left.rank == 1 ? left.shape + [1] : nil), try parameter(4, nil), try parameter(6, nil),
            try parameter(7, nil),
        ]
    }
}
