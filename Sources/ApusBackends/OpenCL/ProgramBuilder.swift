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
                source: try rewritten(program),
                options: "-cl-std=CL1.2",
                on: device
            )
        }
        return result
    }

    private func rewritten(_ program: KernelProgram) throws(BackendError) -> String {
        let text = try source(of: program)
        return rewrite?(program, text) ?? text
    }

    /// The text that the device compiles: defines, generated text, then the kernel file with its includes.
    func source(of program: KernelProgram) throws(BackendError) -> String {
        var text = "#pragma OPENCL FP_CONTRACT OFF\n"
        for (name, value) in program.defines.sorted(by: { $0.key < $1.key }) { text += "#define \(name) \(value)\n" }
        if !program.generated.isEmpty { text += "#line 1 \"generated.cl\"\n" + program.generated + "\n" }
        guard !program.file.isEmpty else { return text }
        guard let file = expandedKernelSource(program.file) else {
            throw BackendError(.unsupported, "there is no kernel file \(program.file)", device: device.info.name)
        }
        return text + file
    }
}
