import ApusDevice
import ApusGraph
import ApusTensor

/// What a reduction computes of the elements that it merges.
enum ReductionKind: String, Sendable, Hashable {
    case sum, mean, maximum, minimum, product, l1, l2, sumSquare, logSum, logSumExp
    /// `1 / sqrt(variance + epsilon)`.
    case inverseDeviation
    /// `sqrt(variance)`.
    case deviation
    /// The square root of a sum: the second stage of `l2`.
    case l2OfSquares

    /// How a reduction splits into one of parts of the elements and one of their results; `nil` where it does not.
    var stages: (first: ReductionKind, second: ReductionKind)? {
        switch self {
        case .sum, .maximum, .minimum, .product: (self, self)
        case .mean: (.sum, .mean)
        case .l1: (.l1, .sum)
        case .sumSquare: (.sumSquare, .sum)
        case .l2: (.sumSquare, .l2OfSquares)
        case .logSum: (.sum, .logSum)
        case .l2OfSquares, .logSumExp, .inverseDeviation, .deviation: nil
        }
    }
}

/// The text of a kernel that merges the elements of some axes.
///
/// One work-item makes results; sums are merged in blocks with a compensated sum of the blocks.
struct ReductionKernel {
    /// How one pass merges elements.
    private struct Pass {
        var map: String
        var merge: Merge
    }

    private enum Merge { case sum, product, maximum, minimum }

    let kind: ReductionKind
    let input: KernelScalar
    let output: KernelScalar
    let keptRank: Int
    let reducedRank: Int
    /// Whether results lie side by side in the input, so that a vector holds one element of each.
    let isColumnwise: Bool
    /// Whether the merged elements lie side by side in the input.
    let isRowwise: Bool
    let lanes: Int
    /// How results lie in the output, along the innermost kept axis.
    let outputIsContiguous: Bool

    static let blockLength = 128

    func text() throws(ModelError) -> String {
        var text = "#pragma OPENCL FP_CONTRACT OFF\n"
        if input.compute == "double" { text += "#pragma OPENCL EXTENSION cl_khr_fp64 : enable\n" }
        text += KernelScalar.storeMacro + signature + decoding
        text += "int i = s * segment;\n"
        if isColumnwise && lanes > 1 {
            text += "for (; i + \(lanes) <= stop; i += \(lanes)) {\n\(try body(lanes: lanes))}\n"
        }
        text += "for (; i < stop; ++i) {\n\(try body(lanes: 1))}\n"
        return text + "}\n}\n"
    }

    private var signature: String {
        var parameters = ["__global const \(input.storage) *x, long ox", "__global \(output.storage) *y, long oy"]
        parameters += (0..<keptRank).map { "int n\($0)" }
        parameters += (0..<keptRank).map { "int px\($0)" } + (0..<keptRank).map { "int py\($0)" }
        parameters += (0..<reducedRank).map { "int m\($0)" } + (0..<reducedRank).map { "int pr\($0)" }
        parameters += ["int chunk", "float count", "float epsilon"]
        parameters += ["int segment", "int segments", "int units", "int units_per_item"]
        return "__kernel void reduce(" + parameters.joined(separator: ", ") + ") {\n"
    }

    /// Finds the row of results; kept axis 0 numbers the parts of the first merged axis.
    private var decoding: String {
        let inner = keptRank - 1
        var text = """
            const int first = (int)get_global_id(0) * units_per_item;
            const int last = min(first + units_per_item, units);
            for (int unit = first; unit < last; ++unit) {
            int row = unit / segments;
            const int s = unit - row * segments;

            """
        for axis in (0..<inner).reversed() {
            text += axis == 0 ? "const int i0 = row;\n" : "const int i\(axis) = row % n\(axis); row /= n\(axis);\n"
        }
        for pointer in ["x", "y"] {
            let base = (0..<inner).map { " + (long)i\($0) * p\(pointer)\($0)" }.joined()
            let type = pointer == "x" ? "__global const \(input.storage)" : "__global \(output.storage)"
            text += "\(type) *q\(pointer) = \(pointer) + o\(pointer)\(base);\n"
        }
        text += "const int limit = min(chunk, m0 - i0 * chunk);\n"
        return text + "const int stop = min((s + 1) * segment, n\(inner));\n"
    }

