import ApusDevice
import ApusGraph
import ApusOperators

/// The register tiles of a convolution and of the depthwise convolution behind it.
struct FusedDepthwiseTile: Hashable {
    /// Of the first convolution.
    var register: WorkItemTile
    /// Neighbouring pixels of the depthwise convolution.
    var windowRows: Int

    /// The pixels of a row of the first result with the zeros around it that windows touch.
    static func ringWidth(_ window: WindowGeometry) -> Int {
        max(
            window.padsBegin[1] + window.input[1],
            (window.output[1] - 1) * window.strides[1] + window.kernel[1]
        )
    }

    /// Local memory of a work-item.
    func localBytes(_ window: WindowGeometry) -> Int {
        window.kernel[0] * Self.ringWidth(window) * register.columns * 4
    }
}

/// The time of a convolution and the depthwise convolution behind it, counted in multiply-adds of one vector: an
/// analytic rank, not a prediction.
struct DepthwiseEstimate {
    private let first: ConvolutionProblem
    private let window: WindowGeometry
    private let channels: Int
    private let formulaOperations: Int
    /// Inputs that one multiply-add of a vector takes in the first convolution.
    private let pairing: Double
    private let device: DeviceInfo

    /// What the compute units wait for each other at the end, in work-items.
    private static let tail = 0.25
    /// What lies between two launches, in multiply-adds.
    private static let launch = 30000.0
    /// Bytes that the caches bring to a compute unit in the time of one multiply-add.
    private static let cacheBytes = 20.0

    init(_ problem: ConvDepthwiseProblem, _ device: DeviceInfo) {
        first = problem.first
        window = problem.depthwise.geometry
        channels = problem.first.groupOutputs
        formulaOperations = problem.formula?.operationCount ?? 0
        pairing = problem.first.usesPairs(device) ? 2 : 1
        self.device = device
    }

    /// The tile that takes least time for one image; `nil` where the local memory is too small or the output empty.
    var bestTile: FusedDepthwiseTile? {
        guard window.output.allSatisfy({ $0 > 0 }), window.input.allSatisfy({ $0 > 0 }) else { return nil }
        func windowCost(_ rows: Int) -> Int { ceilingDivision(window.output[1], rows) * (2 * max(rows, 8) + 3) }
        let windowRows = (1...min(10, window.output[1])).min { (windowCost($0), $1) < (windowCost($1), $0) } ?? 1
        var best: (tile: FusedDepthwiseTile, cost: Double)?
        for register in WorkItemTile.all(vectorWidth: device.vectorWidth) where register.rows <= window.input[1] {
            let tile = FusedDepthwiseTile(register: register, windowRows: windowRows)
            guard tile.localBytes(window) <= device.localMemoryBytes else { continue }
            let cost = cost(tile, batch: 1).cost
            if cost < best?.cost ?? .infinity { best = (tile, cost) }
        }
        return best?.tile
    }

    /// The least time for a batch, and the output rows of a work-item with which it is taken.
    func cost(_ tile: FusedDepthwiseTile, batch: Int) -> (cost: Double, rowBlock: Int) {
        let panels = ceilingDivision(channels, tile.register.columns)
        let vectors = tile.register.columns / device.vectorWidth
        let firstRow = firstRowCost(tile.register)
        let window = windowRowCost(tile, vectors)
        var best: (cost: Double, rowBlock: Int) = (.infinity, 1)
        for blocks in 1...self.window.output[0] {
            let rows = ceilingDivision(self.window.output[0], blocks)
            guard rows != best.rowBlock || best.cost == .infinity else { continue }
            let firstRows = min((rows - 1) * self.window.strides[0] + self.window.kernel[0], self.window.input[0])
            let items = batch * panels * ceilingDivision(self.window.output[0], rows)
            let item = Double(firstRows) * firstRow + Double(rows) * window + 500
            let cost = (Double(ceilingDivision(items, device.computeUnits)) + Self.tail) * item
            if cost < best.cost { best = (cost, rows) }
        }
        return best
    }

    /// One row of the first result, for one panel.
    private func firstRowCost(_ tile: WorkItemTile) -> Double {
        let vectors = tile.columns / device.vectorWidth
        let products = Double(first.taps * first.groupInputs) * tile.stepCost / pairing
        let results = Double(tile.rows * vectors * (2 + formulaOperations))
        return Double(ceilingDivision(window.input[1], tile.rows)) * (products + results + 20)
    }

    /// One row of the output, for one panel.
    private func windowRowCost(_ tile: FusedDepthwiseTile, _ vectors: Int) -> Double {
        let taps = window.kernel[0] * window.kernel[1]
        let products = Double(taps) * (Double(max(tile.windowRows, 8)) + 1.5)
        let tiles = Double(ceilingDivision(window.output[1], tile.windowRows))
        let misses = tile.localBytes(window) > 40 << 10 ? Double(window.kernel[0] * window.input[1]) : 0
        return Double(vectors) * (tiles * (products + Double(tile.windowRows * 4) + 10) + misses)
    }

    /// Whether the first convolution is one that Winograd's algorithm halves.
    var suitsWinograd: Bool {
        first.geometry.kernel == [3, 3] && first.geometry.strides == [1, 1] && first.groupInputs >= 16
    }

    /// Both convolutions by themselves, one image: the first result passes through memory twice, and there are launches
    /// for the second one and for the zeros around it.
    var separateCost: Double {
        let tile = WorkItemTile.best(rows: window.input[1], columns: channels, vectorWidth: device.vectorWidth)
        let panels = ceilingDivision(channels, tile.columns)
        let items = window.input[0] * ceilingDivision(window.input[1], tile.rows) * panels
        let vectors = Double(ceilingDivision(channels, device.vectorWidth))
        let item =
            Double(first.taps * first.groupInputs) * tile.stepCost / pairing
            + Double(tile.rows * tile.columns / device.vectorWidth * (2 + formulaOperations)) + 50
        let taps = Double(window.kernel[0] * window.kernel[1])
        let pixels = Double(window.output[0] * window.output[1])
        let depthwise = vectors * pixels * (taps * 1.5 + 4) / Double(device.computeUnits)
        let moved =
            Double(2 * first.storage.elementBytes) * vectors
            * Double(device.vectorWidth * window.input[0] * window.input[1])
        let moving = moved / Self.cacheBytes / Double(device.computeUnits)
        let products = (Double(ceilingDivision(items, device.computeUnits)) + Self.tail) * item
        return products + depthwise + moving + 2 * Self.launch
    }
}
