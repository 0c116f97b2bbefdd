package import ApusDevice
import ApusKernels
package import ApusOpenCL

extension TuningTable {
    /// What certification refused on a device, as far as the kernels are still the same.
    package init(refusalsOn info: DeviceInfo, in cache: ProgramCache) {
        self.init()
        for refusal in cache.refusals(on: info) where refusal.digest == kernelDigest(refusal.variant) {
            refuse(refusal.operatorType, refusal.variant)
        }
    }
}

/// Stands for the text of a kernel file; generated kernels change with the format of the program cache.
package func kernelDigest(_ variant: String) -> String {
    ProgramCache.digest(of: expandedKernelSource(variant) ?? "generated \(ProgramCache.formatVersion)")
}
