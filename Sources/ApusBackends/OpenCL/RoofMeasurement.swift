package import ApusDevice
import ApusLowering
package import ApusOpenCL

extension OpenCLDevice {
    /// Measures the device's float32 peak and its memory bandwidth with two kernels, in about half a second.
    ///
    /// - Throws: `BackendError` if a kernel does not build or run.
    package func measureRoof(cache: ProgramCache = .shared) throws(BackendError) -> DeviceRoof {
        let measurement = RoofMeasurement(device: self, cache: cache, queue: try makeQueue())
        return DeviceRoof(
            operationsPerSecond: try measurement.operationsPerSecond(),
            bytesPerSecond: try measurement.bytesPerSecond()
        )
    }
}

/// The two measurements of a roof.
private struct RoofMeasurement {
    let device: OpenCLDevice
    let cache: ProgramCache
    let queue: Queue

    /// The time that one launch should take at least.
    private static let seconds = 0.01
    /// A device on which the smallest launch takes longer than this is simulated: it is not asked for more.
    private static let limit = 0.2
    private static let repetitions = 5
    /// Far beyond the caches of common devices.
    private static let largestBytes = 128 << 20

    private var width: Int { device.info.vectorWidth }

    private func kernel(_ name: String) throws(BackendError) -> Kernel {
        let program = KernelProgram(file: "roof/\(name).cl", defines: ["VECTOR": String(width)])
        let built = try ProgramBuilder(device: device, cache: cache).programs(for: [program])
        guard let kernel = try built[program]?.makeKernel("roof_\(name)") else {
            throw BackendError(.callFailed, "the program of kernel roof_\(name) was not built")
        }
        return kernel
    }

    /// The shortest time of a launch, in seconds; two launches if the first takes long.
    private func time(_ kernel: Kernel, items: Int) throws(BackendError) -> Double {
        // Left to the driver, a handful of items becomes one work-group, and a CPU runs that on one core.
        let localSize = device.info.executionModel == .workItemTile ? [1] : nil
        var best = Double.infinity
        for repetition in 0..<Self.repetitions where repetition == 0 || best < Self.limit {
            try queue.finish()
            let started = ContinuousClock.now
            try queue.enqueueKernel(kernel, globalSize: [items], localSize: localSize)
            try queue.finish()
            let duration = (ContinuousClock.now - started).components
            best = min(best, Double(duration.seconds) + Double(duration.attoseconds) * 1e-18)
        }
        return max(best, 1e-9)
    }

    func operationsPerSecond() throws(BackendError) -> Double {
        let items = device.info.computeUnits * (device.info.executionModel == .workItemTile ? 4 : 2048)
        let kernel = try kernel("multiply_add")
        let values = try device.makeBuffer(byteCount: (items + 1) * width * 4 + 64)
        try queue.enqueueFill(values, with: Float(0))
        try queue.enqueueFill(values, with: Float(1), byteCount: 4)
        try kernel.setArgument(0, values)
        try kernel.setArgument(1, Int64(0))
        var count: Int32 = 64
        while true {
            try kernel.setArgument(2, count)
            let seconds = try time(kernel, items: items)
            if seconds >= Self.seconds || count >= 1 << 24 {
                return Double(count) * 16 * 2 * Double(width * items) / seconds
            }
            count *= 4
        }
    }

    func bytesPerSecond() throws(BackendError) -> Double {
        let kernel = try kernel("triad")
        let room = min(Self.largestBytes, device.info.globalMemoryBytes / 16, device.info.maximumAllocationBytes)
        let largest = max(room / (width * 4), 1024)
        var buffers: [Buffer] = []
        for _ in 0..<3 { buffers.append(try device.makeBuffer(byteCount: largest * width * 4)) }
        for (index, buffer) in buffers.enumerated() {
            try kernel.setArgument(2 * index, buffer)
            try kernel.setArgument(2 * index + 1, Int64(0))
        }
        var vectors = min(largest, 1 << 12)
        while true {
            for buffer in buffers.prefix(2) {
                try queue.enqueueFill(buffer, with: Float(1), byteCount: vectors * width * 4)
            }
            let isChunked = device.info.executionModel == .workItemTile
            let items = isChunked ? max(vectors / 512, 1) : max(vectors / 4, 1)
            let count = vectors / items
            try kernel.setArgument(6, Int32(count))
            try kernel.setArgument(7, Int32(isChunked ? count : 1))
            try kernel.setArgument(8, Int32(isChunked ? 1 : items))
            let seconds = try time(kernel, items: items)
            if vectors == largest || seconds > Self.limit { return Double(3 * items * count * width * 4) / seconds }
            vectors = min(largest, vectors * 64)
        }
    }
}
