import Apus
import ApusTensor
import CImage
import Foundation

/// How a picture becomes the input of a network: resized, scaled, normalised, laid out.
struct ImageInput {
    var scale: Double
    var mean: [Double]
    var standardDeviation: [Double]
    /// `NCHW` or `NHWC`.
    var layout: String
    var isGrey: Bool

    /// Defaults come from the model's metadata, then from the practice of torchvision.
    init(_ model: Model, scale: Double?, mean: [Double]?, standardDeviation: [Double]?, layout: String?) {
        func numbers(_ key: String) -> [Double]? {
            let values = model.metadata[key]?.split(separator: ",").map {
                Double($0.trimmingCharacters(in: .whitespaces))
            }
            return values.flatMap { $0.contains(nil) ? nil : $0.compactMap { $0 } }
        }
        self.layout = layout ?? model.metadata["apus.image.layout"] ?? "NCHW"
        let port = model.inputs.first
        let channelAxis = self.layout == "NHWC" ? 3 : 1
        let channels = port?.shape.flatMap { $0.count == 4 ? $0[channelAxis] : nil }
        isGrey = model.metadata["apus.image.channels"] == "grey" || channels == 1
        self.scale = scale ?? numbers("apus.image.scale")?.first ?? 1 / 255
        self.mean = mean ?? numbers("apus.image.mean") ?? (isGrey ? [0] : [0.485, 0.456, 0.406])
        self.standardDeviation =
            standardDeviation ?? numbers("apus.image.std") ?? (isGrey ? [1] : [0.229, 0.224, 0.225])
    }

    /// Reads a picture for an input.
    ///
    /// - Parameter shape: the shape to fill, four axes, batch 1.
    /// - Throws: `ModelError` that names the file.
    func tensor(_ path: String, shape: [Int]) throws -> Tensor {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ModelError(.invalidFile, "the file cannot be read", file: path)
        }
        let channels = isGrey ? 1 : 3
        let isChannelsLast = layout == "NHWC"
        guard layout == "NCHW" || isChannelsLast else {
            throw ModelError(.invalidInput, "the layout \"\(layout)\" is neither NCHW nor NHWC")
        }
        guard shape.count == 4, shape[0] == 1, shape[isChannelsLast ? 3 : 1] == channels else {
            throw ModelError(.invalidInput, "a picture with \(channels) channels does not fill the shape \(shape)")
        }
        let (height, width) = isChannelsLast ? (shape[1], shape[2]) : (shape[2], shape[3])
        guard height > 0, width > 0 else {
            throw ModelError(.invalidInput, "a picture cannot fill the shape \(shape)")
        }
        guard mean.count == channels || mean.count == 1,
            standardDeviation.count == channels || standardDeviation.count == 1
        else {
            throw ModelError(.invalidInput, "mean and std need 1 or \(channels) values")
        }
        var image = apus_image()
        var message = [CChar](repeating: 0, count: 256)
        let status = data.withUnsafeBytes { bytes in
            apus_image_decode(
                bytes.bindMemory(to: UInt8.self).baseAddress,
                bytes.count,
                Int32(channels),
                &image,
                &message,
                message.count
            )
        }
        defer { apus_image_free(&image) }
        guard status == 0, let pixels = image.pixels else {
            let text = String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            throw ModelError(.invalidFile, text, file: path)
        }
        let source = UnsafeBufferPointer(start: pixels, count: Int(image.width) * Int(image.height) * channels)
        let rows = AreaResize(from: Int(image.height), to: height)
        let columns = AreaResize(from: Int(image.width), to: width)
        var result = [Float](repeating: 0, count: channels * height * width)
        for y in 0..<height {
            for x in 0..<width {
                for channel in 0..<channels {
                    var sum = 0.0
                    for (sourceY, weightY) in rows.taps[y] {
                        for (sourceX, weightX) in columns.taps[x] {
                            let sample = source[(sourceY * Int(image.width) + sourceX) * channels + channel]
                            sum += Double(sample) * weightY * weightX
                        }
                    }
                    let value =
                        (sum * scale - mean[min(channel, mean.count - 1)])
                        / standardDeviation[min(channel, standardDeviation.count - 1)]
                    let index =
                        isChannelsLast ? (y * width + x) * channels + channel : (channel * height + y) * width + x
                    result[index] = Float(value)
                }
            }
        }
        return try Tensor(shape: shape, result)
    }
}

/// The weights of a one-dimensional resize: areas averaged when shrinking, linear between centres when growing.
struct AreaResize {
    /// Source index and weight of each contribution, by target index.
    let taps: [[(index: Int, weight: Double)]]

    init(from source: Int, to target: Int) {
        let ratio = Double(source) / Double(target)
        taps = (0..<target).map { index in
            if ratio >= 1 {
                let start = Double(index) * ratio
                let end = start + ratio
                return (Int(start)..<min(Int(end.rounded(.up)), source)).compactMap { position in
                    let overlap = min(end, Double(position + 1)) - max(start, Double(position))
                    return overlap > 0 ? (position, overlap / ratio) : nil
                }
            }
            let centre = min(max((Double(index) + 0.5) * ratio - 0.5, 0), Double(source - 1))
            let lower = Int(centre)
            let fraction = centre - Double(lower)
            return fraction == 0 ? [(lower, 1)] : [(lower, 1 - fraction), (lower + 1, fraction)]
        }
    }
}
