import ApusTensor

/// A convolution as matrix products: weights times the input elements under each window, gathered panel by panel.
struct WindowProducts {
    var geometry: WindowGeometry
    var isTransposed: Bool
    var group: Int
    /// Input channels of one group.
    var inputChannels: Int
    /// Output channels of one group.
    var outputChannels: Int

    /// The convolution of `[n, group * inputChannels, spatial...]`.
    ///
    /// - Parameter loadWeights: fills `inputChannels * taps` elements with the weights of one output channel of a group.
    func evaluate(
        _ x: Tensor,
        bias: Tensor?,
        loadWeights: (_ group: Int, _ channel: Int, _ target: UnsafeMutableBufferPointer<Double>) -> Void
    ) throws(ModelError) -> Tensor {
        let batch = x.shape[0]
        let type = TensorType(x.elementType, [batch, group * outputChannels] + geometry.output)
        guard type.elementCount > 0 else { return Tensor(zeros: type) }
        let taps = geometry.kernelCount
        let source = try x.doubles()
        let addend = try bias?.doubles()
        let outputCount = geometry.outputCount
        let plane = geometry.inputCount
        let extended = geometry.extended(to: 3)
        let packed = PackedRows(
            matrices: group,
            rows: outputChannels,
            depth: inputChannels * taps,
            load: loadWeights
        )
        return source.withUnsafeBufferPointer { source in
            Tensor(type) { output in
                guard let base = output.baseAddress else { return }
                packed.multiply(products: batch * group, columns: outputCount) {
                    $0 % group
                } loadPanel: { product, column, panel in
                    let first = product * inputChannels * plane
                    let channels = source[first..<first + inputChannels * plane]
                    gather(extended, UnsafeBufferPointer(rebasing: channels), plane, column, panel)
                } store: { product, row, column, values in
                    let channel = product * outputChannels + row
                    if let addend {
                        let value = addend[channel % addend.count]
                        for lane in values.indices { values[lane] += value }
                    }
                    type.elementType.write(UnsafeBufferPointer(values), to: base, start: channel * outputCount + column)
                }
            }
        }
    }

    /// Fills a panel with the elements under eight windows: vector `channel * taps + tap`, one window a lane.
    private func gather(
        _ window: WindowGeometry,
        _ channels: UnsafeBufferPointer<Double>,
        _ plane: Int,
        _ column: Int,
        _ panel: UnsafeMutablePointer<SIMD8<Double>>
    ) {
        let taps = window.kernelCount
        let lanes = min(8, window.outputCount - column)
        withUnsafeTemporaryAllocation(of: Int.self, capacity: 8 * taps) { offsets in
            offsets.update(repeating: -1)
            for lane in 0..<lanes { fillOffsets(window, column + lane, offsets, lane) }
            panel.withMemoryRebound(to: Double.self, capacity: 8 * taps * inputChannels) { target in
                var index = 0
                for channel in 0..<inputChannels {
                    for position in 0..<8 * taps {
                        let offset = offsets[position]
                        target[index] = offset < 0 ? 0 : channels[channel * plane + offset]
                        index += 1
                    }
                }
            }
        }
    }

    /// Writes the input element under each tap of one window, -1 where there is none.
    private func fillOffsets(
        _ window: WindowGeometry,
        _ index: Int,
        _ offsets: UnsafeMutableBufferPointer<Int>,
        _ lane: Int
    ) {
        let x = index % window.output[2]
        let y = index / window.output[2] % window.output[1]
        let z = index / window.output[2] / window.output[1]
        var position = lane
        for tapZ in 0..<window.kernel[0] {
            let inputZ = inputIndex(window, 0, z, tapZ)
            for tapY in 0..<window.kernel[1] {
                let inputY = inputIndex(window, 1, y, tapY)
                for tapX in 0..<window.kernel[2] {
                    let inputX = inputIndex(window, 2, x, tapX)
                    if inputZ >= 0, inputY >= 0, inputX >= 0 {
                        offsets[position] = (inputZ * window.input[1] + inputY) * window.input[2] + inputX
                    }
                    position += 8
                }
            }
        }
    }

    @inline(__always)
    private func inputIndex(_ window: WindowGeometry, _ axis: Int, _ output: Int, _ tap: Int) -> Int {
        if isTransposed {
            let shifted = output + window.padsBegin[axis] - tap * window.dilations[axis]
            let stride = window.strides[axis]
            return shifted >= 0 && shifted % stride == 0 && shifted / stride < window.input[axis]
                ? shifted / stride : -1
        }
        let index = output * window.strides[axis] - window.padsBegin[axis] + tap * window.dilations[axis]
        return index >= 0 && index < window.input[axis] ? index : -1
    }
}
