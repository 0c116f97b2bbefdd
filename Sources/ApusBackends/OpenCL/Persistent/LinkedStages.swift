import ApusDevice
import ApusOpenCL
import Synchronization

/// A program of `persistent/stages.cl` with the functions that it can run as stages.
struct LinkedStages: Sendable {
    let program: Program
    /// How the table names the functions.
    let numbers: [StageFunction: Int]
    /// How many buffers the kernel has as parameters.
    let bufferCount: Int

    /// Parameters of the kernel beside buffers, in bytes.
    private static let otherParameterBytes = 32

    /// The most buffers that a kernel can have as parameters.
    static func maximumBuffers(_ device: DeviceInfo) -> Int {
        (device.maximumParameterBytes - otherParameterBytes) / 8
    }

    /// Compiles functions one by one and links them with the kernel.
    ///
    /// - Throws: `BackendError` with code `buildFailed` and the log of the compiler or the linker.
    init(_ functions: Set<StageFunction>, bufferCount: Int, _ builder: ProgramBuilder) throws(BackendError) {
        let info = builder.device.info
        let bufferCount = min((bufferCount + 15) / 16 * 16, Self.maximumBuffers(info))
        let functions = try Self.ordered(functions, builder)
        let prelude = try builder.kernelFile("persistent/stage.cl")
        var parts = functions.enumerated().map { number, function in
            ProgramPart(
                source: function.function.text(number: number, function.text, prelude: prelude),
                options: "-cl-std=CL1.2"
            )
        }
        parts.append(
            ProgramPart(
                source: Self.declarations(functions.count, bufferCount, info)
                    + (try builder.kernelFile("persistent/stages.cl")),
                options: "-cl-std=CL3.0"
            )
        )
        program = try builder.cache.program(parts: parts, on: builder.device)
        var numbers: [StageFunction: Int] = [:]
        for (number, function) in functions.enumerated() { numbers[function.function] = number }
        self.numbers = numbers
        self.bufferCount = bufferCount
    }

    /// The functions in an order that does not depend on that of the plan, so that equal sets make equal programs.
    private static func ordered(
        _ functions: Set<StageFunction>,
        _ builder: ProgramBuilder
    ) throws(BackendError) -> [(function: StageFunction, text: String)] {
        var result: [(function: StageFunction, text: String)] = []
        for function in functions { result.append((function, try builder.text(of: function.program))) }
        func key(_ function: StageFunction, _ text: String) -> (String, String, String) {
            (function.kernel, function.parameters.map(\.rawValue).joined(separator: " "), text)
        }
        return result.sorted { key($0.function, $0.text) < key($1.function, $1.text) }
    }

    /// The generated text before `persistent/stages.cl`.
    private static func declarations(_ functionCount: Int, _ bufferCount: Int, _ device: DeviceInfo) -> String {
        let numbers = 0..<functionCount
        let declarations = numbers.map { "void stage_\($0)(STAGE_PARAMETERS);" }.joined(separator: " ")
        let cases = numbers.map { "case \($0): stage_\($0)(STAGE_ARGUMENTS); break;" }.joined(separator: " ")
        let parameters = (0..<bufferCount).map { ", __global uchar *b\($0)" }.joined()
        let buffers = (0..<bufferCount).map { "b\($0)" }.joined(separator: ", ")
        return """
            #define STAGES \(declarations)
            #define CALL_STAGE switch (function) { \(cases) }
            #define BUFFER_PARAMETERS \(parameters)
            #define BUFFERS \(buffers)
            \(device.instructionSets.contains(.sse42) ? "#define ASM_PAUSE" : "")

            """
    }
}

/// The linked programs of a model: plans of other shapes find what they need in one of them.
final class LinkedStageStore: Sendable {
    private let all = Mutex<[LinkedStages]>([])

    /// A program that has the functions and enough parameters, built if there is none; `nil` if it does not build.
    ///
    /// - Throws: `BackendError` if a call fails for another reason.
    func stages(
        for functions: Set<StageFunction>,
        bufferCount: Int,
        _ builder: ProgramBuilder
    ) throws(BackendError) -> LinkedStages? {
        let found = all.withLock { all in
            all.first { functions.isSubset(of: $0.numbers.keys) && $0.bufferCount >= bufferCount }
        }
        if let found { return found }
        do {
            let made = try LinkedStages(functions, bufferCount: bufferCount, builder)
            all.withLock { $0.append(made) }
            return made
        } catch  where error.code == .buildFailed {
            return nil
        }
    }
}
