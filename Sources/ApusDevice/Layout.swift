/// Where the elements of a value lie in a buffer of a plan; graph shapes stay logical and in ONNX order.
///
/// The element with index (i0, i1, ...) lies at `offset + i0 * pitches[0] + i1 * pitches[1] + ...`, in elements.
package struct Layout: Sendable, Hashable {
    /// The logical axes, outermost in memory first.
    package var order: [Int]
    /// The distance in elements between neighbours, by logical axis.
    package var pitches: [Int]
    /// Elements of `haloValue` that precede the first element, by logical axis.
    package var haloBefore: [Int]
    /// Elements of `haloValue` that follow the last element, by logical axis.
    package var haloAfter: [Int]
    /// What the halo holds: 0, or the zero point of quantized values.
    package var haloValue = 0
    /// The first element's place, in elements; not zero with a halo.
    package var offset: Int
    /// The elements that the buffer holds in all.
    package var allocatedElements: Int

    /// Row-major, without gaps: the layout of inputs, outputs and stage borders.
    package static func canonical(_ shape: [Int]) -> Layout {
        Layout(order: Array(shape.indices), shape: shape, innermostAlignment: 1)
    }

    /// Axis 1 innermost: NCHW values are stored NHWC.
    ///
    /// From 16 channels on the pitch is a multiple of 16 elements, so that kernels may move whole vectors, and no multiple
    /// of 2048 bytes where an image has more than one pixel, since a run of them would meet in one set of the L1 cache.
    package static func channelsLast(
        _ shape: [Int],
        haloBefore: [Int]? = nil,
        haloAfter: [Int]? = nil,
        haloValue: Int = 0
    ) -> Layout {
        guard shape.count >= 3 else { return .canonical(shape) }
        var layout = Layout(
            order: [0] + Array(2..<shape.count) + [1],
            shape: shape,
            innermostAlignment: 16,
            haloBefore: haloBefore,
            haloAfter: haloAfter
        )
        layout.haloValue = layout.hasHalo ? haloValue : 0
        return layout
    }

    private init(
        order: [Int],
        shape: [Int],
        innermostAlignment: Int,
        haloBefore: [Int]? = nil,
        haloAfter: [Int]? = nil
    ) {
        self.order = order
        self.haloBefore = haloBefore ?? [Int](repeating: 0, count: shape.count)
        self.haloAfter = haloAfter ?? [Int](repeating: 0, count: shape.count)
        pitches = [Int](repeating: 1, count: shape.count)
        offset = 0
        var hasPixels = false
        for axis in order.dropFirst().dropLast() where self.haloBefore[axis] + shape[axis] + self.haloAfter[axis] > 1 {
            hasPixels = true
        }
        var pitch = 1
        for (position, axis) in order.enumerated().reversed() {
            pitches[axis] = pitch
            offset += self.haloBefore[axis] * pitch
            var extent = self.haloBefore[axis] + shape[axis] + self.haloAfter[axis]
            if position == order.count - 1, innermostAlignment > 1, extent >= innermostAlignment {
                extent = (extent + innermostAlignment - 1) / innermostAlignment * innermostAlignment
                if extent % 512 == 0, hasPixels { extent += innermostAlignment }
            }
            pitch *= extent
        }
        allocatedElements = max(pitch, 1)
    }

    /// Whether a halo surrounds the elements.
    package var hasHalo: Bool { haloBefore.contains { $0 > 0 } || haloAfter.contains { $0 > 0 } }

    /// Whether axis 1 lies innermost (or the rank leaves no choice).
    package var isChannelsLast: Bool { order.count >= 3 && order.last == 1 }

    /// Whether the elements lie row-major without gaps.
    ///
    /// A batch of 1 is judged as any other, so that a larger one needs no other kernels.
    package func isCanonical(_ shape: [Int]) -> Bool {
        var stride = 1
        for axis in shape.indices.reversed() {
            if (shape[axis] != 1 || axis == 0) && pitches[axis] != stride { return false }
            stride *= shape[axis]
        }
        return offset == 0
    }
}
