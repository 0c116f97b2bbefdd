import ApusDevice
import ApusGraph
import ApusLowering
import ApusOperators
import ApusTensor
import Testing

@Suite struct CopyLaunchesTests {
    func operand(_ id: Int, _ layout: Layout, _ shape: [Int], _ type: ElementType = .float32) -> Operand {
        Operand(id: ValueID(id), type: TensorType(type, shape), layout: layout)
    }

    @Test(arguments: TestDevice.allCases)
    func layoutConversionTransposes(_ device: TestDevice) throws {
        let shape = [2, 64, 14, 14]
        let launches = try copyLaunches(
            from: operand(0, .canonical(shape), shape),
            to: operand(1, .channelsLast(shape), shape),
            device.context
        )
        #expect(launches.count == 1)
        #expect(launches.first?.program.file == "movement/transpose.cl")
        #expect(launches.first?.kernel == (device == .tile ? "movement_transpose" : "movement_transpose_tiled"))
    }

    @Test func newShapeBuildsNoProgram() throws {
        func program(_ shape: [Int]) throws -> [KernelProgram] {
            try copyLaunches(
                from: operand(0, .canonical(shape), shape),
                to: operand(1, .channelsLast(shape), shape),
                TestDevice.tile.context
            ).map(\.program)
        }
        #expect(try program([1, 64, 14, 14]) == program([3, 48, 9, 30]))
    }

    @Test func equalLayoutsAreOneRun() throws {
        let shape = [2, 3, 4]
        let launches = try copyLaunches(
            from: operand(0, .canonical(shape), shape, .int8),
            to: operand(1, .canonical(shape), shape, .int8),
            TestDevice.tile.context
        )
        let arguments = try #require(launches.first).arguments
        #expect(Array(arguments[2...4]) == [.int(1), .int(1), .int(24)])
        #expect(launches.first?.program.generated.contains("const uchar16 x0 = vload16(0, q0 + i);") == true)
    }

    @Test func haloIsOneLaunch() {
        let shape = [2, 16, 5, 6]
        let layout = Layout.channelsLast(shape, haloBefore: [0, 0, 1, 2], haloAfter: [0, 0, 1, 1])
        let launches = haloLaunches(for: operand(0, layout, shape), TestDevice.tile.context)
        #expect(launches.map(\.kernel) == ["movement_halo"])
        #expect(haloLaunches(for: operand(0, .canonical(shape), shape), TestDevice.tile.context).isEmpty)
    }
}

@Suite struct MovementLoweringTests {
    @Test func reshapeIsNoLaunch() throws {
        let call = try makeCall(
            node("Flatten", inputs: 1, ["axis": .int(1)]),
            [TensorType(.float32, [2, 3, 4])]
        )
        let lowered = try ReshapingLowering.lower(call, TestDevice.tile.context)
        #expect(lowered.launches.isEmpty)
        #expect(lowered.aliasedInput == 0)
    }

    @Test func reflectingPadCopiesEachSide() throws {
        let call = try makeCall(
            node("Pad", inputs: 2, ["mode": .string(Array("reflect".utf8))]),
            [TensorType(.float32, [4, 5]), TensorType(.int64, [4])],
            values: [1: try Tensor(shape: [4], [Int64(0), 2, 0, 3])]
        )
        #expect(try PadLowering.lower(call, TestDevice.tile.context).launches.count == 3)
    }

    @Test func sliceNeedsKnownStarts() throws {
        let types = [TensorType(.float32, [4, 5])] + [TensorType](repeating: TensorType(.int64, [1]), count: 2)
        var call = try makeCall(
            node("Slice", inputs: 3),
            types,
            values: [1: try Tensor(shape: [1], [Int64(1)]), 2: try Tensor(shape: [1], [Int64(3)])]
        )
        #expect(try SliceLowering.lower(call, TestDevice.tile.context).launches.count == 1)
        call.inputs[1]?.value = nil
        #expect(throws: ModelError.self) { try SliceLowering.lower(call, TestDevice.tile.context) }
    }
}

@Suite struct ReductionLoweringTests {
    func lowered(_ shape: [Int], _ axes: [Int64], _ device: TestDevice = .tile) throws -> LoweredNode {
        let call = try makeCall(
            node("ReduceSum", inputs: 2),
            [TensorType(.float32, shape), TensorType(.int64, [axes.count])],
            values: [1: try Tensor(shape: [axes.count], axes)]
        )
        return try ReduceLowering.lower(call, device.context)
    }

    @Test func longSumsHaveTwoStages() throws {
        let lowered = try lowered([1 << 20], [0])
        #expect(lowered.launches.count == 2)
        #expect(lowered.scratchBytes.count == 1)
        #expect(lowered.launches.first?.writes == [.scratch(0)])
        #expect(lowered.launches.last?.reads == [.scratch(0)])
    }

    @Test func newShapeBuildsNoProgram() throws {
        let first = try lowered([8, 16, 30], [2])
        let second = try lowered([3, 5, 77], [2])
        #expect(first.launches.map(\.program) == second.launches.map(\.program))
    }
}
