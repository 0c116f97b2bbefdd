import ApusDevice
import COpenCL
import Glibc

extension DeviceInfo {
    /// Asks a driver for the facts about a device; what it does not know has the least demanding value.
    init(device: OpaquePointer, platform: OpaquePointer) {
        func size(_ property: Int32, _ defaultValue: Int) -> Int {
            let size: Int = value(device, clGetDeviceInfo, property, defaultValue)
            return size < 0 ? Int.max : size
        }
        func unsigned(_ property: Int32, _ defaultValue: Int) -> Int {
            Int(value(device, clGetDeviceInfo, property, cl_uint(defaultValue)))
        }
        func long(_ property: Int32, _ defaultValue: Int) -> Int {
            Int(clamping: value(device, clGetDeviceInfo, property, cl_ulong(defaultValue)))
        }
        let name = string(device, clGetDeviceInfo, CL_DEVICE_NAME)
        let platformName = string(platform, clGetPlatformInfo, CL_PLATFORM_NAME)
        let extensions = Set(
            string(device, clGetDeviceInfo, CL_DEVICE_EXTENSIONS).split(whereSeparator: \.isWhitespace).map(String.init)
        )
        let kind = DeviceInfo.kind(value(device, clGetDeviceInfo, CL_DEVICE_TYPE, cl_device_type(0)))
        let softwareRenderers = ["llvmpipe", "softpipe", "lavapipe", "swiftshader"]
        let isSoftwareRenderer = softwareRenderers.contains { name.lowercased().contains($0) }
        let isPocl = platformName.contains("Portable Computing Language") || platformName.contains("PoCL")
        let isNVIDIA = platformName.contains("NVIDIA")
        var instructionSets: Set<InstructionSet> = []
        if isNVIDIA { instructionSets = [.ptx] }
        if isPocl && kind == .cpu { instructionSets = hostInstructionSets }
        let features = nameVersions(device, CL_DEVICE_OPENCL_C_FEATURES)
        let doubleConfiguration = value(
            device,
            clGetDeviceInfo,
            CL_DEVICE_DOUBLE_FP_CONFIG,
            cl_device_fp_config(0)
        )
        self.init(
            name: name,
            vendor: string(device, clGetDeviceInfo, CL_DEVICE_VENDOR),
            platformName: platformName,
            platformVersion: string(platform, clGetPlatformInfo, CL_PLATFORM_VERSION),
            driverVersion: string(device, clGetDeviceInfo, CL_DRIVER_VERSION),
            openCLVersion: string(device, clGetDeviceInfo, CL_DEVICE_VERSION),
            kind: kind,
            isSoftwareGPU: kind == .gpu && isSoftwareRenderer,
            computeUnits: max(1, unsigned(CL_DEVICE_MAX_COMPUTE_UNITS, 1)),
            globalMemoryBytes: long(CL_DEVICE_GLOBAL_MEM_SIZE, 1 << 28),
            maximumAllocationBytes: long(CL_DEVICE_MAX_MEM_ALLOC_SIZE, 1 << 26),
            localMemoryBytes: long(CL_DEVICE_LOCAL_MEM_SIZE, 1 << 14),
            maximumWorkGroupSize: size(CL_DEVICE_MAX_WORK_GROUP_SIZE, 1),
            baseAddressAlignmentBytes: max(1, unsigned(CL_DEVICE_MEM_BASE_ADDR_ALIGN, 1024) / 8),
            maximumParameterBytes: max(256, size(CL_DEVICE_MAX_PARAMETER_SIZE, 256)),
            extensions: extensions,
            instructionSets: instructionSets,
            // Renderers make vectors of work-items; wide vectors inside one only make their compilers slow.
            vectorWidth: kind == .cpu && !isSoftwareRenderer ? hostVectorWidth : 4,
            supportsHalf: extensions.contains("cl_khr_fp16"),
            supportsDouble: doubleConfiguration != 0 || extensions.contains("cl_khr_fp64"),
            hasOrderedAtomics: features.isSuperset(of: [
                "__opencl_c_atomic_order_acq_rel", "__opencl_c_atomic_scope_device",
            ]),
            isPocl: isPocl,
            isNVIDIA: isNVIDIA,
            computeCapability: isNVIDIA
                ? unsigned(CL_DEVICE_COMPUTE_CAPABILITY_MAJOR_NV, 0) * 10
                    + unsigned(CL_DEVICE_COMPUTE_CAPABILITY_MINOR_NV, 0) : 0
        )
    }

    /// A simulator may claim every type at once and counts as a CPU.
    private static func kind(_ type: cl_device_type) -> DeviceKind {
        if type & cl_device_type(CL_DEVICE_TYPE_CPU) != 0 { return .cpu }
        if type & cl_device_type(CL_DEVICE_TYPE_GPU) != 0 { return .gpu }
        return type & cl_device_type(CL_DEVICE_TYPE_ACCELERATOR) != 0 ? .accelerator : .cpu
    }
}

/// What the host's CPU and kernel offer, by `/proc/cpuinfo`; empty on other processors than x86-64.
let hostInstructionSets: Set<InstructionSet> = {
    #if arch(x86_64)
    guard let file = fopen("/proc/cpuinfo", "r") else { return [] }
    defer { fclose(file) }
    var line: UnsafeMutablePointer<CChar>?
    var capacity = 0
    defer { free(line) }
    while getline(&line, &capacity, file) > 0, let start = line {
        let text = String(cString: start)
        guard text.hasPrefix("flags"), let colon = text.firstIndex(of: ":") else { continue }
        let flags = Set(text[text.index(after: colon)...].split(whereSeparator: \.isWhitespace))
        let names: [(Substring, InstructionSet)] = [
            ("sse4_2", .sse42), ("avx2", .avx2), ("fma", .fma), ("f16c", .f16c), ("avx512f", .avx512f),
            ("avx512_vnni", .avx512vnni), ("avx512_bf16", .avx512bf16),
        ]
        return Set(names.filter { flags.contains($0.0) }.map(\.1))
    }
    #endif
    return []
}()

private var hostVectorWidth: Int {
    hostInstructionSets.contains(.avx512f) ? 16 : hostInstructionSets.contains(.avx2) ? 8 : 4
}
