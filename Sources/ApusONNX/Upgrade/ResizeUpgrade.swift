import ApusGraph
import ApusTensor

extension NodeUpgrade {
    static let resizeRules: [String: Rule] = ["Upsample": upsample, "Resize": resize]

    /// Opset 10 replaced `Upsample` by `Resize`; its scales were an attribute before opset 9.
    private static func upsample(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        let attributes = upgrade.node.attributes
        let data = try upgrade.data()
        let scales: ValueID
        if let values = try attributes.floats("scales") {
            scales = upgrade.constant("scales", Tensor(vector: values))
        } else if let height = try attributes.float("height_scale"), let width = try attributes.float("width_scale") {
            scales = upgrade.constant("scales", Tensor(vector: [1, 1, height, width]))
        } else if upgrade.node.inputs.count == 2, let input = upgrade.node.inputs[1] {
            scales = input
        } else {
            throw ModelError(.invalidModel, "the scales are missing")
        }
        upgrade.node.operatorType = "Resize"
        upgrade.node.inputs = [data, nil, scales]
        try upgrade.setAsymmetric(mode: attributes.string("mode", default: "nearest"), nearest: "floor")
    }

    private static func resize(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        guard upgrade.version >= 11 else { return try firstResize(&upgrade) }
        for index in upgrade.node.inputs.indices.dropFirst()
        where upgrade.constantTensor(upgrade.node.inputs[index])?.elementCount == 0 {
            upgrade.node.inputs[index] = nil
        }
        upgrade.setInput(0, try upgrade.data())
    }

    /// Opset 11 added the region of interest and the ways to place and round coordinates.
    private static func firstResize(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        guard upgrade.node.inputs.count == 2, let scales = upgrade.node.inputs[1] else {
            throw ModelError(.invalidModel, "expected 2 inputs, found \(upgrade.node.inputs.count)")
        }
        let factors = upgrade.constantTensor(scales).flatMap { try? $0.array(of: Float.self) } ?? []
        let shrinks = factors.contains { $0 < 1 }
        upgrade.node.inputs = [try upgrade.data(), nil, scales]
        try upgrade.setAsymmetric(
            mode: upgrade.node.attributes.string("mode", default: "nearest"),
            nearest: shrinks ? "ceil" : "floor"
        )
    }

    private mutating func setAsymmetric(mode: String, nearest: String) throws(ModelError) {
        guard ["nearest", "linear", "bilinear"].contains(mode) else {
            throw ModelError(.unsupported, "the mode \(quoted(mode)) is not supported")
        }
        node.attributes = Attributes([
            "mode": .string(Array((mode == "nearest" ? mode : "linear").utf8)),
            "coordinate_transformation_mode": .string(Array("asymmetric".utf8)),
            "nearest_mode": .string(Array(nearest.utf8)),
        ])
    }

    static let samplingRules: [String: Rule] = ["GridSample": gridSample, "RoiAlign": roiAlign]

    /// Opset 20 renamed the modes.
    private static func gridSample(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        guard upgrade.version < 20 else { return }
        let names = ["bilinear": "linear", "bicubic": "cubic"]
        let mode = try upgrade.node.attributes.string("mode", default: "bilinear")
        upgrade.node.attributes["mode"] = .string(Array((names[mode] ?? mode).utf8))
    }

    /// Opset 16 changed the default to half pixels.
    private static func roiAlign(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        guard upgrade.version < 16, upgrade.node.attributes["coordinate_transformation_mode"] == nil else { return }
        upgrade.node.attributes["coordinate_transformation_mode"] = .string(Array("output_half_pixel".utf8))
    }
}
