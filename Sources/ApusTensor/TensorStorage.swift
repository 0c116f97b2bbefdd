/// Immutable bytes that tensors share: allocated, or mapped from a file.
package final class TensorStorage: @unchecked Sendable {
    /// The bytes; valid as long as the storage lives and never written after its creation.
    package let bytes: UnsafeRawBufferPointer
    private let release: @Sendable (UnsafeRawBufferPointer) -> Void
    /// Whether the bytes are pages of a file.
    package let isMapped: Bool

    /// Adopts bytes.
    ///
    /// - Parameter release: called once, when no tensor refers to the bytes any more.
    package init(
        adopting bytes: UnsafeRawBufferPointer,
        isMapped: Bool = false,
        release: @escaping @Sendable (UnsafeRawBufferPointer) -> Void
    ) {
        self.bytes = bytes
        self.isMapped = isMapped
        self.release = release
    }

    /// Allocates bytes on a 64-byte boundary and lets a closure fill them; they are zero before.
    package convenience init(
        byteCount: Int,
        initializingWith body: (UnsafeMutableRawBufferPointer) throws -> Void
    ) rethrows {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(byteCount, 1), alignment: 64)
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
        do {
            try body(UnsafeMutableRawBufferPointer(rebasing: buffer[0..<byteCount]))
        } catch {
            buffer.deallocate()
            throw error
        }
        let whole = UnsafeRawBufferPointer(buffer)
        self.init(adopting: UnsafeRawBufferPointer(rebasing: whole[0..<byteCount])) {
            [address = UInt(bitPattern: whole.baseAddress)] _ in
            UnsafeMutableRawPointer(bitPattern: address)?.deallocate()
        }
    }

    deinit { release(bytes) }
}
