/// What sort of processor a device is.
package enum DeviceKind: String, Sendable, Hashable, CaseIterable {
    case gpu
    case accelerator
    case cpu
    /// The reference evaluation on the host; no OpenCL device.
    case reference
}

/// Instructions that hand-written kernel variants may use on a device.
package enum InstructionSet: String, Sendable, Hashable, CaseIterable {
    case sse42
    case avx2
    case fma
    case f16c
    case avx512f
    case avx512vnni
    case avx512bf16
    /// Inline PTX through NVIDIA's OpenCL compiler.
    case ptx
}

/// Which of the two families of tiled kernels a device runs best.
package enum ExecutionModel: String, Sendable, Hashable, Codable, CaseIterable {
    /// One work-item computes a tile; no barriers (CPUs).
    case workItemTile
    /// One work-group computes a tile with staging and barriers (GPUs).
    case workGroupTile
}

/// The facts about one device that lowering, planning and caches decide by.
package struct DeviceInfo: Sendable, Hashable {
    package var name: String
    package var vendor: String
    package var platformName: String
    package var platformVersion: String
    package var driverVersion: String
    /// The device's own version string, such as `OpenCL 3.0 CUDA`.
    package var openCLVersion: String
    package var kind: DeviceKind
    /// Whether a driver presents the CPU as a GPU (llvmpipe, SwiftShader).
    package var isSoftwareGPU: Bool
    package var computeUnits: Int
    package var globalMemoryBytes: Int
    /// The largest single buffer.
    package var maximumAllocationBytes: Int
    /// Local memory of one work-group.
    package var localMemoryBytes: Int
    package var maximumWorkGroupSize: Int
    package var baseAddressAlignmentBytes: Int
    /// The bytes of all parameters of one kernel.
    package var maximumParameterBytes: Int
    package var extensions: Set<String>
    /// Empty unless the device's compiler is known to take inline assembly.
    package var instructionSets: Set<InstructionSet>
    package var executionModel: ExecutionModel
    /// Lanes of float32 in the widest vector register that kernels should use.
    package var vectorWidth: Int
    package var supportsHalf: Bool
    package var supportsDouble: Bool
    /// Whether OpenCL C 3.0 has atomics that order the memory of different work-groups (acquire and release, scope of
    /// the device).
    package var hasOrderedAtomics: Bool
    package var isPocl: Bool
    package var isNVIDIA: Bool
    /// NVIDIA's compute capability, such as 90 for `sm_90`; 0 elsewhere.
    package var computeCapability: Int

    /// Describes a device; what is left out has the least demanding value.
    package init(
        name: String,
        vendor: String = "",
        platformName: String = "",
        platformVersion: String = "",
        driverVersion: String = "",
        openCLVersion: String = "",
        kind: DeviceKind,
        isSoftwareGPU: Bool = false,
        computeUnits: Int = 1,
        globalMemoryBytes: Int = 1 << 30,
        maximumAllocationBytes: Int = 1 << 28,
        localMemoryBytes: Int = 1 << 15,
        maximumWorkGroupSize: Int = 256,
        baseAddressAlignmentBytes: Int = 128,
        maximumParameterBytes: Int = 256,
        extensions: Set<String> = [],
        instructionSets: Set<InstructionSet> = [],
        executionModel: ExecutionModel? = nil,
        vectorWidth: Int = 4,
        supportsHalf: Bool = false,
        supportsDouble: Bool = false,
        hasOrderedAtomics: Bool = false,
        isPocl: Bool = false,
        isNVIDIA: Bool = false,
        computeCapability: Int = 0
    ) {
        self.name = name
        self.vendor = vendor
        self.platformName = platformName
        self.platformVersion = platformVersion
        self.driverVersion = driverVersion
        self.openCLVersion = openCLVersion
        self.kind = kind
        self.isSoftwareGPU = isSoftwareGPU
        self.computeUnits = computeUnits
        self.globalMemoryBytes = globalMemoryBytes
        self.maximumAllocationBytes = maximumAllocationBytes
        self.localMemoryBytes = localMemoryBytes
        self.maximumWorkGroupSize = maximumWorkGroupSize
        self.baseAddressAlignmentBytes = baseAddressAlignmentBytes
        self.maximumParameterBytes = maximumParameterBytes
        self.extensions = extensions
        self.instructionSets = instructionSets
        self.executionModel =
            executionModel ?? (kind == .gpu && !isSoftwareGPU ? .workGroupTile : .workItemTile)
        self.vectorWidth = vectorWidth
        self.supportsHalf = supportsHalf
        self.supportsDouble = supportsDouble
        self.hasOrderedAtomics = hasOrderedAtomics
        self.isPocl = isPocl
        self.isNVIDIA = isNVIDIA
        self.computeCapability = computeCapability
    }

    /// The device as lowering would see it if it ran the given family of tiled kernels best: with the work-group tile it
    /// looks like a GPU of an unknown vendor.
    package func described(as model: ExecutionModel) -> DeviceInfo {
        guard model != executionModel else { return self }
        var info = self
        info.executionModel = model
        if model == .workGroupTile {
            info.vectorWidth = 4
            info.instructionSets = []
        }
        return info
    }

    /// The reference evaluation on the host.
    package static let reference = DeviceInfo(
        name: "reference",
        vendor: "Apus",
        kind: .reference,
        globalMemoryBytes: .max,
        maximumAllocationBytes: .max,
        baseAddressAlignmentBytes: 64
    )
}
