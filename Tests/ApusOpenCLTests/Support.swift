import ApusDevice
import Glibc
import Testing

@testable import ApusOpenCL

/// The device that these tests run on: the last one, which is a CPU wherever there is one.
func testDevice() throws -> OpenCLDevice {
    try #require(OpenCLDevice.all.last, "\(Discovery.shared.problems)")
}

/// A folder of its own for one test.
struct TemporaryFolder: ~Copyable {
    let path: String

    init() throws {
        var template = Array("/tmp/apus-test-XXXXXX\0".utf8CString.dropLast())
        try #require(mkdtemp(&template) != nil)
        path = String(decoding: template.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    deinit {
        for name in names(in: path) { unlink("\(path)/\(name)") }
        rmdir(path)
    }
}

/// The names in a folder, without hidden ones, sorted.
func names(in folder: String) -> [String] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted()
}

func contents(of file: String) -> [UInt8] {
    guard let stream = fopen(file, "r") else { return [] }
    defer { fclose(stream) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&chunk, 1, chunk.count, stream), count > 0 { bytes += chunk[..<count] }
    return bytes
}

func write(_ bytes: [UInt8], to file: String) throws {
    let stream = try #require(fopen(file, "w"))
    defer { fclose(stream) }
    #expect(fwrite(bytes, 1, bytes.count, stream) == bytes.count)
}

/// Multiplies by a constant that makes the source unlike any other.
func scaleSource(_ factor: Int) -> String {
    """
    #line 1 "scale.cl"
    __kernel void scale(__global const float *x, __global float *y, int offset, float bias) {
        const size_t i = get_global_id(0);
        y[offset + i] = x[offset + i] * \(factor).0f + bias;
    }

    """
}

/// Runs `scale` of a program on a few values and checks them.
func expectScales(_ program: Program, by factor: Int) throws {
    let count = 13
    let device = program.device
    let queue = try device.makeQueue()
    let x = try device.makeBuffer(byteCount: count * 4)
    let y = try device.makeBuffer(byteCount: count * 4)
    let input = (0..<count).map { Float($0) }
    try input.withUnsafeBytes { _ = try queue.enqueueWrite(x, from: $0) }
    let kernel = try program.makeKernel("scale")
    try kernel.setArgument(0, x)
    try kernel.setArgument(1, y)
    try kernel.setArgument(2, Int32(0))
    try kernel.setArgument(3, Float(0.5))
    try queue.enqueueKernel(kernel, globalSize: [count])
    var output = [Float](repeating: -1, count: count)
    try output.withUnsafeMutableBytes { _ = try queue.enqueueRead(y, into: $0) }
    #expect(output == input.map { $0 * Float(factor) + 0.5 })
}

/// Runs a body on several threads at once and returns when all have ended.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    final class Work {
        let run: () -> Void
        init(_ run: @escaping () -> Void) { self.run = run }
    }
    var threads: [pthread_t] = []
    for index in 0..<count {
        var thread = pthread_t()
        let work = Unmanaged.passRetained(Work { body(index) })
        let status = pthread_create(
            &thread,
            nil,
            {
                guard let work = $0 else { return nil }
                Unmanaged<Work>.fromOpaque(work).takeRetainedValue().run()
                return nil
            },
            work.toOpaque()
        )
        if status == 0 { threads.append(thread) } else { work.release() }
    }
    for thread in threads { pthread_join(thread, nil) }
}
