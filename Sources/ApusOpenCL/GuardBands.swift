package import ApusDevice
import COpenCL
import Synchronization

/// Memory around and between what kernels may write, filled with a pattern that is not a number as a float.
///
/// Buffers that are made with guard bands begin with the pattern all over: a kernel that writes outside of its operands
/// leaves a mark, one that uses what nothing wrote gets wrong results.
package final class GuardBands: Sendable {
    /// The bytes of one band; a multiple of the alignment of any device.
    package static let byteCount = 1024

    /// NaN as one float64, as two float32 and in two of its four float16.
    private static let pattern: UInt64 = 0x7FF5_A5A5_7FF5_A5A5

    private struct Guarded: Sendable {
        let buffer: Buffer
        /// What may be written, in bytes.
        let used: [Range<Int>]
    }

    private let guarded = Mutex<[Guarded]>([])

    package init() {}

    /// A buffer between two bands.
    ///
    /// - Parameter used: the bytes that may be written; the rest of the buffer is guarded like the bands.
    /// - Throws: `BackendError`.
    func makeBuffer(_ device: OpenCLDevice, byteCount: Int, used: [Range<Int>]) throws(BackendError) -> Buffer {
        let band = max(Self.byteCount, device.info.baseAddressAlignmentBytes)
        let whole = try Buffer(device, byteCount: (byteCount + 2 * band + 7) / 8 * 8)
        let queue = try device.makeQueue()
        try queue.enqueueFill(whole, with: Self.pattern)
        try queue.finish()
        let part = try Buffer(whole, offset: band, byteCount: byteCount)
        let shifted = used.map { $0.lowerBound + band..<$0.upperBound + band }
        guarded.withLock { $0.append(Guarded(buffer: whole, used: shifted)) }
        return part
    }

    /// The first byte that was written outside of what may be written, as a sentence; `nil` if there is none.
    ///
    /// - Throws: `BackendError` if a buffer cannot be read.
    package func violation(on device: OpenCLDevice) throws(BackendError) -> String? {
        let queue = try device.makeQueue()
        for entry in guarded.withLock({ $0 }) {
            var bytes = [UInt8](repeating: 0, count: entry.buffer.byteCount)
            try bytes.withUnsafeMutableBufferPointer { target throws(BackendError) in
                _ = try queue.enqueueRead(entry.buffer, into: UnsafeMutableRawBufferPointer(target))
            }
            if let index = Self.firstDamage(bytes, entry.used.sorted { $0.lowerBound < $1.lowerBound }) {
                let nearest = entry.used.min { distance($0, index) < distance($1, index) } ?? 0..<0
                let place =
                    index < nearest.lowerBound
                    ? "\(nearest.lowerBound - index) bytes before" : "\(index - nearest.upperBound + 1) bytes behind"
                return "a kernel wrote \(place) a block of \(nearest.count) bytes"
            }
        }
        return nil
    }

    private func distance(_ range: Range<Int>, _ index: Int) -> Int {
        index < range.lowerBound ? range.lowerBound - index : index - range.upperBound + 1
    }

    private static func firstDamage(_ bytes: [UInt8], _ used: [Range<Int>]) -> Int? {
        let expected = withUnsafeBytes(of: pattern) { Array($0) }
        var next = 0
        for range in used + [bytes.count..<bytes.count] {
            if next < range.lowerBound,
                let damage = (next..<range.lowerBound).first(where: { bytes[$0] != expected[$0 % 8] })
            {
                return damage
            }
            next = max(next, range.upperBound)
        }
        return nil
    }
}
