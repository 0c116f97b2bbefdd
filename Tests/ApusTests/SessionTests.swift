import Apus
import ApusDevice
import ApusOpenCL
import ApusTensor
import Foundation
import Synchronization
import Testing

@Suite struct SessionTests {
    @Test func manySessionsAreMadeAtOnce() throws {
        let digits = try Digits()
        let input = try digits.input(2)
        let answers = Mutex<[[Float]]>([])
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            if let found = try? openCLSession(digits.model).answer(input).array(of: Float.self) {
                answers.withLock { $0.append(found) }
            }
        }
        let found = answers.withLock { $0 }
        #expect(found.count == 8)
        #expect(Set(found).count == 1)
    }

    @Test func tasksRunAtOnce() async throws {
        let digits = try Digits()
        let session = try openCLSession(digits.model)
        let input = try digits.input(3)
        let expected = try session.answer(input).array(of: Float.self)
        try await withThrowingTaskGroup(of: [Float].self) { group in
            for _ in 0..<16 {
                group.addTask {
                    try #require(try await session.run(input)["probabilities"]).tensor().array(of: Float.self)
                }
            }
            for try await found in group { #expect(found == expected) }
        }
    }

    @Test(arguments: [DeviceSelection.reference, .openCL(0)])
    func aCancelledTaskDoesNotRun(_ device: DeviceSelection) async throws {
        let digits = try Digits()
        let session = try Session(digits.model, options: Session.Options(device: device))
        let input = try digits.input(3)
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            return try await session.run(input)
        }
        task.cancel()
        let error = await #expect(throws: ModelError.self) { try await task.value }
        #expect(error?.code == .cancelled)
        #expect(try classes(session.answer(input)) == digits.labels.prefix(3).map { Int($0) })
    }

    @Test func cancellationStopsARunBetweenSteps() async throws {
        let model = try Networks.load("resnet50")
        let session = try referenceSession(model)
        let input = try Networks.input(model, batch: 2)
        let task = Task { try await session.run(input) }
        // A thread of its own: other tests may hold all threads of the task pool for longer than the run takes.
        Thread.detachNewThread {
            Thread.sleep(forTimeInterval: 0.2)
            task.cancel()
        }
        let error = await #expect(throws: ModelError.self) { try await task.value }
        #expect(error?.code == .cancelled)
    }

    @Test(arguments: [DeviceSelection.reference, .openCL(0)])
    func aDeadlineThatHasPassedEndsTheRun(_ device: DeviceSelection) throws {
        let digits = try Digits()
        let session = try Session(digits.model, options: Session.Options(device: device))
        let error = #expect(throws: ModelError.self) {
            try session.runBlocking(digits.input(3), deadline: .now - .milliseconds(1))
        }
        #expect(error?.code == .cancelled)
        #expect(error?.message.contains("deadline") == true)
        #expect(try session.runBlocking(digits.input(3), deadline: .now + .seconds(60)).count == 1)
    }

    @Test func wrongInputsAreNamed() throws {
        let digits = try Digits()
        for device in [DeviceSelection.reference, .openCL(0)] {
            let session = try Session(digits.model, options: Session.Options(device: device))
            func expectError(_ inputs: [String: RuntimeValue], _ words: String...) throws {
                let error = try #require(#expect(throws: ModelError.self) { try session.runBlocking(inputs) })
                #expect(error.code == .invalidInput)
                for word in words { #expect(error.description.contains(word), "\(error)") }
            }
            var two = try digits.input(1)
            two["extra"] = .tensor(Tensor(scalar: Float(1)))
            try expectError([:], "\"image\"", "missing")
            try expectError(two, "\"extra\"", "\"image\"")
            try expectError(
                ["image": .tensor(try Tensor(shape: [1, 1, 8, 7], [Float](repeating: 0, count: 56)))],
                "\"image\"",
                "float32[batch,1,8,8]",
                "float32[1,1,8,7]"
            )
            try expectError(
                ["image": .tensor(try Tensor(shape: [1, 1, 8, 8], [Double](repeating: 0, count: 64)))],
                "\"image\"",
                "float64[1,1,8,8]"
            )
            try expectError(["image": .tensor(try Tensor(shape: [64], [Float](repeating: 0, count: 64)))], "\"image\"")
            try expectError(["image": .sequence([])], "image", "sequence")
            try expectError(["image": .strings(try StringTensor(shape: [1], [[65]]))], "image", "strings")
        }
    }

    @Test func anUnknownDeviceListsThoseThereAre() throws {
        let model = try Networks.load("digits")
        let known = try #require(OpenCLDevice.all.first).info.name
        for device in [DeviceSelection.openCL(99), .openCLNamed("no such device")] {
            let error = try #require(
                #expect(throws: BackendError.self) { try Session(model, options: Session.Options(device: device)) }
            )
            #expect(error.code == .noDevice)
            #expect(error.description.contains(known), "\(error)")
            #expect(error.description.contains("\(device)"), "\(error)")
        }
    }

    @Test(
        arguments: [
            ("auto", DeviceSelection.automatic), ("reference", .reference), ("opencl:0", .openCL(0)),
            ("opencl:17", .openCL(17)), ("opencl:gpu", .openCLGPU), ("OpenCL:CPU", .openCLCPU),
            ("opencl:epyc", .openCLNamed("epyc")),
        ]
    )
    func deviceSelectionsAreRead(_ text: String, _ selection: DeviceSelection) {
        #expect(DeviceSelection(text) == selection)
        #expect(DeviceSelection(selection.description) == selection)
    }

    @Test(arguments: ["", "opencl", "opencl:", "cpu", "opencl:99999999999999999999", " auto"])
    func otherTextIsNoDeviceSelection(_ text: String) {
        #expect(DeviceSelection(text) == nil)
    }

    @Test func anUnknownPassListsThoseThereAre() throws {
        var options = Session.Options(device: .openCL(0))
        options.disabledPasses = ["no such pass"]
        let error = try #require(
            #expect(throws: ModelError.self) {
                try Session(Networks.load("digits"), options: options).answer(Digits().input(1))
            }
        )
        #expect(error.description.contains("no such pass"))
        #expect(error.description.contains("epilogue"))
    }

    @Test func aTensorAboveTheLimitIsRefused() throws {
        let digits = try Digits()
        for device in [DeviceSelection.reference, .openCL(0)] {
            let options = Session.Options(device: device, maximumBytes: 100_000)
            let session = try Session(digits.model, options: options)
            _ = try session.answer(digits.input(1))
            let error = #expect(throws: ModelError.self) { try session.answer(digits.input(300)) }
            #expect(error?.code == .limitExceeded)
        }
    }

    @Test func passesMayBeLeftOut() throws {
        let digits = try Digits()
        var options = Session.Options(device: .openCL(0))
        options.disabledPasses = ["epilogue", "pointwise", "batch-norm"]
        let found = try Session(digits.model, options: options).answer(digits.input(20))
        #expect(try classes(found) == classes(openCLSession(digits.model).answer(digits.input(20))))
    }
}

