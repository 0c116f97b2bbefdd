/// A window that slides over the spatial axes of an input, with every extent resolved and checked.
///
/// Output element o and tap k of an axis meet input element `o * stride - padBegin + k * dilation`; in a transposed
/// convolution input element i and tap k meet output element `i * stride - padBegin + k * dilation`.
package struct WindowGeometry: Sendable, Hashable {
    /// The spatial extents of the input.
    package var input: [Int]
    /// The taps along each axis.
    package var kernel: [Int]
    package var strides: [Int]
    package var dilations: [Int]
    package var padsBegin: [Int]
    /// The padding after the input; `ceil_mode` may slide a window past its end.
    package var padsEnd: [Int]
    /// The spatial extents of the output.
    package var output: [Int]

    /// The number of spatial axes.
    package var rank: Int { input.count }
    package var inputCount: Int { input.reduce(1, *) }
    package var kernelCount: Int { kernel.reduce(1, *) }
    package var outputCount: Int { output.reduce(1, *) }

    /// The input elements that a tap at the end of the window lies behind the first one, plus one.
    package func extent(_ axis: Int) -> Int { (kernel[axis] - 1) * dilations[axis] + 1 }

    /// The same window with axes of extent 1 in front, up to the given number of axes.
    package func extended(to rank: Int) -> WindowGeometry {
        guard rank > self.rank else { return self }
        let ones = [Int](repeating: 1, count: rank - self.rank)
        let zeros = [Int](repeating: 0, count: rank - self.rank)
        return WindowGeometry(
            input: ones + input,
            kernel: ones + kernel,
            strides: ones + strides,
            dilations: ones + dilations,
            padsBegin: zeros + padsBegin,
            padsEnd: zeros + padsEnd,
            output: ones + output
        )
    }

    /// The taps of one output element along one axis that lie inside the input.
    package struct Taps: Sendable, Hashable {
        /// The input element under the first of them.
        package var first: Int
        package var count: Int
        /// The taps that lie inside the input or its padding.
        package var paddedCount: Int
    }

    /// The taps of every output element along an axis.
    package func taps(_ axis: Int) -> [Taps] {
        let dilation = dilations[axis]
        func tapsBelow(_ limit: Int) -> Int {
            limit <= 0 ? 0 : min(kernel[axis], (limit - 1) / dilation + 1)
        }
        return (0..<output[axis]).map { index in
            let start = index * strides[axis] - padsBegin[axis]
            let skipped = tapsBelow(-start)
            let end = tapsBelow(input[axis] - start)
            return Taps(
                first: start + skipped * dilation,
                count: max(0, end - skipped),
                paddedCount: tapsBelow(input[axis] + padsEnd[axis] - start)
            )
        }
    }
}
