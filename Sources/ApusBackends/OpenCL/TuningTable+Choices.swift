package import ApusDevice
import ApusKernels
package import ApusOpenCL
import Glibc

extension TuningTable {
    /// What certification refused and tuning chose on a device, as far as the kernels are still the same.
    ///
    /// With `APUS_TUNING=0` in the environment nothing counts as tuned.
    package init(storedOn info: DeviceInfo, in cache: ProgramCache) {
        self.init(refusalsOn: info, in: cache)
        if getenv("APUS_TUNING").map({ String(cString: $0) }) == "0" { return }
        for tuned in cache.validChoices(on: info) { choices[tuned.key] = tuned.choice }
    }
}

extension ProgramCache {
    /// What tuning found on a device with the kernels that the engine holds now.
    package func validChoices(on info: DeviceInfo) -> [TunedChoice] {
        var digests: [String: String] = [:]
        return tunedChoices(on: info).filter { tuned in
            let kernels = tuned.key.kernels
            let digest = digests[kernels[0]] ?? tuningDigest(tuned.key)
            digests[kernels[0]] = digest
            return tuned.digest == digest
        }
    }
}

/// Stands for the text of the kernels that a decision is between.
package func tuningDigest(_ key: TuningKey) -> String {
    ProgramCache.digest(of: key.kernels.map { expandedKernelSource($0) ?? "" }.joined(separator: "\n"))
}

extension TuningKey {
    /// The kernel files of all variants.
    fileprivate var kernels: [String] {
        switch self {
        case .convolution:
            ["convolution/direct.cl", "convolution/winograd.cl", "convolution/winograd_weights.cl"]
        case .depthwise: ["depthwise/direct.cl"]
        case .matrixProduct: ["gemm/packed.cl", "gemm/pack.cl"]
        }
    }
}