    private func body(lanes: Int) throws(ModelError) -> String {
        let inner = keptRank - 1
        let type = typeName(lanes)
        var text = "__global const \(input.storage) *p = qx + (long)i * px\(inner);\n"
        let result: String
        switch kind {
        case .logSumExp:
            text += pass(0, Pass(map: "x", merge: .maximum), lanes)
            let zero = "(\(type))(0.0f)"
            let shift = lanes == 1 ? "isinf(r0) ? \(zero) : r0" : "select(r0, \(zero), isinf(r0))"
            text += "const \(type) shift = \(shift);\n"
            text += pass(1, Pass(map: "exp(x - shift)", merge: .sum), lanes)
            result = "(log(r1) + shift)"
        case .inverseDeviation, .deviation:
            text += pass(0, Pass(map: "x", merge: .sum), lanes)
            text += "const \(type) mean = r0 / count;\n"
            text += pass(1, Pass(map: "((x - mean) * (x - mean))", merge: .sum), lanes)
            result = kind == .deviation ? "sqrt(r1 / count)" : "(1.0f / sqrt(r1 / count + epsilon))"
        default:
            text += pass(0, firstPass, lanes)
            result = finished("r0")
        }
        text += "const \(type) result = \(result);\n"
        let place = "(long)i * py\(inner)"
        if lanes > 1 && !outputIsContiguous {
            return text + output.scatter("result", "qy", "i", step: "py\(inner)", lanes: lanes) + "\n"
        }
        return text + output.store("result", "qy", lanes > 1 ? "i" : place, lanes: lanes) + "\n"
    }

    private var firstPass: Pass {
        switch kind {
        case .maximum: Pass(map: "x", merge: .maximum)
        case .minimum: Pass(map: "x", merge: .minimum)
        case .product: Pass(map: "x", merge: .product)
        case .l1: Pass(map: input.isFloat ? "fabs(x)" : "(\(input.compute))abs(x)", merge: .sum)
        case .l2, .sumSquare: Pass(map: "(x * x)", merge: .sum)
        default: Pass(map: "x", merge: .sum)
        }
    }

    private func finished(_ r: String) -> String {
        switch kind {
        case .mean: "(\(r) / (\(input.compute))count)"
        case .l2, .l2OfSquares: "sqrt(\(r))"
        case .logSum: "log(\(r))"
        default: r
        }
    }

    private func typeName(_ lanes: Int) -> String { lanes == 1 ? input.compute : "\(input.compute)\(lanes)" }

    private func identity(_ merge: Merge) -> String {
        switch merge {
        case .sum: "0"
        case .product: "1"
        case .maximum, .minimum:
            switch input.compute {
            case "float", "double": merge == .maximum ? "-INFINITY" : "INFINITY"
            case "uint": merge == .maximum ? "0u" : "UINT_MAX"
            case "long": merge == .maximum ? "LONG_MIN" : "LONG_MAX"
            case "ulong": merge == .maximum ? "0UL" : "ULONG_MAX"
            default: merge == .maximum ? "INT_MIN" : "INT_MAX"
            }
        }
    }

    private func merged(_ a: String, _ b: String, _ merge: Merge, lanes: Int) -> String {
        switch merge {
        case .sum: return "\(a) + \(b)"
        case .product: return "\(a) * \(b)"
        case .maximum, .minimum:
            guard input.isFloat else { return "\(merge == .maximum ? "max" : "min")(\(a), \(b))" }
            let takes = "(\(b) \(merge == .maximum ? ">" : "<") \(a)) | isnan(\(b))"
            return lanes == 1 ? "(\(takes)) ? \(b) : \(a)" : "select(\(a), \(b), \(takes))"
        }
    }

    /// Whether the blocks of a pass are merged by a compensated sum.
    private func isCompensated(_ merge: Merge) -> Bool {
        if case .sum = merge { input.isFloat } else { false }
    }

