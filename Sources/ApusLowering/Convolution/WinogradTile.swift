import ApusDevice
import ApusGraph
import ApusOperators

/// The node attribute that allows Winograd's algorithm for a convolution: the largest tile, 2 or 4.
package let winogradTileAttribute = "winogradTile"

/// How Winograd's algorithm F(`outputs` x `outputs`, 3 x 3) computes a convolution, ranked against direct convolution.
///
/// Like that of `WorkItemTile` the choice rests on the channels and one image, never on the batch.
struct WinogradTile: Hashable {
    /// Output pixels of a tile along each axis.
    var outputs: Int
    /// Tiles by output channels in registers.
    var register: WorkItemTile
    /// Register tiles that a work-item transforms at once.
    var chunks = 1

    var positions: Int { (outputs + 2) * (outputs + 2) }
    /// The tiles of a work-item.
    var rows: Int { register.rows * chunks }

    /// The distance in elements between the transformed inputs of two tiles: an odd number of cache lines, so that the
    /// rows of a register tile spread over the sets of the L1 cache.
    static func pitch(inputs: Int) -> Int {
        let lines = ceilingDivision(inputs, 16)
        return (lines + 1 - lines % 2) * 16
    }

    /// Local memory of a work-item.
    func localBytes(inputs: Int) -> Int { positions * rows * Self.pitch(inputs: inputs) * 4 }

    /// The tiles of one image.
    func tiles(_ extents: [Int]) -> [Int] { extents.map { ceilingDivision($0, outputs) } }

    /// The tiles that serve a convolution, by expected time; none where the device lacks the memory or where the node does
    /// not allow the algorithm.
    static func ranked(
        _ call: OperatorCall,
        _ problem: ConvolutionProblem,
        _ context: LoweringContext
    ) -> [(tile: WinogradTile, cost: Double)] {
        let device = context.device
        let largest = allowed(call)
        let kernels = ["convolution/winograd.cl", "convolution/winograd_weights.cl"]
        guard device.executionModel == .workItemTile, problem.conv.group == 1,
            problem.geometry.kernel == [3, 3], problem.strides3 == [1, 1, 1], problem.dilations3 == [1, 1, 1],
            largest > 0, !kernels.contains(where: { context.tuning.refuses("Conv", $0) })
        else { return [] }
        let forced = context.tuning.winogradTile
        let estimate = WinogradEstimate(problem, device)
        var result: [(tile: WinogradTile, cost: Double)] = []
        for outputs in [4, 2] where outputs <= largest && forced.map({ $0 == outputs }) ?? true {
            for register in WorkItemTile.all(vectorWidth: device.vectorWidth) {
                for chunks in 1...2 {
                    let tile = WinogradTile(outputs: outputs, register: register, chunks: chunks)
                    guard tile.localBytes(inputs: problem.groupInputs) <= device.localMemoryBytes else { continue }
                    result.append((tile, estimate.cost(tile, batch: 1).cost))
                }
            }
        }
        return result.sorted { $0.cost < $1.cost }
    }

    /// The largest tile that a node allows; 0 for none.
    static func allowed(_ call: OperatorCall) -> Int {
        max(0, (try? call.node.attributes.int(winogradTileAttribute, default: 0)) ?? 0)
    }

    /// The tile as tuning stores it.
    var choice: TuningChoice {
        .winograd(outputs: outputs, rows: register.rows, columns: register.columns, chunks: chunks)
    }
}

/// The time of a 3x3 convolution on one compute unit, counted in multiply-adds of one vector: an analytic rank, not a
/// prediction.
struct WinogradEstimate {
    private let inputs: Int
    private let outputs: Int
    private let extents: [Int]
    private let width: Int
    private let computeUnits: Int
    /// Elements of a direct convolution's weights that one multiply-add of a vector takes.
    private let pairing: Int

    /// Bytes that a compute unit's share of the memory brings in the time of one vector multiply-add, and those that
    /// its caches bring beside the multiply-adds.
    private static let memoryBytes = 2.5
    private static let cacheBytes = 20.0
    /// The part of the shorter of computing and reading weights that the longer one does not hide.
    private static let exposed = 0.25
    /// What the compute units wait for each other at the end, in work-items.
    private static let tail = 0.25

    init(_ problem: ConvolutionProblem, _ device: DeviceInfo) {
        pairing = problem.usesPairs(device) ? 2 : 1
        (inputs, outputs, extents) = (problem.groupInputs, problem.groupOutputs, problem.geometry.output)
        (width, computeUnits) = (device.vectorWidth, device.computeUnits)
    }

    /// Direct convolution of one image.
    var directCost: Double {
        let tile = WorkItemTile.best(rows: extents[1], columns: outputs, vectorWidth: width)
        let panels = ceilingDivision(outputs, tile.columns)
        let items = extents[0] * ceilingDivision(extents[1], tile.rows) * panels
        let item = Double(9 * inputs) * tile.stepCost / Double(pairing)
        let weights = weightTime(positions: 9, panels * tile.columns) / Double(pairing)
        return overlapped(time(items: items, item), weights)
    }

    /// The least time that the tile takes for a batch, and the panels of weights of a work-item with which it does.
    func cost(_ tile: WinogradTile, batch: Int) -> (cost: Double, panelCount: Int) {
        let columns = tile.register.columns
        let panels = ceilingDivision(outputs, columns)
        let blocks = ceilingDivision(batch * tile.tiles(extents).reduce(1, *), tile.rows)
        let isLarge = tile.outputs == 4
        let input = Double(tile.rows * ceilingDivision(inputs, width) * (isLarge ? 500 : 200))
        let products = Double(tile.positions * inputs * tile.chunks) * tile.register.stepCost
        let output = Double(tile.rows * columns / width * (isLarge ? 350 : 130))
        let panel = products + output + Double(tile.positions * inputs * columns * 4) / Self.cacheBytes
        var best: (cost: Double, panelCount: Int)?
        for groups in [1, 2, 3, 4, 6, 8, 12, 16, 24, 32] where groups <= panels {
            let panelCount = ceilingDivision(panels, groups)
            let items = blocks * ceilingDivision(panels, panelCount)
            let cost = time(items: items, input + Double(panelCount) * panel)
            if cost < best?.cost ?? .infinity { best = (cost, panelCount) }
        }
        let weights = weightTime(positions: tile.positions, panels * columns)
        return (overlapped(best?.cost ?? .infinity, weights), best?.panelCount ?? panels)
    }

    private func overlapped(_ computing: Double, _ reading: Double) -> Double {
        max(computing, reading) + Self.exposed * min(computing, reading)
    }

    private func time(items: Int, _ item: Double) -> Double {
        (Double(ceilingDivision(items, computeUnits)) + Self.tail) * item
    }

    private func weightTime(positions: Int, _ columns: Int) -> Double {
        Double(positions * inputs * columns * 4) / Self.memoryBytes / Double(computeUnits)
    }
}

extension WorkItemTile {
    /// The register tiles of a product whose rows and columns are free.
    static func all(vectorWidth: Int) -> [WorkItemTile] {
        (1...4).flatMap { vectors in
            [14, 12, 8, 7, 6, 4, 2, 1].filter { $0 <= maximumRows(vectors, vectorWidth) }
                .map { WorkItemTile(rows: $0, columns: vectors * vectorWidth, vectorWidth: vectorWidth) }
        }
    }

    /// The time of one step of the inner loop: two multiply-adds and two loads a cycle, four cycles of latency.
    var stepCost: Double {
        let vectors = columns / vectorWidth
        return Double(max(rows * vectors, rows + vectors, 8)) + 0.2 * Double(rows + vectors)
    }
}
