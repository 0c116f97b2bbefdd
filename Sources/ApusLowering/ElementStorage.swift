import ApusDevice
import ApusTensor

/// What the tensors of a tile kernel hold; the arithmetic is float32 whatever it is.
enum ElementStorage: Hashable {
    case float32, float16, bfloat16

    /// - Throws: `ModelError` with code `unsupported` for another type.
    init(_ elementType: ElementType) throws(ModelError) {
        switch elementType {
        case .float32: self = .float32
        case .float16: self = .float16
        case .bfloat16: self = .bfloat16
        default: throw ModelError(.unsupported, "no kernel for \(elementType)")
        }
    }

    /// The storage that all the operands have.
    ///
    /// - Throws: `ModelError` with code `unsupported` if they differ or have none.
    init(_ operands: some Sequence<Operand?>) throws(ModelError) {
        var common: ElementStorage?
        for operand in operands {
            guard let operand else { continue }
            let storage = try ElementStorage(operand.type.elementType)
            if let common, common != storage {
                throw ModelError(.unsupported, "no kernel for operands of \(common) and \(storage)")
            }
            common = storage
        }
        guard let common else { throw ModelError(.unsupported, "no kernel without operands") }
        self = common
    }

    /// The defines of `microkernel/lanes.cl`.
    func defines(_ device: DeviceInfo) -> [String: String] {
        switch self {
        case .float32: [:]
        case .float16: ["STORAGE_HALF": "1"]
        case .bfloat16:
            hasInstructions(device) ? ["STORAGE_BFLOAT": "1", "ASM_BF16": "1"] : ["STORAGE_BFLOAT": "1"]
        }
    }

    /// Whether kernels may multiply by inline assembly: floats by `vfmadd231ps`, pairs of bfloat16 by `vdpbf16ps`.
    func hasInstructions(_ device: DeviceInfo) -> Bool {
        guard device.vectorWidth == 16 else { return false }
        return switch self {
        case .float32: device.instructionSets.contains(.avx512f)
        case .float16: false
        case .bfloat16: device.instructionSets.contains(.avx512bf16)
        }
    }

    /// Whether kernels multiply pairs of neighbouring elements: the `BF16_PAIRS` of `microkernel/tile.cl`.
    func multipliesPairs(_ device: DeviceInfo) -> Bool { self == .bfloat16 && hasInstructions(device) }

    /// The suffix of the loads of `microkernel/lanes.cl`, and the type of an element in OpenCL C.
    var names: (suffix: String, element: String) {
        switch self {
        case .float32: ("", "float")
        case .float16: ("_HALF", "half")
        case .bfloat16: ("_BFLOAT", "ushort")
        }
    }

    var elementBytes: Int { self == .float32 ? 4 : 2 }
}

extension OperatorCall {
    /// What the node's own operands and results hold, those of its epilogue aside.
    ///
    /// - Throws: `ModelError` with code `unsupported` if they differ or no tile kernel moves them.
    func storage() throws(ModelError) -> ElementStorage { try ElementStorage(Array(anchorInputs) + outputs) }
}
