import ApusDevice
import ApusGraph
import ApusLowering
import ApusTensor
import Testing

@Suite struct WinogradLoweringTests {
    /// The launches of a 3x3 convolution with padding 1.
    private func launches(
        _ input: [Int],
        outputs: Int,
        type: ElementType = .float32,
        allowed: Int64? = 4,
        device: TestDevice = .tile,
        instructionSets: Set<InstructionSet> = [],
        tuning: TuningTable = TuningTable()
    ) throws -> [KernelLaunch] {
        var attributes: [String: AttributeValue] = ["pads": .ints([1, 1, 1, 1])]
        attributes[winogradTileAttribute] = allowed.map { .int($0) }
        let node = node("Conv", inputs: 2, attributes)
        let types = [TensorType(type, input), TensorType(type, [outputs, input[1], 3, 3])]
        var context = device.context
        context.device.localMemoryBytes = 1 << 20
        context.device.computeUnits = 2
        context.device.instructionSets = instructionSets
        context.tuning = tuning
        let lowering = try #require(LoweringTable.standard.lowering(for: node))
        let requests = lowering.layoutRequests(try makeCall(node, types), context)
        guard case .channelsLast(let before, let after) = requests.inputs[0] else { return [] }
        let halo = before.isEmpty ? nil : before
        let layout = Layout.channelsLast(input, haloBefore: halo, haloAfter: after.isEmpty ? nil : after)
        let output = [input[0], outputs] + input[2...]
        let call = try makeCall(node, types, layouts: [0: layout], outputLayout: .channelsLast(output))
        return try lowering.lower(call, context).launches
    }

    private func kernels(_ launches: [KernelLaunch]) -> [String] { launches.map(\.kernel) }

    private let winograd = ["winograd_weights", "convolution_winograd"]
    private let direct = ["convolution_pack", "convolution_direct"]

    @Test func wideConvolutionsUseIt() throws {
        #expect(kernels(try launches([1, 64, 56, 56], outputs: 64)) == winograd)
        #expect(kernels(try launches([1, 256, 14, 14], outputs: 256)) == winograd)
    }

    @Test func productsOfPairsCompeteWithIt() throws {
        func chosen(_ input: [Int], _ sets: Set<InstructionSet>) throws -> [String] {
            kernels(try launches(input, outputs: input[1], type: .bfloat16, instructionSets: sets))
        }
        let pairs = ["convolution_pack_pairs", "convolution_direct"]
        #expect(try chosen([1, 512, 7, 7], []) == winograd)
        #expect(try chosen([1, 512, 7, 7], [.avx512f, .avx512bf16]) == pairs)
        #expect(try chosen([1, 64, 56, 56], [.avx512f, .avx512bf16]) == winograd)
    }

    @Test func narrowConvolutionsDoNot() throws {
        #expect(kernels(try launches([1, 3, 224, 224], outputs: 64)) == direct)
    }

    @Test func theMarkDecides() throws {
        #expect(kernels(try launches([1, 64, 56, 56], outputs: 64, allowed: nil)) == direct)
        #expect(kernels(try launches([1, 64, 56, 56], outputs: 64, allowed: 1)) == direct)
        let small = try launches([1, 64, 56, 56], outputs: 64, allowed: 2)
        #expect(small.allSatisfy { $0.program.defines["TILE"] == "2" })
        #expect(kernels(try launches([1, 64, 56, 56], outputs: 64, device: .group)).contains("convolution_portable"))
    }

    @Test func aLargerBatchNeedsNoOtherProgram() throws {
        for input in [[1, 64, 56, 56], [1, 256, 14, 14], [1, 512, 7, 7]] {
            let one = try launches(input, outputs: input[1])
            let eight = try launches([8] + input.dropFirst(), outputs: input[1])
            #expect(one.map(\.program) == eight.map(\.program))
        }
    }

    @Test func tuningForcesATile() throws {
        let none = TuningTable(winogradTile: 0)
        #expect(kernels(try launches([1, 64, 56, 56], outputs: 64, tuning: none)) == direct)
        let two = try launches([1, 3, 9, 9], outputs: 4, tuning: TuningTable(winogradTile: 2))
        #expect(kernels(two) == winograd)
    }
}