/// Files that are no models.
@Suite struct ModelFileTests {
    @Test func aMissingFileIsNamed() throws {
        let error = try #require(#expect(throws: ModelError.self) { try Model.load("/no/such/model.onnx") })
        #expect(error.code == .invalidFile)
        #expect(error.file == "/no/such/model.onnx")
    }

    @Test func everyTruncationIsAnErrorOrAModel() throws {
        let bytes = try Array(Data(contentsOf: URL(filePath: Networks.path("digits"))))
        var refused = 0
        for count in stride(from: 0, to: bytes.count, by: bytes.count / 97) {
            do {
                let model = try Model.load(bytes: Array(bytes[..<count]))
                _ = try? referenceSession(model)
            } catch {
                #expect(error is ModelError, "\(error)")
                refused += 1
            }
        }
        #expect(refused > 90)
    }

    @Test func aSpoiledModelNeverTraps() throws {
        let bytes = try Array(Data(contentsOf: URL(filePath: Networks.path("digits"))))
        let input = try Digits().input(1)
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            var spoiled = bytes
            var places: [Int] = []
            for _ in 0..<3 {
                let place = Int.random(in: 0..<min(bytes.count, 4000), using: &generator)
                places.append(place)
                spoiled[place] = .random(in: 0...255, using: &generator)
            }
            do {
                let session = try referenceSession(Model.load(bytes: spoiled))
                _ = try session.runBlocking(input, deadline: .now + .seconds(1))
            } catch {
                #expect(error is ModelError, "\(error) with the bytes at \(places) changed")
            }
        }
    }

    @Test func portsTellNameTypeAndFreeAxes() throws {
        let model = try Networks.load("digits")
        #expect(model.inputs.map(\.name) == ["image"])
        #expect(model.inputs.first?.shape == [nil, 1, 8, 8])
        #expect(model.inputs.first?.elementType == .float32)
        #expect(model.outputs.map(\.name) == ["probabilities"])
        #expect(model.metadata["apus.labels"]?.split(separator: "\n").count == 10)
    }
}
