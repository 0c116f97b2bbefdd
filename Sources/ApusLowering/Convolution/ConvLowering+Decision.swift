import ApusDevice
import ApusOperators
import ApusTensor

extension ConvLowering {
    /// The variants of a convolution by register tiles: direct, or by Winograd's algorithm.
    ///
    /// Which of the two it is depends on no layout, as each asks for a layout of its own.
    static func decision(
        _ call: OperatorCall,
        _ problem: ConvolutionProblem,
        _ context: LoweringContext
    ) -> TuningDecision {
        let width = context.device.vectorWidth
        let direct = DirectConvolution(call, problem)
        let holdsScalar = problem.usesPairs(context.device)
        let best = WorkItemTile.best(
            rows: direct.rows,
            columns: problem.groupOutputs,
            vectorWidth: width,
            holdsScalar: holdsScalar
        )
        var ranked = WorkItemTile.ranked(
            rows: direct.rows,
            columns: problem.groupOutputs,
            vectorWidth: width,
            holdsScalar: holdsScalar
        )
        ranked.removeAll { $0 == best }
        let axis = problem.cacheAxis(
            best,
            lines: direct.lines,
            packedBytes: problem.packedBytes(best, usesPairs: holdsScalar)
        )
        let directChoices = [best.choice(), best.choice(panelAxis: 3 - axis)] + ranked.map { $0.choice() }
        let winograd = WinogradTile.ranked(call, problem, context)
        let prefersWinograd = winograd.first.map { first in
            context.tuning.winogradTile != nil || first.cost < WinogradEstimate(problem, context.device).directCost
        }
        let winogradChoices = winograd.map(\.tile.choice)
        let (preferred, others) =
            prefersWinograd == true ? (winogradChoices, directChoices) : (directChoices, winogradChoices)
        return TuningDecision(
            .convolution(problem.tuningKey(call)),
            first: preferred[0],
            others: interleaved(preferred, others),
            context.tuning
        )
    }

    static func usesWinograd(_ decision: TuningDecision) -> Bool {
        if case .winograd = decision.choice { true } else { false }
    }

    /// Lowers for the register tile that is decided on.
    static func lowerTiled(
        _ call: OperatorCall,
        _ problem: ConvolutionProblem,
        _ context: LoweringContext
    ) throws(ModelError) -> LoweredNode {
        let decision = Self.decision(call, problem, context)
        func tile(_ rows: Int, _ columns: Int) -> WorkItemTile {
            WorkItemTile(rows: rows, columns: columns, vectorWidth: context.device.vectorWidth)
        }
        var lowered: LoweredNode
        switch decision.choice {
        case .winograd(let outputs, let rows, let columns, let chunks):
            let winograd = WinogradTile(outputs: outputs, register: tile(rows, columns), chunks: chunks)
            lowered = try lowerWinograd(call, problem, winograd, context)
        case .tile(let rows, let columns, let panelAxis):
            let direct = DirectConvolution(call, problem)
            lowered = try lowerDirect(call, problem, direct, tile(rows, columns), panelAxis: panelAxis, context)
        case .pixels:
            throw ModelError(.unsupported, "a convolution of several channels has no tile of pixels alone")
        }
        lowered.decision = decision
        return lowered
    }

    /// Both lists from the front in turn.
    private static func interleaved(_ first: [TuningChoice], _ second: [TuningChoice]) -> [TuningChoice] {
        (0..<max(first.count, second.count)).flatMap { index in
            [first, second].compactMap { $0.indices.contains(index) ? $0[index] : nil }
        }
    }
}

extension ConvolutionProblem {
    /// Whether pairs of bfloat16 are multiplied.
    func usesPairs(_ device: DeviceInfo) -> Bool { storage.multipliesPairs(device) }

    /// The problem as tuning tells it from others.
    func tuningKey(_ call: OperatorCall) -> TuningKey.Convolution {
        TuningKey.Convolution(
            kernel: kernel3,
            strides: strides3,
            dilations: dilations3,
            extents: output.extents,
            groups: conv.group,
            groupInputs: groupInputs,
            groupOutputs: groupOutputs,
            storage: storage.elementType,
            winogradTile: WinogradTile.allowed(call)
        )
    }

    /// The weights in panels as wide as a tile.
    fileprivate func packedBytes(_ tile: WorkItemTile, usesPairs: Bool) -> Int {
        let steps = usesPairs ? ceilingDivision(groupInputs, 2) : groupInputs
        return conv.group * ceilingDivision(groupOutputs, tile.columns) * taps * steps * tile.columns * 4
    }
}
