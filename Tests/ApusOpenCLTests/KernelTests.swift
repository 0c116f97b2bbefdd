import ApusDevice
import Synchronization
import Testing

@testable import ApusOpenCL

@Suite struct KernelTests {
    @Test func aKernelRunsAndIsTimed() throws {
        let device = try testDevice()
        let program = try Program(
            device,
            source: """
                __kernel void sum(__global const int *x, __global long *y, __local int *tile, long bias, uint stride) {
                    const size_t local_id = get_local_id(0);
                    tile[local_id] = x[get_global_id(0) * stride];
                    barrier(CLK_LOCAL_MEM_FENCE);
                    if (local_id == 0) {
                        long total = bias;
                        for (size_t i = 0; i < get_local_size(0); ++i) total += tile[i];
                        y[get_group_id(0)] = total;
                    }
                }
                __kernel void other(__global int *x) { x[0] = 1; }
                """,
            options: "-cl-std=CL1.2"
        )
        #expect(Set(program.kernelNames) == ["sum", "other"])
        #expect(program.origin == .source)
        let queue = try device.makeQueue(profiling: true)
        let x = try device.makeBuffer(byteCount: 128 * 4)
        let y = try device.makeBuffer(byteCount: 8 * 8)
        let input = (0..<128).map { Int32($0) }
        try input.withUnsafeBytes { _ = try queue.enqueueWrite(x, from: $0) }
        let kernel = try program.makeKernel("sum")
        #expect(kernel.argumentCount == 5)
        #expect(kernel.maximumWorkGroupSize >= 8)
        try kernel.setArgument(0, x)
        try kernel.setArgument(1, y)
        try kernel.setArgument(2, localByteCount: 8 * 4)
        try kernel.setArgument(3, Int64(1) << 40)
        try kernel.setArgument(4, UInt32(2))
        let event = try #require(
            try queue.enqueueKernel(kernel, globalSize: [64], localSize: [8], wantsEvent: true)
        )
        try event.wait()
        let times = try event.times()
        #expect(times.queued <= times.submitted)
        #expect(times.submitted <= times.started)
        #expect(times.started <= times.ended)
        var output = [Int64](repeating: 0, count: 8)
        try output.withUnsafeMutableBytes { _ = try queue.enqueueRead(y, into: $0) }
        let sums = (0..<8).map { group -> Int64 in
            let first = Int64(group * 8)
            return (1 << 40) + (0..<8).reduce(Int64(0)) { total, i in total + 2 * (first + Int64(i)) }
        }
        #expect(output == sums)
    }

    @Test func threeDimensionsReachTheKernel() throws {
        let device = try testDevice()
        let program = try Program(
            device,
            source: """
                __kernel void place(__global int *y) {
                    const size_t x_size = get_global_size(0), y_size = get_global_size(1);
                    const size_t x = get_global_id(0), z = get_global_id(2);
                    y[(z * y_size + get_global_id(1)) * x_size + x] = 100 * (int)z + 10 * (int)get_global_id(1) + (int)x;
                }
                """
        )
        let queue = try device.makeQueue()
        let buffer = try device.makeBuffer(byteCount: 2 * 3 * 5 * 4)
        let kernel = try program.makeKernel("place")
        try kernel.setArgument(0, buffer)
        try queue.enqueueKernel(kernel, globalSize: [5, 3, 2], localSize: [1, 1, 1])
        try queue.enqueueKernel(kernel, globalSize: [5, 0, 2])
        var output = [Int32](repeating: 0, count: 30)
        try output.withUnsafeMutableBytes { _ = try queue.enqueueRead(buffer, into: $0) }
        let places = (0..<30).map { (i: Int) -> Int32 in
            let (x, y, z) = (i % 5, i / 5 % 3, i / 15)
            return Int32(100 * z + 10 * y + x)
        }
        #expect(output == places)
    }

    @Test func wrongUseIsATypedError() throws {
        let device = try testDevice()
        let program = try Program(device, source: scaleSource(2))
        #expect(throws: BackendError.self) { try program.makeKernel("missing") }
        let kernel = try program.makeKernel("scale")
        #expect(throws: BackendError.self) { try kernel.setArgument(4, Int32(0)) }
        #expect(throws: BackendError.self) { try kernel.setArgument(-1, nil) }
        #expect(throws: BackendError.self) { try kernel.setArgument(2, Double(0)) }
        let queue = try device.makeQueue()
        let wrongSizes: [([Int], [Int]?)] = [
            ([], nil), ([1, 1, 1, 1], nil), ([-1], nil), ([4], [0]), ([4], [1, 1]), ([1 << 20], [1 << 20]),
        ]
        let buffer = try device.makeBuffer(byteCount: 4 << 20)
        try kernel.setArgument(0, buffer)
        try kernel.setArgument(1, buffer)
        try kernel.setArgument(2, Int32(0))
        try kernel.setArgument(3, Float(0))
        for (globalSize, localSize) in wrongSizes {
            let error = #expect(throws: BackendError.self) {
                try queue.enqueueKernel(kernel, globalSize: globalSize, localSize: localSize)
            }
            #expect(error?.code == .kernelUnusable)
            #expect(error?.kernel == "scale")
        }
        let event = try queue.enqueueMarker()
        try event.wait()
        if device.info.isPocl { #expect(throws: BackendError.self) { try event.times() } }
    }

    @Test func aKernelKeepsItsBuffers() throws {
        let device = try testDevice().twin()
        let program = try Program(device, source: scaleSource(2))
        do {
            let kernel = try program.makeKernel("scale")
            try kernel.setArgument(0, try device.makeBuffer(byteCount: 64))
            try kernel.setArgument(1, try device.makeBuffer(byteCount: 64))
            #expect(device.memoryStatistics.liveBuffers == 2)
            try kernel.setArgument(1, nil)
            #expect(device.memoryStatistics.liveBuffers == 1)
        }
        #expect(device.memoryStatistics.liveBytes == 0)
    }

    @Test func aFailedBuildCarriesTheLog() throws {
        let device = try testDevice()
        let source =
            "#line 1 \"family/broken.cl\"\n__kernel void broken(__global float *x) {\n    x[0] = undefined_name;\n}\n"
        let error = #expect(throws: BackendError.self) { try Program(device, source: source) }
        #expect(error?.code == .buildFailed)
        #expect(error?.device == device.info.name)
        let log = try #require(error?.buildLog)
        if device.info.isPocl { #expect(log.contains("family/broken.cl:2:12")) }
        #expect(log.contains("undefined_name"))
        #expect(error?.description.contains("undefined_name") == true)
        let optionError = #expect(throws: BackendError.self) {
            try Program(device, source: scaleSource(1), options: "-no-such-option")
        }
        #expect(optionError?.code == .buildFailed)
    }

    @Test(arguments: [FillMethod.command, .kernel])
    func fillsRepeatTheValue(_ method: FillMethod) throws {
        let device = try testDevice()
        let queue = try device.makeQueue()
        let buffer = try device.makeBuffer(byteCount: 64)
        try queue.fill(buffer, UInt64(0), 0, nil, method)
        try queue.fill(buffer, UInt8(0xAB), 3, 5, method)
        try queue.fill(buffer, UInt16(0x1234), 10, 6, method)
        try queue.fill(buffer, Float(1.5), 20, 12, method)
        try queue.fill(buffer, Int64(-2), 40, 24, method)
        var expected = [UInt8](repeating: 0, count: 64)
        expected[3..<8] = [0xAB, 0xAB, 0xAB, 0xAB, 0xAB][...]
        expected[10..<16] = [0x34, 0x12, 0x34, 0x12, 0x34, 0x12][...]
        for start in [20, 24, 28] { expected[start..<start + 4] = [0, 0, 0xC0, 0x3F][...] }
        for start in [40, 48, 56] { expected[start..<start + 8] = [0xFE] + [UInt8](repeating: 0xFF, count: 7) }
        var received = [UInt8](repeating: 1, count: 64)
        try received.withUnsafeMutableBytes { _ = try queue.enqueueRead(buffer, into: $0) }
        #expect(received == expected)
        #expect(throws: BackendError.self) { try queue.fill(buffer, Int32(0), 2, 4, method) }
        #expect(throws: BackendError.self) { try queue.fill(buffer, Int32(0), 0, 68, method) }
        #expect(throws: BackendError.self) { try queue.fill(buffer, Int32(0), Int.min, nil, method) }
    }

    @Test func queuesWaitForEachOther() throws {
        let device = try testDevice()
        let first = try device.makeQueue()
        let second = try device.makeQueue()
        let buffer = try device.makeBuffer(byteCount: 4 << 20)
        for round in 0..<8 {
            try first.enqueueFill(buffer, with: Int32(round))
            let event = try first.enqueueMarker()
            try first.flush()
            try second.enqueueBarrier(waitingFor: [event])
            var last: Int32 = -1
            try withUnsafeMutableBytes(of: &last) {
                _ = try second.enqueueRead(buffer, offset: (4 << 20) - 4, into: $0)
            }
            #expect(last == Int32(round))
        }
    }

    @Test func manyThreadsBuildAndRunAtOnce() throws {
        let device = try testDevice().twin()
        do {
            let cache = ProgramCache(.init(folder: nil))
            let failures = Mutex<[String]>([])
            onThreads(16) { thread in
                do {
                    for factor in [1000, 1001 + thread % 2, 1003] {
                        let program = try cache.program(source: scaleSource(factor), on: device)
                        try expectScales(program, by: factor)
                    }
                } catch {
                    failures.withLock { $0.append("\(error)") }
                }
            }
            #expect(failures.withLock { $0 } == [])
            #expect(cache.statistics.sourceBuilds == 4)
            #expect(cache.statistics.memoryHits == 16 * 3 - 4)
        }
        #expect(device.memoryStatistics.liveBytes == 0)
        #expect(device.memoryStatistics.liveBuffers == 0)
    }
}
