import Glibc

/// The files of a program cache.
///
/// Binaries run with the user's rights, so a folder that others can write to, or that belongs to another user, is not
/// used. Nothing here throws: a file that cannot be read or written is as good as none.
struct CacheFolder: Sendable {
    let path: String
    let maximumByteCount: Int

    private static let suffix = ".clbin"
    private static let temporaryInfix = ".tmp-"
    private static let temporaryLifetimeSeconds = 3600

    enum Content {
        case absent
        /// There is a file or a folder that must not be used.
        case unusable
        case bytes([UInt8])
    }

    func read(_ key: CacheKey) -> Content {
        switch state {
        case .absent: return .absent
        case .refused: return .unusable
        case .usable: break
        }
        let name = file(key)
        let descriptor = open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return errno == ENOENT ? .absent : .unusable }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, isOwn(status),
            let byteCount = Int(exactly: status.st_size), byteCount <= maximumByteCount,
            let bytes = readBytes(descriptor, byteCount)
        else { return .unusable }
        futimens(descriptor, nil)
        return .bytes(bytes)
    }

    /// Writes an entry beside its place and moves it there.
    ///
    /// - Returns: whether the entry was stored.
    func write(_ bytes: [UInt8], _ key: CacheKey) -> Bool {
        if case .absent = state { makeFolder() }
        guard case .usable = state, bytes.count <= maximumByteCount else { return false }
        let target = file(key)
        let temporary = target + CacheFolder.temporaryInfix + "\(getpid())-\(UInt64.random(in: 0 ... .max))"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return false }
        let isWritten = writeBytes(descriptor, bytes)
        guard close(descriptor) == 0, isWritten, rename(temporary, target) == 0 else {
            unlink(temporary)
            return false
        }
        evict(keeping: target)
        return true
    }

    /// The bytes of all entries.
    var byteCount: Int { entries().reduce(0) { $0 + $1.byteCount } }

    private func file(_ key: CacheKey) -> String { "\(path)/\(key.hexadecimal)\(CacheFolder.suffix)" }

    private enum State {
        case absent
        case refused
        case usable
    }

    private var state: State {
        var status = stat()
        guard stat(path, &status) == 0 else { return errno == ENOENT ? .absent : .refused }
        return status.st_mode & S_IFMT == S_IFDIR && isOwn(status) ? .usable : .refused
    }

    /// Whether nobody but the user, and the user's own group, can write.
    private func isOwn(_ status: stat) -> Bool {
        status.st_uid == geteuid() && status.st_mode & 0o002 == 0
            && (status.st_mode & 0o020 == 0 || status.st_gid == getegid())
    }

    private func makeFolder() {
        var prefix = path.hasPrefix("/") ? "" : "."
        for component in path.split(separator: "/") {
            prefix += "/" + component
            mkdir(prefix, 0o700)
        }
    }

    private func readBytes(_ descriptor: Int32, _ byteCount: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: byteCount)
        var done = 0
        while done < byteCount {
            let count = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress.map { $0 + done }, byteCount - done)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return nil }
            done += count
        }
        return bytes
    }

    private func writeBytes(_ descriptor: Int32, _ bytes: [UInt8]) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    private struct Entry {
        var file: String
        var byteCount: Int
        var modified: (seconds: Int, nanoseconds: Int)
        var isTemporary: Bool
    }

    /// Removes the entries that were not used for the longest time, and what interrupted processes left.
    private func evict(keeping kept: String) {
        var entries = entries()
        let now = time(nil)
        for entry in entries where entry.isTemporary {
            if entry.modified.seconds < now - CacheFolder.temporaryLifetimeSeconds { unlink(entry.file) }
        }
        var total = entries.reduce(0) { $0 + $1.byteCount }
        guard total > maximumByteCount else { return }
        entries.sort { $0.modified < $1.modified }
        for entry in entries where !entry.isTemporary && entry.file != kept && total > maximumByteCount {
            if unlink(entry.file) == 0 { total -= entry.byteCount }
        }
    }

    /// The files that a cache wrote; others are left alone.
    private func entries() -> [Entry] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var entries: [Entry] = []
        while let item = readdir(folder) {
            // An entry ends with its name: reading the whole array may leave mapped memory.
            guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else { return [] }
            let name = String(cString: UnsafeRawPointer(item).advanced(by: offset).assumingMemoryBound(to: CChar.self))
            let (key, rest) = (name.prefix(64), name.dropFirst(64))
            guard key.utf8.count == 64, key.allSatisfy(\.isHexDigit), rest.hasPrefix(CacheFolder.suffix) else {
                continue
            }
            let tail = rest.dropFirst(CacheFolder.suffix.count)
            guard tail.isEmpty || tail.hasPrefix(CacheFolder.temporaryInfix) else { continue }
            var status = stat()
            let file = "\(path)/\(name)"
            guard lstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
            entries.append(
                Entry(
                    file: file,
                    byteCount: Int(clamping: status.st_size),
                    modified: (status.st_mtim.tv_sec, status.st_mtim.tv_nsec),
                    isTemporary: !tail.isEmpty
                )
            )
        }
        return entries
    }
}
