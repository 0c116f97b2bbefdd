import ApusDevice
import ApusGraph
import ApusLowering
import ApusTensor
import Testing

@Suite struct ConvDepthwiseLoweringTests {
    /// The launches of a 1x1 convolution and a 3x3 depthwise one with padding 1.
    private func launches(
        _ input: [Int],
        channels: Int,
        device: TestDevice = .tile,
        localMemoryBytes: Int = 1 << 20
    ) throws -> [KernelLaunch] {
        var node = node(
            "ConvDepthwise",
            inputs: 5,
            ["group": .int(Int64(channels)), "pads": .ints([1, 1, 1, 1])]
        )
        node.domain = "apus"
        let types = [
            TensorType(.float32, input), TensorType(.float32, [channels, input[1], 1, 1]),
            TensorType(.float32, [channels]), TensorType(.float32, [channels, 1, 3, 3]),
            TensorType(.float32, [channels]),
        ]
        var context = device.context
        context.device.localMemoryBytes = localMemoryBytes
        context.device.computeUnits = 2
        let lowering = try #require(LoweringTable.standard.lowering(for: node))
        let output = [input[0], channels] + input[2...]
        let call = try makeCall(node, types, layouts: [0: .channelsLast(input)], outputLayout: .channelsLast(output))
        return try lowering.lower(call, context).launches
    }

    @Test func oneLaunchBesidePacking() throws {
        let kernels = try launches([1, 64, 14, 14], channels: 384).map(\.kernel)
        #expect(kernels.filter { !$0.hasSuffix("_pack") } == ["convolution_depthwise"])
    }

    @Test(arguments: [([16, 112, 112], 96), ([24, 56, 56], 144), ([64, 14, 14], 384), ([160, 7, 7], 960)])
    func aLargerBatchNeedsNoOtherProgram(_ image: [Int], _ channels: Int) throws {
        let one = try launches([1] + image, channels: channels)
        for batch in [2, 3, 8] {
            #expect(try launches([batch] + image, channels: channels).map(\.program) == one.map(\.program))
        }
    }

    @Test func aDeviceWithoutTheKernelIsTold() throws {
        #expect(throws: ModelError.self) { try launches([1, 64, 14, 14], channels: 384, device: .group) }
        #expect(throws: ModelError.self) {
            try launches([1, 64, 14, 140], channels: 384, localMemoryBytes: 4096)
        }
    }

    /// Every pixel of the output belongs to one work-item, which has the memory for its rows.
    @Test func workItemsCoverTheOutput() throws {
        for (input, channels) in [([1, 16, 112, 112], 96), ([3, 160, 7, 7], 960), ([1, 8, 5, 3], 20)] {
            let launch = try #require(try launches(input, channels: channels).last)
            let columns = try #require(launch.program.defines["NR"].flatMap { Int($0) })
            #expect(launch.globalSize[0] * columns >= channels)
            #expect((launch.globalSize[0] - 1) * columns < channels)
            #expect(launch.globalSize[1] <= input[2] && launch.globalSize[2] == input[0])
            #expect(launch.arguments.contains(.local(3 * (input[3] + 2) * columns * 4)))
        }
    }
}
