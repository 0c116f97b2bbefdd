import ApusBackends
import ApusDevice

/// The times of one layer over a number of runs.
struct LayerReport: Encodable {
    var node: String
    var operatorType: String
    /// The kernels with their tile constants.
    var kernels: [String]
    /// Milliseconds of one run.
    var milliseconds: Double
    var share: Double
    var gigaflopsPerSecond: Double
    var gigabytesPerSecond: Double
    /// The time that the roof allows over the time taken; above 1 where an algorithm needs fewer operations than the
    /// operator's definition, or data comes from caches. `nil` without a measured roof.
    var roofFraction: Double?
}

/// Sums profile entries up by node.
func layerReports(_ entries: [RunProfile.Entry], runs: Int, roof: DeviceRoof?) -> [LayerReport] {
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
        let kernel = entry.variant.isEmpty ? entry.name : "\(entry.name)(\(entry.variant))"
        if !sum.kernels.contains(kernel) { sum.kernels.append(kernel) }
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
            gigabytesPerSecond: Double(sum.first.bytes) / seconds * 1e-9,
            roofFraction: sum.first.node.isEmpty
                ? nil : roof.map { $0.seconds(operations: sum.first.operations, bytes: sum.first.bytes) / seconds }
        )
    }
}

/// Prints the layers as a table.
func printLayers(_ entries: [RunProfile.Entry], runs: Int, roof: DeviceRoof? = nil) {
    let layers = layerReports(entries, runs: runs, roof: roof)
    printTable(
        ["layer", "operator", "ms", "share", "GFLOP/s", "GB/s"] + (roof == nil ? [] : ["roof"]) + ["kernels"],
        layers.map { layer in
            [
                layer.node.isEmpty ? "-" : layer.node, layer.operatorType, formatted(layer.milliseconds, digits: 4),
                formatted(layer.share * 100, digits: 1) + " %", formatted(layer.gigaflopsPerSecond, digits: 1),
                formatted(layer.gigabytesPerSecond, digits: 1),
            ] + (roof == nil ? [] : [layer.roofFraction.map { formatted($0 * 100, digits: 0) + " %" } ?? "-"])
                + [layer.kernels.joined(separator: " ")]
        }
    )
    if let roof { print("roof  \(roof.summary)") }
    print("total \(formatted(layers.reduce(0) { $0 + $1.milliseconds }, digits: 4)) ms in \(layers.count) layers")
}

extension DeviceRoof {
    /// Both measures in one line.
    var summary: String {
        "\(formatted(operationsPerSecond * 1e-9, digits: 1)) GFLOP/s in float32, "
            + "\(formatted(bytesPerSecond * 1e-9, digits: 1)) GB/s"
    }
}
