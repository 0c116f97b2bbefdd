import ApusDevice
import Synchronization
import Testing

@testable import ApusOpenCL

@Suite struct DeviceTests {
    @Test func discoveryIsOrderedAndDescribed() throws {
        let devices = OpenCLDevice.all
        try #require(!devices.isEmpty, "\(Discovery.shared.problems)")
        let ranks = devices.map { [DeviceKind.gpu, .accelerator, .cpu].firstIndex(of: $0.info.kind) ?? 9 }
        #expect(ranks == ranks.sorted())
        #expect(devices.map(\.index) == Array(devices.indices))
        for device in devices {
            #expect(!device.info.name.isEmpty)
            #expect(!device.info.platformName.isEmpty)
            #expect(!device.info.driverVersion.isEmpty)
            #expect(device.info.openCLVersion.hasPrefix("OpenCL "))
            #expect(device.info.computeUnits >= 1)
            #expect(device.info.globalMemoryBytes >= device.info.maximumAllocationBytes)
            #expect(device.info.maximumWorkGroupSize >= 1)
            #expect(device.info.baseAddressAlignmentBytes >= 4)
        }
    }

    @Test func instructionSetsBelongToCompilersThatTakeThem() {
        for info in OpenCLDevice.all.map(\.info) {
            if info.isNVIDIA {
                #expect(info.instructionSets == [.ptx])
                #expect(info.computeCapability >= 30)
            } else if info.isPocl && info.kind == .cpu {
                #expect(info.instructionSets == hostInstructionSets)
                #expect(!info.instructionSets.contains(.ptx))
                #expect(info.vectorWidth == 16 || !info.instructionSets.contains(.avx512f))
                #expect(info.executionModel == .workItemTile)
            } else {
                #expect(info.instructionSets.isEmpty)
            }
        }
    }

    @Test func bytesReturnUnchangedAndTheBalanceReturnsToZero() throws {
        let device = try testDevice().twin()
        let sent = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        do {
            let queue = try device.makeQueue()
            let a = try device.makeBuffer(byteCount: 1000)
            let b = try device.makeBuffer(byteCount: 600)
            #expect(device.memoryStatistics == MemoryStatistics(liveBytes: 1600, peakBytes: 1600, liveBuffers: 2))
            try sent.withUnsafeBytes { _ = try queue.enqueueWrite(a, from: $0, blocking: false) }
            try queue.enqueueCopy(from: a, offset: 100, to: b, offset: 50, byteCount: 500)
            var received = [UInt8](repeating: 0, count: 400)
            try received.withUnsafeMutableBytes { _ = try queue.enqueueRead(b, offset: 150, into: $0) }
            #expect(received == Array(sent[200..<600]))
            try queue.finish()
        }
        #expect(device.memoryStatistics == MemoryStatistics(liveBytes: 0, peakBytes: 1600, liveBuffers: 0))
        device.resetPeakMemory()
        #expect(device.memoryStatistics.peakBytes == 0)
    }

    @Test func emptyBuffersAndTransfersAreFine() throws {
        let device = try testDevice()
        let queue = try device.makeQueue()
        let buffer = try device.makeBuffer(byteCount: 0)
        try queue.enqueueWrite(buffer, from: UnsafeRawBufferPointer(start: nil, count: 0))
        try queue.enqueueFill(buffer, with: UInt8(1))
        try queue.enqueueCopy(from: buffer, to: buffer, byteCount: 0)
        let event = try queue.enqueueMarker()
        try event.wait()
        #expect(try event.isComplete())
    }

    @Test(arguments: [(-1, 4), (0, 17), (16, 1), (Int.max, 1), (Int.max, Int.max)])
    func transfersOutsideTheBufferAreRefused(offset: Int, byteCount: Int) throws {
        let device = try testDevice()
        let queue = try device.makeQueue()
        let buffer = try device.makeBuffer(byteCount: 16)
        let error = #expect(throws: BackendError.self) {
            try queue.enqueueCopy(from: buffer, offset: offset, to: buffer, byteCount: byteCount)
        }
        #expect(error?.code == .callFailed)
        #expect(error?.device == device.info.name)
    }

    @Test(arguments: [1 << 60, Int.max, -1])
    func impossibleBuffersAreOutOfMemory(byteCount: Int) throws {
        let device = try testDevice().twin()
        let error = #expect(throws: BackendError.self) { try device.makeBuffer(byteCount: byteCount) }
        #expect(error?.code == .outOfMemory)
        #expect(error?.message.contains("\(byteCount) bytes") == true)
        #expect(device.memoryStatistics.liveBytes == 0)
        #expect(device.memoryStatistics.liveBuffers == 0)
        _ = try device.makeBuffer(byteCount: 16)
    }

    @Test func contextsAreRebuiltAfterAReset() throws {
        let device = try testDevice().twin()
        let cache = ProgramCache(.init(folder: nil))
        let before = try cache.program(source: scaleSource(3), on: device)
        try expectScales(before, by: 3)
        device.resetContext()
        let after = try cache.program(source: scaleSource(3), on: device)
        #expect(after !== before)
        try expectScales(after, by: 3)
        #expect(cache.statistics.sourceBuilds == 2)
    }

    @Test func statusesMeanWhatRecoveryNeeds() {
        let expected: [(Int32, Bool, BackendError.Code)] = [
            (-4, false, .outOfMemory), (-6, false, .outOfMemory), (-61, false, .outOfMemory),
            (-11, false, .buildFailed),
            (-54, true, .kernelUnusable), (-5, true, .kernelUnusable), (-5, false, .deviceLost),
            (-36, false, .deviceLost), (-2, false, .deviceLost), (-14, false, .deviceLost), (-9999, false, .deviceLost),
            (-30, false, .callFailed), (-1001, false, .noDevice),
        ]
        for (status, enqueuesKernel, code) in expected {
            #expect(BackendError.Code(status: status, enqueuesKernel: enqueuesKernel) == code)
        }
        let error = BackendError(CLError(-4, "clCreateBuffer"), device: "d\u{1B}[0m", kernel: "k", detail: "8 bytes")
        #expect(
            error.description
                == "d\\u{1b}[0m: kernel k: clCreateBuffer: CL_MEM_OBJECT_ALLOCATION_FAILURE (-4) (8 bytes)"
        )
    }
}

extension OpenCLDevice {
    /// The same device with a context and a balance of its own.
    func twin() -> OpenCLDevice { OpenCLDevice(info, index: index, identifier: identifier.raw) }
}
