import ApusDevice
import ApusGraph
import ApusOperators
import ApusTensor

/// Products of bytes as the integer kernels compute them: those of the groups of a convolution, or of a batch of matrices.
struct IntegerProblem {
    var operands: IntegerOperands
    var groups: Int
    var groupInputs: Int
    var groupOutputs: Int
    /// The taps of the window, and how many neighbouring ones are packed as further inputs.
    var taps = 1
    var merged = 1
    /// The right operands of a batch; outputs of all of them share multipliers and zero points.
    var matrices = 1
    /// Elements between groups or matrices, outputs, inputs and taps of the weights.
    var pitches: [Int]

    /// Weights and parameters of the outputs as arguments of the kernels.
    struct Packed {
        var arguments: [KernelArgument]
        var weightBytes: Int
    }

    private var quads: Int { ceilingDivision(merged * groupInputs, 4) }
    private var rows: Int { taps / merged * quads }

    /// Whether the device's compiler takes the dot products of AVX-512 VNNI.
    static func usesVNNI(_ context: LoweringContext) -> Bool {
        let device = context.device
        return device.isPocl && device.vectorWidth == 16 && device.instructionSets.contains(.avx512vnni)
            && !context.tuning.refusedVariants.contains("integer-vnni")
    }

    /// The register tile for rows of pixels; one more sum a row is kept for zero points of the weights.
    func tile(rows: Int, _ context: LoweringContext) -> WorkItemTile {
        var tile = WorkItemTile.best(rows: rows, columns: groupOutputs, vectorWidth: context.device.vectorWidth)
        let vectors = tile.columns / tile.vectorWidth
        if operands.hasWeightZeros { tile.rows = max(1, min(tile.rows, 24 / (vectors + 1))) }
        return tile
    }

    /// Whether a work-item takes several tiles: where instructions keep the sums in registers, a loop costs nothing.
    func loopsOverTiles(_ context: LoweringContext) -> Bool {
        Self.usesVNNI(context) && !operands.hasWeightZeros
    }

    /// The tiles and panels that a work-item takes, so that starting it costs little beside its products.
    ///
    /// Panels come first as long as their weights stay in a cache of the core: the bytes of an output pixel are then
    /// written, and those of a residual read, together.
    func block(
        _ tile: WorkItemTile,
        tiles: Int,
        panels: Int,
        lines: Int,
        _ context: LoweringContext
    ) -> (tiles: Int, panels: Int) {
        func evenShare(of count: Int, atMost most: Int) -> Int {
            ceilingDivision(count, ceilingDivision(count, max(1, min(most, count))))
        }
        let multiplies = rows * tile.rows * tile.columns / tile.vectorWidth
        let forBalance = tiles * panels * lines / (16 * context.device.computeUnits)
        let most = max(1, min(16384 / max(multiplies, 1), forBalance))
        let panelBytes = max(1, rows * tile.columns * 4)
        let blockPanels = evenShare(of: panels, atMost: min(most, (256 << 10) / panelBytes))
        return (evenShare(of: tiles, atMost: most / blockPanels), blockPanels)
    }

    /// Appends what packs the weights and the parameters of the outputs: constant ones once, in the load phase.
    ///
    /// - Throws: `ModelError` with code `unsupported` if an extent exceeds 32 bits.
    func pack(panelWidth: Int, _ work: inout ScratchLaunches) throws(ModelError) -> Packed {
        let items = matrices * groups * ceilingDivision(groupOutputs, panelWidth)
        let lanes = items * panelWidth
        let weights = work.makeScratch([lanes * rows * 4], .int8)
        let parameters = work.makeScratch([4 * lanes], .int32)
        func quads(_ access: KernelArgument.Access) -> KernelArgument {
            .tensor(weights.reference, offset: 0, elementBytes: 4, access: access)
        }
        func launch(
            _ kernel: String,
            _ defines: [String: String],
            _ arguments: [KernelArgument],
            _ globalSize: [Int]
        ) {
            work.launches.append(
                KernelLaunch(
                    program: KernelProgram(file: "integer/pack.cl", defines: defines),
                    kernel: kernel,
                    arguments: arguments,
                    globalSize: globalSize,
                    localSize: nil
                )
            )
        }
        launch(
            "integer_pack",
            operands.areWeightsSigned ? [:] : ["W_UNSIGNED": "1"],
            [operands.weights.argument(), weights.argument(.write)]
                + (try intArguments([groupInputs, groupOutputs] + pitches + [merged, panelWidth])),
            [rows, items]
        )
        let sizes = [
            groupOutputs, matrices > 1 ? 0 : groupOutputs, panelWidth, rows, taps * groupInputs,
            operands.movedZeroPoint, operands.weightMove,
        ]
        launch(
            "integer_parameters",
            operands.packDefines,
            [quads(.read), parameters.argument(.write)] + (try intArguments(sizes)) + operands.packArguments,
            [lanes]
        )
        return Packed(arguments: [quads(.read), parameters.argument(.read)], weightBytes: lanes * rows * 4)
    }

    /// The defines of the integer kernels beside those of the tile and of the epilogue.
    func defines(_ output: ElementType) throws(ModelError) -> [String: String] {
        var defines = try IntegerOperands.outputDefines(output, isScaled: operands.multiplier != nil)
        if operands.isInputSigned { defines["X_SIGNED"] = "1" }
        if operands.hasWeightZeros { defines["W_ZERO"] = "1" }
        defines.merge(operands.given.defines) { $1 }
        return defines
    }
}
