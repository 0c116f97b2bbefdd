import Apus
import ApusBackends
import ApusDevice
import ApusOpenCL
import ApusTensor
import Foundation
import Testing

private typealias Fault = FaultLayer.Fault

/// Sessions of the demo network in which one OpenCL call fails.
private struct FaultSweep {
    /// How the programs of a session are had.
    enum Programs: CaseIterable {
        /// From the memory of the process.
        case memory
        /// From binaries on disk, in a new context.
        case disk
        /// From source, and not stored.
        case source
        /// From source, and stored on disk.
        case stored

        /// The calls that fail in turn: with programs at hand all that are made, else those that only happen so.
        func fails(_ function: String) -> Bool {
            switch self {
            case .memory: true
            case .disk:
                ["clCreateContext", "clCreateProgramWithBinary", "clBuildProgram", "clGetProgramInfo"].contains(
                    function
                )
            case .source:
                ["clCreateProgramWithSource", "clBuildProgram", "clCompileProgram", "clLinkProgram"].contains(function)
            case .stored: ["clGetProgramInfo", "clCreateKernel", "clGetKernelInfo"].contains(function)
            }
        }
    }

    /// The request of a session in which the call fails.
    enum Request: CaseIterable {
        case first
        case firstProfiled
        case second
    }

    /// Calls whose failure only costs time: a program is built from source, or not stored, or asked for less.
    private static let isRecovered: [Programs: Set<String>] = [
        .memory: [],
        .disk: ["clCreateProgramWithBinary", "clBuildProgram", "clGetProgramInfo"],
        .source: [],
        .stored: ["clGetProgramInfo", "clCreateKernel", "clGetKernelInfo"],
    ]

    let layer: FaultLayer
    let device: OpenCLDevice
    private let digits: Digits
    private let input: [String: RuntimeValue]
    private let expected: [Float]
    private let folder: TemporaryFolder
    private let cache: ProgramCache
    private(set) var sweptFunctions: Set<String> = []
    private(set) var faultCount = 0

    init(_ layer: FaultLayer) throws {
        self.layer = layer
        device = try #require(OpenCLDevice.all.first)
        digits = try Digits()
        input = try digits.input(3)
        folder = try TemporaryFolder()
        cache = ProgramCache(.init(folder: folder.path))
        let answer = try openCLSession(digits.model, cache: cache).answer(input)
        #expect(try classes(answer) == digits.labels.prefix(3).map { Int($0) })
        expected = try answer.array(of: Float.self)
        // A profiled run needs the programs of single launches.
        _ = try openCLSession(digits.model, cache: cache).run(input, RunOptions(profile: RunProfile()))
        cache.storePending()
    }

    /// Lets each kind of call that a session makes during a request fail once, at several places.
    ///
    /// - Parameter maximumCount: how many of the calls of one function fail in turn, first and last ones among them.
    mutating func sweep(_ programs: Programs, _ request: Request, maximumCount: Int) throws {
        // The first attempt builds what a context lost before has taken along.
        if programs == .memory { _ = try attempt(programs, request, nil) }
        let calls = try attempt(programs, request, nil)
        for (function, count) in calls.sorted(by: { $0.key < $1.key }) where programs.fails(function) {
            sweptFunctions.insert(function)
            // CL_OUT_OF_HOST_MEMORY is what every call may return.
            let places = min(count, maximumCount)
            for place in 0..<places {
                let number = places == 1 ? 1 : 1 + place * (count - 1) / (places - 1)
                _ = try attempt(programs, request, Fault(function: function, status: -6, call: number))
            }
            if programs == .memory {
                for status: Int32 in [-4, -5, -11, -36, -54, -9999] {
                    _ = try attempt(programs, request, Fault(function: function, status: status, call: 1))
                }
            }
        }
    }

    /// Makes a session, three requests, one of them with a fault, and gives everything back.
    ///
    /// - Returns: the calls of the request.
    private mutating func attempt(_ programs: Programs, _ request: Request, _ fault: Fault?) throws -> [String: Int] {
        let place = "\(programs) \(request) \(fault.map { "\($0)" } ?? "")"
        if programs != .memory {
            cache.removeAllInMemory()
            device.resetContext()
        }
        layer.disarm()
        let (objects, memory) = (layer.liveObjects, device.memoryStatistics)
        var calls: [String: Int] = [:]
        do {
            let stored = try TemporaryFolder()
            let cache =
                switch programs {
                case .memory: self.cache
                case .disk: ProgramCache(.init(folder: folder.path))
                case .source: ProgramCache(.init(folder: nil))
                case .stored: ProgramCache(.init(folder: stored.path))
                }
            let session = try openCLSession(digits.model, cache: cache)
            if request == .second { try expectAnswer(session, place) }
            if let fault { layer.arm(fault) } else { layer.disarm() }
            do {
                let options = RunOptions(profile: request == .firstProfiled ? RunProfile() : nil)
                let output = try session.run(input, options).outputs.values.first?.tensor()
                #expect(try output?.array(of: Float.self) == expected, "\(place)")
                if let fault {
                    #expect(Self.isRecovered[programs]?.contains(fault.function) == true, "\(place): no error")
                }
            } catch {
                expect(error, fault, place)
            }
            calls = layer.calls
            if fault != nil {
                #expect(layer.hasFailed, "\(place): the call was not reached")
                faultCount += 1
            }
            layer.disarm()
            for _ in 0..<2 { try expectAnswer(session, place) }
        }
        #expect(layer.liveObjects == objects, "\(place): \(layer.liveObjects - objects) OpenCL objects leak")
        #expect(device.memoryStatistics.liveBytes == memory.liveBytes, "\(place)")
        #expect(device.memoryStatistics.liveBuffers == memory.liveBuffers, "\(place)")
        return calls
    }

