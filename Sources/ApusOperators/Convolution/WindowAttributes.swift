package import ApusGraph
package import ApusTensor

/// The attributes that convolutions and pools share.
package struct WindowAttributes: Sendable {
    /// How padding is chosen.
    package enum AutoPad: String, Sendable {
        case notSet = "NOTSET"
        case sameUpper = "SAME_UPPER"
        case sameLower = "SAME_LOWER"
        case valid = "VALID"

        var isSame: Bool { self == .sameUpper || self == .sameLower }
    }

    package let kernelShape: [Int]?
    package let strides: [Int]?
    package let dilations: [Int]?
    package let pads: [Int]?
    package let autoPad: AutoPad
    package let ceilMode: Bool
    /// For transposed convolutions: what is added to the end of the output.
    package let outputPadding: [Int]?
    /// For transposed convolutions: the spatial output shape, from which padding follows.
    package let outputShape: [Int]?

    /// - Throws: `ModelError` if a value is out of range whatever the input's shape is.
    package init(_ node: Node) throws(ModelError) {
        kernelShape = try Self.extents(node, "kernel_shape", 1)
        strides = try Self.extents(node, "strides", 1)
        dilations = try Self.extents(node, "dilations", 1)
        pads = try Self.extents(node, "pads", 0)
        outputPadding = try Self.extents(node, "output_padding", 0)
        outputShape = try Self.extents(node, "output_shape", 0)
        ceilMode = try node.attributes.bool("ceil_mode", default: false)
        let name = try node.attributes.string("auto_pad", default: "NOTSET")
        guard let autoPad = AutoPad(rawValue: name.isEmpty ? "NOTSET" : name) else {
            throw ModelError(.invalidModel, "auto_pad is \"\(name)\"")
        }
        self.autoPad = autoPad
    }

    private static func extents(_ node: Node, _ name: String, _ minimum: Int) throws(ModelError) -> [Int]? {
        guard let values = try node.attributes.ints(name) else { return nil }
        guard values.allSatisfy({ $0 >= minimum && $0 <= Int(Int32.max) }) else {
            throw ModelError(.invalidModel, "\(name) is \(values), expected values in \(minimum)...\(Int32.max)")
        }
        return values
    }

    /// The window over an input.
    ///
    /// - Parameters:
    ///   - input: the spatial extents of the input.
    ///   - kernel: the spatial extents of the window.
    /// - Throws: `ModelError` if counts of axes differ, the window exceeds the padded input or an extent overflows.
    package func geometry(input: [Int], kernel: [Int]) throws(ModelError) -> WindowGeometry {
        var window = try unpadded(input: input, kernel: kernel)
        for axis in input.indices {
            let extent = window.extent(axis)
            let stride = window.strides[axis]
            if autoPad.isSame {
                let output = input[axis] == 0 ? 0 : (input[axis] - 1) / stride + 1
                setPadding(&window, axis, total: max(0, (output - 1) * stride + extent - input[axis]))
                window.output[axis] = output
                continue
            }
            let padded = input[axis] + window.padsBegin[axis] + window.padsEnd[axis]
            guard extent <= padded else {
                throw ModelError(
                    .invalidModel,
                    "the window spans \(extent) elements of axis \(axis + 2), which has \(padded) with padding"
                )
            }
            var output = (padded - extent) / stride + 1
            if ceilMode, (padded - extent) % stride != 0, output * stride < input[axis] + window.padsBegin[axis] {
                output += 1
            }
            guard output <= Int(Int32.max) else {
                throw ModelError(.invalidModel, "axis \(axis + 2) of the output has extent \(output)")
            }
            window.output[axis] = output
        }
        return window
    }

    /// The window of a transposed convolution.
    ///
    /// - Throws: `ModelError` as `geometry` does, and if the output padding reaches a stride and a dilation.
    package func transposedGeometry(input: [Int], kernel: [Int]) throws(ModelError) -> WindowGeometry {
        var window = try unpadded(input: input, kernel: kernel)
        let padding = try axes(outputPadding, "output_padding", rank: input.count, default: 0)
        var shape: [Int]?
        if let outputShape {
            guard outputShape.count >= input.count else {
                throw ModelError(.invalidModel, "output_shape is \(outputShape), expected \(input.count) extents")
            }
            shape = outputShape.suffix(input.count)
        } else if autoPad.isSame {
            shape = zip(input, window.strides).map { $0 * $1 }
        }
        for axis in input.indices {
            let stride = window.strides[axis]
            guard padding[axis] < max(stride, window.dilations[axis]) else {
                throw ModelError(
                    .invalidModel,
                    "output_padding is \(padding), expected less than the strides \(window.strides) or dilations"
                )
            }
            let full = input[axis] == 0 ? 0 : (input[axis] - 1) * stride + window.extent(axis) + padding[axis]
            if let shape {
                setPadding(&window, axis, total: max(0, full - shape[axis]))
                window.output[axis] = shape[axis]
            } else {
                window.output[axis] = full - window.padsBegin[axis] - window.padsEnd[axis]
            }
            guard window.output[axis] >= 0, window.output[axis] <= Int(Int32.max) else {
                throw ModelError(.invalidModel, "axis \(axis + 2) of the output has extent \(window.output[axis])")
            }
        }
        return window
    }

    private func setPadding(_ window: inout WindowGeometry, _ axis: Int, total: Int) {
        let half = total / 2
        window.padsBegin[axis] = autoPad == .sameUpper ? half : total - half
        window.padsEnd[axis] = total - window.padsBegin[axis]
    }

    private func unpadded(input: [Int], kernel: [Int]) throws(ModelError) -> WindowGeometry {
        let rank = input.count
        guard (1...3).contains(rank) else {
            throw ModelError(.unsupported, "windows over \(rank) spatial axes are not supported, only over 1 to 3")
        }
        guard kernel.count == rank, kernelShape == nil || kernelShape == kernel else {
            throw ModelError(
                .invalidModel,
                "the window \(kernelShape ?? kernel) does not fit the weight's extents \(kernel) or the input's \(input)"
            )
        }
        let pads = autoPad == .notSet ? pads : nil
        guard pads == nil || pads?.count == 2 * rank else {
            throw ModelError(.invalidModel, "pads is \(pads ?? []), expected \(2 * rank) values")
        }
        let window = WindowGeometry(
            input: input,
            kernel: kernel,
            strides: try axes(strides, "strides", rank: rank, default: 1),
            dilations: try axes(dilations, "dilations", rank: rank, default: 1),
            padsBegin: pads.map { [Int]($0.prefix(rank)) } ?? [Int](repeating: 0, count: rank),
            padsEnd: pads.map { [Int]($0.suffix(rank)) } ?? [Int](repeating: 0, count: rank),
            output: [Int](repeating: 0, count: rank)
        )
        let limit = Int(Int32.max)
        for axis in 0..<rank {
            guard (1...limit).contains(kernel[axis]), (0...limit).contains(input[axis]) else {
                throw ModelError(.invalidModel, "a window \(kernel) over an input \(input) is not possible")
            }
            guard window.extent(axis) <= limit else {
                throw ModelError(
                    .invalidModel,
                    "a window \(kernel) with dilations \(window.dilations) spans more than \(limit) elements"
                )
            }
        }
        return window
    }

    private func axes(
        _ values: [Int]?,
        _ name: String,
        rank: Int,
        default value: Int
    ) throws(ModelError) -> [Int] {
        guard let values, !values.isEmpty else { return [Int](repeating: value, count: rank) }
        guard values.count == rank else {
            throw ModelError(.invalidModel, "\(name) is \(values), expected \(rank) values")
        }
        return values
    }
}
