package import ApusTensor
import Glibc

/// Maps regular files for reading.
package enum MappedFile {
    /// Maps a whole file.
    ///
    /// - Throws: `ModelError` with code `invalidFile` if it cannot be opened, is no regular file or is empty.
    package static func map(path: String) throws(ModelError) -> TensorStorage {
        guard !path.utf8.contains(0) else { throw ModelError(.invalidFile, "the path holds a NUL byte") }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw failure("cannot open the file") }
        defer { close(descriptor) }
        return try map(descriptor, links: 1...Int.max)
    }

    /// Maps the file behind a descriptor, which stays open.
    ///
    /// - Parameter links: how many names the file may have.
    /// - Throws: `ModelError` with code `invalidFile`.
    static func map(_ descriptor: Int32, links: ClosedRange<Int>) throws(ModelError) -> TensorStorage {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("cannot examine the file") }
        guard status.st_mode & S_IFMT == S_IFREG else { throw ModelError(.invalidFile, "not a regular file") }
        guard links.contains(Int(clamping: status.st_nlink)) else {
            throw ModelError(.invalidFile, "the file has \(status.st_nlink) hard links")
        }
        guard let size = Int(exactly: status.st_size), size > 0 else {
            throw ModelError(.invalidFile, "the file is empty")
        }
        guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
            throw failure("cannot map the file")
        }
        return TensorStorage(
            adopting: UnsafeRawBufferPointer(start: address, count: size),
            isMapped: true
        ) { bytes in
            munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
        }
    }

    /// An error that carries the system's words for `errno`.
    static func failure(_ message: String) -> ModelError {
        ModelError(.invalidFile, "\(message): \(String(cString: strerror(errno)))")
    }
}