    private func accumulator(_ name: String, _ merge: Merge, lanes: Int) -> String {
        let type = typeName(lanes)
        let initial = "(\(type))(\(identity(merge)))"
        var text = "\(type) \(name) = \(initial);\n"
        if isCompensated(merge) { text += "\(type) \(name)_error = \(initial), \(name)_plain = \(initial);\n" }
        return text
    }

    private func flush(_ block: String, into name: String, _ merge: Merge, lanes: Int) -> String {
        guard isCompensated(merge) else { return "\(name) = \(merged(name, block, merge, lanes: lanes));\n" }
        let type = typeName(lanes)
        return """
            { const \(type) term = \(block) - \(name)_error, sum = \(name) + term;
            \(name)_error = (sum - \(name)) - term; \(name) = sum; \(name)_plain += \(block); }

            """
    }

    private func final(_ name: String, _ merge: Merge, lanes: Int) -> String {
        guard isCompensated(merge) else { return name }
        return lanes == 1
            ? "(isfinite(\(name)) ? \(name) : \(name)_plain)" : "select(\(name)_plain, \(name), isfinite(\(name)))"
    }

    /// The statements that declare `r<number>`, the merged elements of one result or of a vector of results.
    private func pass(_ number: Int, _ pass: Pass, _ lanes: Int) -> String {
        let inner = reducedRank - 1
        let usesRows = lanes == 1 && isRowwise && self.lanes > 1
        var text = accumulator("t\(number)", pass.merge, lanes: lanes)
        if usesRows { text += accumulator("v\(number)", pass.merge, lanes: self.lanes) }
        text += "{\n"
        for axis in 0..<inner {
            text += "for (int j\(axis) = 0; j\(axis) < \(axis == 0 ? "limit" : "m\(axis)"); ++j\(axis)) {\n"
        }
        let base = "p" + (0..<inner).map { " + (long)j\($0) * pr\($0)" }.joined()
        text += "__global const \(input.storage) *e = \(base);\n"
        text += "const int length = \(inner == 0 ? "limit" : "m\(inner)");\nint j = 0;\n"
        if usesRows {
            let step = self.lanes
            text += "while (j + \(step) <= length) {\n"
            text += "\(typeName(step)) block = (\(typeName(step)))(\(identity(pass.merge)));\n"
            text += "const int end = min(j + \(Self.blockLength * step), length);\n"
            text += "for (; j + \(step) <= end; j += \(step)) {\n"
            text += "const \(typeName(step)) x = \(input.load("e", "j", lanes: step));\n"
            text += "const \(typeName(step)) mapped = \(pass.map);\n"
            text += "block = \(merged("block", "mapped", pass.merge, lanes: step));\n}\n"
            text += flush("block", into: "v\(number)", pass.merge, lanes: step) + "}\n"
        }
        text += "while (j < length) {\n"
        text += "\(typeName(lanes)) block = (\(typeName(lanes)))(\(identity(pass.merge)));\n"
        text += "const int end = min(j + \(Self.blockLength), length);\n"
        text += "for (; j < end; ++j) {\n"
        let load =
            lanes == 1
            ? input.load("e", "(long)j * pr\(inner)") : input.load("e", "(long)j * pr\(inner)", lanes: lanes)
        text += "const \(typeName(lanes)) x = \(load);\n"
        text += "const \(typeName(lanes)) mapped = \(pass.map);\n"
        text += "block = \(merged("block", "mapped", pass.merge, lanes: lanes));\n}\n"
        text += flush("block", into: "t\(number)", pass.merge, lanes: lanes) + "}\n"
        text += String(repeating: "}\n", count: inner + 1)
        if usesRows {
            var width = self.lanes
            var name = final("v\(number)", pass.merge, lanes: width)
            while width > 1 {
                let whole = "h\(number)_\(width)"
                text += "const \(typeName(width)) \(whole) = \(name);\n"
                width /= 2
                name = merged("\(whole).lo", "\(whole).hi", pass.merge, lanes: width)
            }
            text += "const \(typeName(1)) h\(number) = \(name);\n"
            text += flush("h\(number)", into: "t\(number)", pass.merge, lanes: 1)
        }
        return text + "const \(typeName(lanes)) r\(number) = \(final("t\(number)", pass.merge, lanes: lanes));\n"
    }
}
