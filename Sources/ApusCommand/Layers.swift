import ApusBackends

/// The times of one layer over a number of runs.
struct LayerReport: Encodable {
    var node: String
    var operatorType: String
    var kernels: [String]
    /// Milliseconds of one run.
    var milliseconds: Double
    var share: Double
    var gigaflopsPerSecond: Double
    var gigabytesPerSecond: Double
}

/// Sums profile entries up by node.
func layerReports(_ entries: [RunProfile.Entry], runs: Int) -> [LayerReport] {
    struct Sum {
        var order: Int
        var nanoseconds: UInt64 = 0
        var kernels: [String] = []
        var first: RunProfile.Entry
    }
    var sums: [String: Sum] = [:]
    for entry in entries where entry.kind.isLayerWork {
        let key = entry.node + "\u{0}" + entry.operatorType + (entry.node.isEmpty ? entry.name : "")
        var sum = sums[key] ?? Sum(order: sums.count, first: entry)
        sum.nanoseconds += entry.nanoseconds
        if !sum.kernels.contains(entry.name) { sum.kernels.append(entry.name) }
        sums[key] = sum
    }
    let total = max(sums.values.reduce(0.0) { $0 + Double($1.nanoseconds) }, 1)
    return sums.values.sorted { $0.order < $1.order }.map { sum in
        let seconds = max(Double(sum.nanoseconds) / Double(runs), 1) * 1e-9
        return LayerReport(
            node: sum.first.node,
            operatorType: sum.first.operatorType,
            kernels: sum.kernels,
            milliseconds: seconds * 1e3,
            share: Double(sum.nanoseconds) / total,
            gigaflopsPerSecond: Double(sum.first.operations) / seconds * 1e-9,
            gigabytesPerSecond: Double(sum.first.bytes) / seconds * 1e-9
        )
    }
}

/// Prints the layers as a table.
func printLayers(_ entries: [RunProfile.Entry], runs: Int) {
    let layers = layerReports(entries, runs: runs)
    printTable(
        ["layer", "operator", "ms", "share", "GFLOP/s", "GB/s", "kernels"],
        layers.map { layer in
            [
                layer.node.isEmpty ? "-" : layer.node, layer.operatorType, formatted(layer.milliseconds, digits: 4),
                formatted(layer.share * 100, digits: 1) + " %", formatted(layer.gigaflopsPerSecond, digits: 1),
                formatted(layer.gigabytesPerSecond, digits: 1), layer.kernels.joined(separator: " "),
            ]
        }
    )
    print("total \(formatted(layers.reduce(0) { $0 + $1.milliseconds }, digits: 4)) ms in \(layers.count) layers")
}
