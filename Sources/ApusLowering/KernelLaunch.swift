package import ApusGraph

/// The text of a program: a kernel file under tile defines and generated text. Equal programs are built once.
package struct KernelProgram: Sendable, Hashable {
    /// The file below `Kernels/`; empty where the whole program is generated.
    package var file: String
    /// Tile constants and switches; never sizes of a model.
    package var defines: [String: String]
    /// Generated OpenCL C that stands before the file: the epilogue, or a whole pointwise kernel.
    package var generated: String

    package init(file: String = "", defines: [String: String] = [:], generated: String = "") {
        self.file = file
        self.defines = defines
        self.generated = generated
    }

    /// The tile constants, such as `MR=14 NR=32`; empty where the program has none.
    package var variant: String {
        defines.filter { Int($0.value) != nil && !Self.switches.contains($0.key) }
            .sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    }

    /// Defines that say what is fused into a kernel, not how it is tiled.
    private static let switches: Set<String> = [
        "ASM_TILE", "HAS_BIAS", "CHANNELS_PADDED", "EPILOGUE_LOOP", "FIRST_BIAS", "FIRST_LOOP",
    ]
}

/// Memory that a launch touches.
package enum BufferReference: Sendable, Hashable {
    case value(ValueID)
    /// Memory of one node alone, by number.
    case scratch(Int)
}

/// One argument of a kernel call.
package enum KernelArgument: Sendable, Hashable {
    /// Two kernel parameters: the buffer, and a `long` offset in elements of the buffer's type.
    ///
    /// The offset is relative to the buffer's own memory; the plan adds where that lies in the arena.
    case tensor(BufferReference, offset: Int, elementBytes: Int, access: Access)
    case int(Int)
    case long(Int)
    case float(Float)
    /// Local memory of a size in bytes.
    case local(Int)

    package enum Access: Sendable, Hashable { case read, write, readWrite }
}

/// A launch whose work-items with index i of one dimension read only part i of the first tensor, for large constants.
package struct SourceSlices: Sendable, Hashable {
    /// The dimension of the global size.
    package var dimension: Int
    /// The extent of a part, in elements; the last one may be shorter.
    package var elementsPerIndex: Int
}

/// One kernel call as data.
package struct KernelLaunch: Sendable, Hashable {
    package var program: KernelProgram
    /// The name of the `__kernel` function.
    package var kernel: String
    package var arguments: [KernelArgument]
    /// One to three extents; a multiple of the local size where there is one.
    package var globalSize: [Int]
    /// The work-group; `nil` leaves it to the driver.
    package var localSize: [Int]?
    /// How the launch may read its first tensor in parts; `nil` where it needs all of it.
    package var sourceSlices: SourceSlices?

    package init(
        program: KernelProgram,
        kernel: String,
        arguments: [KernelArgument],
        globalSize: [Int],
        localSize: [Int]?,
        sourceSlices: SourceSlices? = nil
    ) {
        self.sourceSlices = sourceSlices
        self.program = program
        self.kernel = kernel
        self.arguments = arguments
        self.globalSize = globalSize
        self.localSize = localSize
    }

    /// What is trusted or refused on a device as one: the kernel file, or the name of a kernel that is wholly generated.
    package var variant: String { program.file.isEmpty ? kernel : program.file }

    /// The memory that the launch reads.
    package var reads: [BufferReference] { references { $0 != .write } }

    /// The memory that the launch writes.
    package var writes: [BufferReference] { references { $0 != .read } }

    private func references(_ matches: (KernelArgument.Access) -> Bool) -> [BufferReference] {
        arguments.compactMap {
            if case .tensor(let reference, _, _, let access) = $0, matches(access) { reference } else { nil }
        }
    }
}
