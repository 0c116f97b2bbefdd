import ApusDevice
import ApusTensor

/// A batch of channels-last images as the convolution kernels address it: batch, depth, height, width, channels.
///
/// Fewer spatial axes fill up from the right; missing ones have extent 1 and pitch 0.
struct SpatialOperand {
    let operand: Operand
    let batch: Int
    let channels: Int
    /// Depth, height, width.
    let extents: [Int]
    /// Batch, depth, height, width.
    let pitches: [Int]

    /// - Throws: `ModelError` with code `unsupported` for other than one to three spatial axes.
    init(_ operand: Operand) throws(ModelError) {
        let shape = operand.type.shape
        guard (3...5).contains(shape.count) else {
            throw ModelError(.unsupported, "no kernel for \(shape.count - 2) spatial axes")
        }
        self.operand = operand
        batch = shape[0]
        channels = shape[1]
        extents = Self.filled(Array(shape[2...]), with: 1)
        pitches = [operand.layout.pitches[0]] + Self.filled(Array(operand.layout.pitches[2...]), with: 0)
    }

    /// Three values for one to three spatial axes.
    static func filled(_ values: [Int], with missing: Int) -> [Int] {
        [Int](repeating: missing, count: max(3 - values.count, 0)) + values
    }

    var layout: Layout { operand.layout }

    /// Whether whole vectors of channels may be moved up to the next multiple of the width.
    func isPadded(to vectorWidth: Int) -> Bool {
        let rounded = ceilingDivision(channels, vectorWidth) * vectorWidth
        guard let innermost = pitches.last(where: { $0 > 0 }) else { return false }
        return layout.pitches[1] == 1 && innermost >= rounded
    }

    /// Whether all pixels of the batch are evenly spaced, so that they form one long row.
    var isSingleRow: Bool {
        var expected = pitches[3]
        for (extent, pitch) in zip(extents, pitches[1...]).reversed() {
            if extent != 1 && pitch != expected { return false }
            expected *= extent
        }
        return batch == 1 || pitches[0] == expected
    }
}
