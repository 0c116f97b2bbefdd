import ApusDevice
import ApusGraph
import ApusOperators
package import ApusTensor

/// `LayerNormalization` and `RMSNormalization`, also those with a cast, in float32 whatever the tensors hold: one kernel
/// over rows of a canonical tensor.
package enum LayerNormalizationLowering: OperatorLowering {
    package static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        LayoutRequests(inputs: call.inputs.map { _ in .canonical }, outputs: call.outputs.map { _ in .canonical })
    }

    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let x = try call.input(0)
        let output = try call.output(0)
        let scale = try call.input(1)
        let bias = call.inputs.count > 2 ? call.inputs[2] : nil
        let isCast = call.anchor is CastNormalization
        let copy = isCast && call.outputs.count > 1 ? call.outputs[1] : nil
        guard isCast || call.outputs.compactMap({ $0 }).count == 1 else {
            throw ModelError(.unsupported, "no kernel gives the statistics as outputs")
        }
        var defines = try storageDefines(x, [scale] + [bias].compactMap { $0 }, output, copy, context.device)
        let axis = try normalizedAxis(call.node.attributes.int("axis", default: -1), rank: x.type.rank)
        let row = Array(x.type.shape[axis...])
        let size = row.reduce(1, *)
        for operand in [scale] + [bias].compactMap({ $0 }) {
            guard Array(operand.type.shape.drop(while: { $0 == 1 })) == Array(row.drop(while: { $0 == 1 })) else {
                throw ModelError(.unsupported, "scale and bias are not of the shape \(row)")
            }
        }
        let rows = x.type.shape[..<axis].reduce(1, *)
        let device = context.device
        let isGroup = device.executionModel == .workGroupTile && size >= 64
        let split = WorkSplit(
            rows: rows,
            innerExtent: 1,
            lanes: 1,
            weight: 6 * size,
            granularity: 1,
            device: device
        )
        defines["VECTOR"] = String(max(4, min(16, device.vectorWidth)))
        if call.node.operatorType == "LayerNormalization" { defines["CENTERS"] = "1" }
        if bias != nil { defines["HAS_BIAS"] = "1" }
        if isGroup { defines["GROUP"] = "128" }
        var arguments = [x.argument(), scale.argument()]
        if let bias { arguments.append(bias.argument()) }
        arguments.append(output.argument(.write))
        if let copy { arguments.append(copy.argument(.write)) }
        let sizes = isGroup ? [size] : [size, rows, split.unitsPerItem]
        arguments += try intArguments(sizes)
        arguments.append(.float(try call.node.attributes.float("epsilon", default: 1e-5)))
        return LoweredNode(
            launches: [
                KernelLaunch(
                    program: KernelProgram(file: "normalization/rows.cl", defines: defines),
                    kernel: isGroup ? "normalization_rows_group" : "normalization_rows",
                    arguments: arguments,
                    globalSize: isGroup ? [rows * 128] : split.globalSize,
                    localSize: isGroup ? [128] : split.localSize
                )
            ],
            inPlaceInputs: x.type.elementType == output.type.elementType && copy == nil ? [0] : []
        )
    }

    /// The defines for what the tensors hold: the input and the parameters either what the output does or float32.
    private static func storageDefines(
        _ x: Operand,
        _ parameters: [Operand],
        _ output: Operand,
        _ copy: Operand?,
        _ device: DeviceInfo
    ) throws(ModelError) -> [String: String] {
        let storage = try ElementStorage([output])
        var defines = storage.defines(device)
        for (name, held) in [("FLOAT_INPUT", try ElementStorage([x])), ("FLOAT_SCALE", try ElementStorage(parameters))]
        where held != storage {
            guard held == .float32 else {
                throw ModelError(.unsupported, "no kernel for rows of \(held) that become \(storage)")
            }
            defines[name] = "1"
        }
        if let copy {
            guard copy.type.elementType == .float32 else {
                throw ModelError(.unsupported, "no kernel for a second result of \(copy.type.elementType)")
            }
            defines["FLOAT_COPY"] = "1"
        }
        return defines
    }
}

/// `LRN` across the channels of a channels-last tensor, in float32 whatever it holds.
package enum LocalResponseNormalizationLowering: OperatorLowering {
    package static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        LayoutRequests(
            inputs: call.inputs.map { _ in .channelsLast },
            outputs: call.outputs.map { _ in .channelsLast }
        )
    }

    package static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        try refuseEpilogue(call)
        let x = try call.input(0)
        let output = try call.output(0)
        let storage = try call.storage()
        guard x.type.rank >= 2, x.layout.pitches[1] == 1, output.layout.pitches[1] == 1 else {
            throw ModelError(.unsupported, "no kernel for \(x.type) in this layout")
        }
        let shape = x.type.shape
        let space = IterationSpace(
            shape: shape,
            order: output.layout.order.filter { $0 != 1 },
            pitches: [x.layout.pitches, output.layout.pitches]
        )
        guard space.extents.count <= 4 else {
            throw ModelError(.unsupported, "more than four axes that cannot be merged")
        }
        let attributes = call.node.attributes
        let size = try attributes.requiredInt("size")
        let device = context.device
        let isGroup = device.executionModel == .workGroupTile
        let width = isGroup ? 1 : max(4, min(16, device.vectorWidth))
        let split = WorkSplit(
            rows: space.elementCount,
            innerExtent: isGroup ? shape[1] : 1,
            lanes: 1,
            weight: isGroup ? 1 : 8 * shape[1],
            granularity: 1,
            device: device
        )
        let zeros = [Int](repeating: 0, count: 4 - space.extents.count)
        let extents = zeros.map { _ in 1 } + space.extents
        let sizes = extents.dropFirst() + zeros + space.pitches[0] + zeros + space.pitches[1]
        let scale = try attributes.float("alpha", default: 0.0001) / Float(max(1, size))
        return LoweredNode(launches: [
            KernelLaunch(
                program: KernelProgram(
                    file: "normalization/local_response.cl",
                    defines: storage.defines(context.device).merging(["VECTOR": String(max(4, width))]) { $1 }
                ),
                kernel: isGroup ? "normalization_local_response_element" : "normalization_local_response",
                arguments: [x.argument(), output.argument(.write)]
                    + (try intArguments(Array(sizes) + [shape[1], (size - 1) / 2, size - 1 - (size - 1) / 2]))
                    + [
                        .float(scale), .float(try attributes.float("beta", default: 0.75)),
                        .float(try attributes.float("bias", default: 1)), .int(split.units), .int(split.unitsPerItem),
                    ],
                globalSize: split.globalSize,
                localSize: split.localSize
            )
        ])
    }
}