    private func expectAnswer(_ session: Session, _ place: String) throws {
        let found = Result { try session.answer(input).array(of: Float.self) }
        guard case .success(let elements) = found else {
            Issue.record("\(place): the next request: \(found)")
            return
        }
        #expect(elements == expected, "\(place): the next request")
    }

    private func expect(_ error: any Error, _ fault: Fault?, _ place: String) {
        guard let fault, let error = error as? BackendError else {
            Issue.record("\(place): \(error)")
            return
        }
        fault.expect(error, on: device)
    }
}

extension Fault {
    /// Expects an error to name the call, the status and the device.
    fileprivate func expect(_ error: BackendError, on device: OpenCLDevice) {
        #expect(error.status == status, "\(self): \(error)")
        #expect(error.device == device.info.name, "\(self): \(error)")
        #expect(error.message.contains("\(function): ") && error.message.contains("(\(status))"), "\(self): \(error)")
    }
}

/// Calls of the module ApusOpenCL that the demo network does not need, each with what makes it.
private func otherCalls(_ device: OpenCLDevice) throws -> [(function: String, body: () throws -> Void)] {
    let queue = try device.makeQueue()
    let buffer = try device.makeBuffer(byteCount: 64)
    let bytes = [UInt8](repeating: 1, count: 64)
    func write() throws -> Event {
        try bytes.withUnsafeBytes { try #require(try queue.enqueueWrite(buffer, from: $0, wantsEvent: true)) }
    }
    return [
        ("clEnqueueFillBuffer", { try queue.enqueueFill(buffer, with: UInt32(7)) }),
        ("clEnqueueCopyBuffer", { try queue.enqueueCopy(from: buffer, offset: 32, to: buffer, byteCount: 16) }),
        ("clEnqueueMarkerWithWaitList", { _ = try queue.enqueueMarker() }),
        ("clEnqueueBarrierWithWaitList", { try queue.enqueueBarrier(waitingFor: [try write()]) }),
        ("clFlush", { try queue.flush() }),
        ("clWaitForEvents", { try write().wait() }),
        ("clGetEventInfo", { _ = try write().isComplete() }),
        (
            "clCreateSubBuffer",
            { _ = try device.makeBuffer(byteCount: 64, guards: GuardBands(), used: [0..<64]) }
        ),
    ]
}

/// A process in which any OpenCL call fails once goes on: an error that names the call, no leak, then right answers.
///
/// Each test is a process of its own, which ends by itself should a call never return.
@Suite(.serialized) struct FaultTests {
    private static let maximumSeconds: UInt32 = 120

    @Test func anyCallOfASessionMayFail() async {
        await #expect(processExitsWith: .success) {
            alarm(FaultTests.maximumSeconds)
            var sweep = try FaultSweep(FaultLayer())
            for request in FaultSweep.Request.allCases {
                try sweep.sweep(.memory, request, maximumCount: request == .first ? 16 : 3)
            }
            for programs in FaultSweep.Programs.allCases where programs != .memory {
                try sweep.sweep(programs, .first, maximumCount: 3)
            }
            #expect(sweep.layer.liveContexts == 1)
            #expect(sweep.faultCount > 200)

            var tested = sweep.sweptFunctions
            let device = sweep.device
            for (function, body) in try otherCalls(device) {
                tested.insert(function)
                sweep.layer.disarm()
                let objects = sweep.layer.liveObjects
                let fault = Fault(function: function, status: -5, call: 1)
                sweep.layer.arm(fault)
                let error = #expect(throws: BackendError.self, "\(function)") { try body() }
                if let error { fault.expect(error, on: device) }
                try body()
                #expect(sweep.layer.liveObjects == objects, "\(function)")
            }
            tested.formUnion(FaultTests.queries)
            #expect(tested == Set(sweep.layer.functions), "\(tested.symmetricDifference(sweep.layer.functions))")
        }
    }

    /// Two sessions of a device: one meets the loss of the context, which takes the buffers and programs of both along.
    @Test func aLostContextIsMadeAnew() async {
        await #expect(processExitsWith: .success) {
            alarm(FaultTests.maximumSeconds)
            let layer = try FaultLayer()
            let digits = try Digits()
            let device = try #require(OpenCLDevice.all.first)
            let input = try digits.input(3)
            let folder = try TemporaryFolder()
            func expectAnswer(_ session: Session, _ fault: Fault) throws {
                let answer = try session.answer(input)
                #expect(try classes(answer) == digits.labels.prefix(3).map { Int($0) }, "\(fault)")
            }
            do {
                let cache = ProgramCache(.init(folder: folder.path))
                let other = try openCLSession(digits.model, cache: cache)
                _ = try other.answer(input)
                let functions = [
                    "clCreateCommandQueue", "clCreateBuffer", "clSetKernelArg", "clEnqueueWriteBuffer",
                    "clEnqueueNDRangeKernel", "clEnqueueReadBuffer", "clFinish",
                ]
                for (function, isWarm) in functions.flatMap({ [($0, false), ($0, true)] }) {
                    let session = try openCLSession(digits.model, cache: cache)
                    if isWarm { _ = try session.answer(input) }
                    let fault = Fault(function: function, status: -36, call: 1)
                    layer.arm(fault, losesContexts: true)
                    // A session that has run makes nothing for a request of the same shape.
                    if isWarm && ["clCreateCommandQueue", "clCreateBuffer", "clSetKernelArg"].contains(function) {
                        _ = try session.answer(input)
                        #expect(!layer.hasFailed, "\(fault)")
                        continue
                    }
                    let error = #expect(throws: BackendError.self, "\(fault)") { try session.answer(input) }
                    #expect(error?.code == .deviceLost && layer.hasFailed, "\(fault)")
                    if let error { fault.expect(error, on: device) }
                    layer.disarm()
                    try expectAnswer(other, fault)
                    try expectAnswer(session, fault)
                    #expect(layer.liveContexts == 1, "\(fault): \(layer.liveContexts) contexts")
                }
            }
            #expect(layer.liveObjects == 0)
            #expect(device.memoryStatistics.liveBytes == 0 && device.memoryStatistics.liveBuffers == 0)
        }
    }

    /// Calls that describe platforms, devices, kernels and failed builds, whose answers have defaults.
    private static let queries: Set = [
        "clGetPlatformIDs", "clGetDeviceIDs", "clGetPlatformInfo", "clGetDeviceInfo", "clGetKernelWorkGroupInfo",
        "clGetProgramBuildInfo",
    ]

    @Test func devicesAreLookedForAgain() async {
        await #expect(processExitsWith: .success) {
            alarm(FaultTests.maximumSeconds)
            let layer = try FaultLayer()
            let digits = try Digits()
            for function in ["clGetPlatformIDs", "clGetDeviceIDs"] {
                for call in [1, 2] {
                    let fault = Fault(function: function, status: -6, call: call)
                    layer.arm(fault)
                    let error = #expect(throws: BackendError.self, "\(fault)") { try openCLSession(digits.model) }
                    #expect(error?.code == .noDevice, "\(fault)")
                    #expect(error?.message.contains("\(function): CL_OUT_OF_HOST_MEMORY (-6)") == true, "\(fault)")
                    #expect(layer.hasFailed)
                }
            }
            layer.disarm()
            let answer = try openCLSession(digits.model).answer(digits.input(3))
            #expect(try classes(answer) == digits.labels.prefix(3).map { Int($0) })
        }
    }

    @Test func aBuildThatFailsWithoutALogIsNamed() async {
        await #expect(processExitsWith: .success) {
            alarm(FaultTests.maximumSeconds)
            let layer = try FaultLayer()
            let device = try #require(OpenCLDevice.all.first)
            layer.arm(Fault(function: "clGetProgramBuildInfo", status: -6, call: 1))
            let error = #expect(throws: BackendError.self) { try Program(device, source: "no program") }
            #expect(error?.code == .buildFailed)
            #expect(error?.message.contains("clBuildProgram") == true)
            #expect(layer.hasFailed && layer.liveObjects == 0)
            let program = try Program(device, source: "__kernel void one(__global int *x) { x[0] = 1; }")
            let kernel = try program.makeKernel("one")
            layer.arm(Fault(function: "clGetKernelWorkGroupInfo", status: -6, call: 1))
            #expect(kernel.maximumWorkGroupSize == 1)
            #expect(layer.hasFailed && kernel.maximumWorkGroupSize > 1)
        }
    }

    /// Whether the layer knows what the engine calls, releases aside.
    @Test func theLayerKnowsEveryCall() async {
        await #expect(processExitsWith: .success) {
            let known = Set(try FaultLayer().functions)
            let sources = URL(filePath: Networks.folder).deletingLastPathComponent().path + "/Sources/ApusOpenCL"
            var called: Set<String> = []
            for file in try FileManager.default.contentsOfDirectory(atPath: sources) where file.hasSuffix(".swift") {
                let text = try String(contentsOfFile: "\(sources)/\(file)", encoding: .utf8)
                called.formUnion(text.matches(of: /\bcl(?!Release)[A-Z][A-Za-z]+\b/).map { String($0.output) })
            }
            #expect(called == known, "\(called.symmetricDifference(known))")
        }
    }
}
