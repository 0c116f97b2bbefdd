package import ApusDevice
import COpenCL

/// How a queue fills a buffer.
enum FillMethod {
    case command
    /// NVIDIA's `clEnqueueFillBuffer` is broken for large buffers.
    case kernel
}

extension Queue {
    /// Fills a range of bytes with repetitions of a value.
    ///
    /// - Parameters:
    ///   - value: 1, 2, 4 or 8 bytes; `offset` and `byteCount` are multiples of its size.
    ///   - byteCount: `nil` means up to the end.
    package func enqueueFill<Value: BitwiseCopyable>(
        _ buffer: Buffer,
        with value: Value,
        offset: Int = 0,
        byteCount: Int? = nil
    ) throws(BackendError) {
        try fill(buffer, value, offset, byteCount, device.info.isNVIDIA ? .kernel : .command)
    }

    func fill<Value: BitwiseCopyable>(
        _ buffer: Buffer,
        _ value: Value,
        _ offset: Int,
        _ byteCount: Int?,
        _ method: FillMethod
    ) throws(BackendError) {
        let byteCount = byteCount ?? (buffer.byteCount &- offset)
        try buffer.check(offset: offset, byteCount: byteCount, "clEnqueueFillBuffer")
        let size = MemoryLayout<Value>.size
        guard [1, 2, 4, 8].contains(size), offset % size == 0, byteCount % size == 0 else {
            throw BackendError(
                .callFailed,
                "clEnqueueFillBuffer: a pattern of \(size) bytes at bytes \(offset) ..< \(offset + byteCount)",
                device: device.info.name,
                status: CL_INVALID_VALUE
            )
        }
        guard byteCount > 0 else { return }
        switch method {
        case .command:
            var pattern = value
            _ = try enqueue("clEnqueueFillBuffer", false) {
                clEnqueueFillBuffer(handle.raw, buffer.handle.raw, &pattern, size, offset, byteCount, 0, nil, $0)
            }
        case .kernel:
            try fillByKernel(buffer, pattern: repeated(value), offset, byteCount)
        }
    }

    private func fillByKernel(
        _ buffer: Buffer,
        pattern: UInt64,
        _ offset: Int,
        _ byteCount: Int
    ) throws(BackendError) {
        let unit = offset % 8 == 0 && byteCount % 8 == 0 ? 8 : 1
        let program = try ProgramCache.shared.program(source: fillSource, options: "-cl-std=CL1.2", on: device)
        let kernel = try program.makeKernel(unit == 8 ? "fill_ulong" : "fill_uchar")
        try kernel.setArgument(0, buffer)
        try kernel.setArgument(1, UInt64(offset / unit))
        try kernel.setArgument(2, pattern)
        try enqueueKernel(kernel, globalSize: [byteCount / unit])
    }
}

/// The value as often as it fits into eight bytes, in memory order.
private func repeated<Value: BitwiseCopyable>(_ value: Value) -> UInt64 {
    var pattern: UInt64 = 0
    withUnsafeBytes(of: value) { source in
        withUnsafeMutableBytes(of: &pattern) { for index in $0.indices { $0[index] = source[index % source.count] } }
    }
    return pattern
}

private let fillSource = """
    #line 1 "fill.cl"
    __kernel void fill_ulong(__global ulong *values, ulong offset, ulong pattern) {
        values[offset + get_global_id(0)] = pattern;
    }

    __kernel void fill_uchar(__global uchar *values, ulong offset, ulong pattern) {
        const ulong index = offset + get_global_id(0);
        values[index] = (uchar)(pattern >> (8 * (get_global_id(0) % 8)));
    }

    """
