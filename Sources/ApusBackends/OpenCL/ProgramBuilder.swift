import ApusDevice
import ApusKernels
import ApusLowering
import ApusOpenCL

/// Builds the programs of launches through the program cache.
struct ProgramBuilder: Sendable {
    let device: OpenCLDevice
    let cache: ProgramCache
    var rewrite: (@Sendable (KernelProgram, String) -> String)?

    /// - Throws: `BackendError` with code `buildFailed` and the compiler's log.
    func programs(for needed: Set<KernelProgram>) throws(BackendError) -> [KernelProgram: Program] {
        var result: [KernelProgram: Program] = [:]
        for program in needed {
            result[program] = try cache.program(
                source: try text(of: program),
                options: "-cl-std=CL1.2",
                on: device
            )
        }
        return result
    }

    /// The text that the device compiles, as tests have changed it.
    func text(of program: KernelProgram) throws(BackendError) -> String {
        let text = try source(of: program)
        return rewrite?(program, text) ?? text
    }

    /// The text that the device compiles: defines, generated text, then the kernel file with its includes.
    func source(of program: KernelProgram) throws(BackendError) -> String {
        var text = "#pragma OPENCL FP_CONTRACT OFF\n"
        for (name, value) in program.defines.sorted(by: { $0.key < $1.key }) { text += "#define \(name) \(value)\n" }
        if !program.generated.isEmpty { text += "#line 1 \"generated.cl\"\n" + program.generated + "\n" }
        guard !program.file.isEmpty else { return text }
        return text + (try kernelFile(program.file))
    }

    /// A file below `Kernels/` with its includes.
    func kernelFile(_ path: String) throws(BackendError) -> String {
        guard let file = expandedKernelSource(path) else {
            throw BackendError(.unsupported, "there is no kernel file \(path)", device: device.info.name)
        }
        return file
    }
}
