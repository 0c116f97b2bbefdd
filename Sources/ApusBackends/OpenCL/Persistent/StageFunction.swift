import ApusLowering

/// A kernel as a function of a persistent program: launches that differ in sizes, buffers and offsets share it.
struct StageFunction: Sendable, Hashable {
    /// How the table holds an argument.
    enum Parameter: String, Sendable, Hashable {
        case tensor, int, long, float, local
    }

    let program: KernelProgram
    let kernel: String
    let parameters: [Parameter]

    init(_ launch: KernelLaunch) {
        program = launch.program
        kernel = launch.kernel
        parameters = launch.arguments.map {
            switch $0 {
            case .tensor: .tensor
            case .int: .int
            case .long: .long
            case .float: .float
            case .local: .local
            }
        }
    }

    /// The text of the function, to be compiled by itself.
    ///
    /// - Parameters:
    ///   - text: the text of `program`.
    ///   - prelude: the text of `persistent/stage.cl`.
    func text(number: Int, _ text: String, prelude: String) -> String {
        var calls = ["index", "extent"]
        var word = 0
        for parameter in parameters {
            switch parameter {
            case .tensor:
                calls += ["(__global void *)buffers[arguments[\(word)]]", "arguments[\(word + 1)]"]
                word += 1
            case .int: calls.append("(int)arguments[\(word)]")
            case .long: calls.append("arguments[\(word)]")
            case .float: calls.append("as_float((int)arguments[\(word)])")
            case .local: calls.append("(__local void *)(memory + arguments[\(word)])")
            }
            word += 1
        }
        return prelude + """
            #define \(kernel)(...) \(kernel)(const int3 item_index, const int3 item_extent, __VA_ARGS__)
            \(text)
            #undef \(kernel)
            void stage_\(number)(const int3 index, const int3 extent, __global const long *arguments,
                __global uchar *__private *buffers, __local uchar *memory) {
                \(kernel)(\(calls.joined(separator: ", ")));
            }

            """
    }
}
