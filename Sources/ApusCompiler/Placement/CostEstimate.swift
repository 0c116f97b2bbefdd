package import ApusDevice
package import ApusOperators

extension DeviceInfo {
    /// How long a device may take for a node: a roofline over round figures, good enough to balance stages.
    package func estimatedSeconds(_ cost: Cost) -> Double {
        let cores = Double(computeUnits)
        let operationsPerSecond: Double
        let bytesPerSecond: Double
        switch kind {
        case .reference: (operationsPerSecond, bytesPerSecond) = (1e9 * cores, 1e9 * cores)
        case .cpu: (operationsPerSecond, bytesPerSecond) = (cores * Double(vectorWidth) * 6e9, 10e9 * min(cores, 8))
        case .gpu, .accelerator: (operationsPerSecond, bytesPerSecond) = (cores * 250e9, cores * 6e9)
        }
        return max(Double(cost.operations) / operationsPerSecond, Double(cost.bytes) / bytesPerSecond)
    }

    /// How long a value may take to a device or from it.
    package func estimatedTransferSeconds(_ byteCount: Int) -> Double {
        kind == .reference ? 0 : Double(byteCount) / 5e9
    }
}
