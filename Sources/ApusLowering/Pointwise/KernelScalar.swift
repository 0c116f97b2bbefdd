import ApusDevice
package import ApusTensor

/// How an element type appears in OpenCL C: what memory holds, and what a kernel computes with.
///
/// A bool is computed as a mask: for vectors `int` lanes of 0 and -1, for scalars an `int` that is zero or not.
package struct KernelScalar: Sendable, Hashable {
    package let elementType: ElementType
    /// The type of the elements in memory, such as `ushort`.
    package let storage: String
    /// The scalar type of the arithmetic, such as `float`.
    package let compute: String
    /// Whether vectors of 16 become bfloat16 by `vcvtneps2bf16`, which takes denormals as 0.
    package var usesInstructions = false

    /// - Parameter raw: whether the elements are only moved; the arithmetic type is then that of the memory.
    /// - Throws: `ModelError` with code `unsupported`.
    package init(_ elementType: ElementType, raw: Bool = false) throws(ModelError) {
        let names: (String, String)
        switch elementType {
        case .float32: names = ("float", "float")
        case .float64: names = ("double", "double")
        case .float16: names = ("half", "float")
        case .bfloat16: names = ("ushort", "float")
        case .int8: names = ("char", "int")
        case .int16: names = ("short", "int")
        case .int32: names = ("int", "int")
        case .int64: names = ("long", "long")
        case .uint8: names = ("uchar", "int")
        case .uint16: names = ("ushort", "int")
        case .uint32: names = ("uint", "uint")
        case .uint64: names = ("ulong", "ulong")
        case .bool: names = ("uchar", "int")
        default: throw ModelError(.unsupported, "no kernel reads or writes elements of type \(elementType)")
        }
        self.elementType = elementType
        storage = names.0
        compute = raw ? names.0 : names.1
    }

    /// The unsigned integer type that holds elements of a width which are only moved.
    ///
    /// - Throws: `ModelError` with code `unsupported` for widths other than 1, 2, 4 and 8 bytes.
    package static func movable(bytes: Int) throws(ModelError) -> ElementType {
        switch bytes {
        case 1: return .uint8
        case 2: return .uint16
        case 4: return .uint32
        case 8: return .uint64
        default: throw ModelError(.unsupported, "no kernel moves elements of \(bytes) bytes")
        }
    }

    /// Whether results must be cut to the element's width after arithmetic.
    package var isNarrowInteger: Bool { compute == "int" && ["char", "short", "uchar", "ushort"].contains(storage) }
    package var isBool: Bool { elementType == .bool }
    package var isFloat: Bool { compute == "float" || compute == "double" }
    package var is64Bit: Bool { compute == "double" || compute == "long" || compute == "ulong" }

    /// The element at a pointer and index, as one arithmetic value.
    func load(_ pointer: String, _ index: String) -> String {
        if isBool && compute != storage { return "(\(pointer)[\(index)] != 0)" }
        switch elementType {
        case .float16: return compute == storage ? "\(pointer)[\(index)]" : "vload_half(\(index), \(pointer))"
        case .bfloat16: return "as_float((uint)\(pointer)[\(index)] << 16)"
        default: return compute == storage ? "\(pointer)[\(index)]" : "(\(compute))\(pointer)[\(index)]"
        }
    }

    /// Neighbouring elements from a pointer and index on, as one vector.
    func load(_ pointer: String, _ index: String, lanes: Int) -> String {
        if elementType == .float16 { return "vload_half\(lanes)(0, \(pointer) + \(index))" }
        return widened("vload\(lanes)(0, \(pointer) + \(index))", lanes: lanes)
    }

    /// Elements at a distance from each other, as one vector.
    func gather(_ pointer: String, _ index: String, step: String, lanes: Int) -> String {
        let elements = (0..<lanes).map { lane in
            let place = "(long)(\(index) + \(lane)) * \(step)"
            return elementType == .float16 ? "vload_half(\(place), \(pointer))" : "\(pointer)[\(place)]"
        }
        let vector = "(\(elementType == .float16 ? "float" : storage)\(lanes))(\(elements.joined(separator: ", ")))"
        return elementType == .float16 ? vector : widened(vector, lanes: lanes)
    }

    /// One arithmetic value in every lane.
    func splat(_ scalar: String, lanes: Int) -> String {
        isBool && compute != storage ? "(\(compute)\(lanes))(-(int)\(scalar))" : "(\(compute)\(lanes))(\(scalar))"
    }

    private func widened(_ vector: String, lanes: Int) -> String {
        if compute == storage { return vector }
        if isBool { return "(convert_int\(lanes)(\(vector)) != 0)" }
        if elementType == .bfloat16 { return "as_float\(lanes)(convert_uint\(lanes)(\(vector)) << 16)" }
        return "convert_\(compute)\(lanes)(\(vector))"
    }

    /// What stands before a generated kernel that stores vectors: pocl's `vstore16` becomes stores of 128 bits at most, of
    /// single bytes for bytes.
    static let storeMacro = """
        #ifdef POCL_DEVICE_ADDRESS_BITS
        #define STORE_LANES(T, N, v, p) { \\
            typedef T##N __attribute__((aligned(sizeof(T)), may_alias)) Stored; \\
            *(__global Stored *)(p) = (v); \\
        }
        #else
        #define STORE_LANES(T, N, v, p) vstore##N(v, 0, p);
        #endif

        """

    /// The statement that stores an arithmetic value; one lane means a scalar.
    func store(_ value: String, _ pointer: String, _ index: String, lanes: Int) -> String {
        let suffix = lanes == 1 ? "" : "\(lanes)"
        if elementType == .float16 && compute != storage {
            return lanes == 1
                ? "vstore_half(\(value), \(index), \(pointer));"
                : "vstore_half\(lanes)(\(value), 0, \(pointer) + \(index));"
        }
        if usesInstructions, elementType == .bfloat16, compute == "float", lanes == 16 {
            return "{ ushort16 rounded; __asm__(\"vcvtneps2bf16 %1, %0\" : \"=v\"(rounded) : \"v\"(\(value))); "
                + "STORE_LANES(ushort, 16, rounded, \(pointer) + \(index)) }"
        }
        var stored = value
        if compute != storage {
            if isBool {
                stored = lanes == 1 ? "(uchar)(\(value) != 0)" : "convert_uchar\(lanes)(\(value) & 1)"
            } else if elementType == .bfloat16 {
                stored = "convert_ushort\(suffix)(\(Self.bfloat16Bits(value, suffix)) >> 16)"
            } else {
                stored = "convert_\(storage)\(suffix)(\(value))"
            }
        }
        return lanes == 1
            ? "\(pointer)[\(index)] = \(stored);"
            : "STORE_LANES(\(storage), \(lanes), \(stored), \(pointer) + \(index))"
    }

    /// The statements that store the lanes of a vector at a distance from each other.
    func scatter(_ value: String, _ pointer: String, _ index: String, step: String, lanes: Int) -> String {
        (0..<lanes).map { lane in
            let element = "\(value).s\(String(lane, radix: 16))"
            return store(element, pointer, "(long)(\(index) + \(lane)) * \(step)", lanes: 1)
        }.joined(separator: " ")
    }

    /// A float's bits, rounded to nearest even at bit 16; the lower half is left in place.
    static func bfloat16Bits(_ value: String, _ suffix: String) -> String {
        let bits = "as_uint\(suffix)(\(value))"
        return "select(\(bits) + 0x7fffu + ((\(bits) >> 16) & 1u), (uint\(suffix))(0x7fc00000u), isnan(\(value)))"
    }
}
