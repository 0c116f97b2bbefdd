import ApusTensor

/// The weights of a model that ships without them: made from a seed and the name of each initialiser.
///
/// Element i of an initialiser is `low + u * (high - low)` in float32, rounded after the product and after the sum. `u`
/// is the top 24 bits of the splitmix64 finaliser, over 2^24, of
/// `seed * 0x9E3779B97F4A7C15 + FNV-1a-64(name) + (i + 1) * 0x9E3779B97F4A7C15` in wrapping 64-bit arithmetic.
struct SeededWeights {
    /// The metadata entry that holds the seed, an integer.
    static let seedKey = "apus.seed"
    /// What precedes the name of an initialiser in the metadata entry that holds its range, `low,high`.
    static let rangePrefix = "apus.range:"

    private static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15
    private let seed: UInt64
    private let metadata: [String: String]

    /// - Returns: `nil` if the metadata holds no seed.
    /// - Throws: `ModelError` with code `invalidModel` if the seed is no integer.
    init?(_ metadata: [String: String]) throws(ModelError) {
        guard let text = metadata[Self.seedKey] else { return nil }
        guard let seed = UInt64(text) ?? Int64(text).map({ UInt64(bitPattern: $0) }) else {
            throw ModelError(.invalidModel, "the metadata entry \(Self.seedKey) is \(quoted(text)), not an integer")
        }
        self.seed = seed
        self.metadata = metadata
    }

    /// The values of an initialiser.
    ///
    /// - Throws: `ModelError` if its range is missing or malformed, or its type is not float32.
    func tensor(_ type: TensorType, name: String) throws(ModelError) -> Tensor {
        guard type.elementType == .float32 else {
            throw ModelError(.unsupported, "weights from a seed are float32, the initialiser is \(type.elementType)")
        }
        guard let text = metadata[Self.rangePrefix + name] else {
            throw ModelError(.invalidModel, "the initialiser has no data and no entry \(Self.rangePrefix)<name>")
        }
        let bounds = text.split(separator: ",", omittingEmptySubsequences: false).map { Float($0) }
        guard bounds.count == 2, let low = bounds[0], let high = bounds[1], low.isFinite, high.isFinite else {
            throw ModelError(.invalidModel, "the range of the initialiser is \(quoted(text)), not \"low,high\"")
        }
        let hash = name.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        let start = seed &* Self.increment &+ hash
        let extent = high - low
        return Tensor(type) { bytes in
            var state = start
            for index in 0..<type.elementCount {
                state &+= Self.increment
                var bits = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
                bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
                bits ^= bits >> 31
                let uniform = Float(UInt32(truncatingIfNeeded: bits >> 40)) * 0x1p-24
                bytes.storeBytes(of: low + uniform * extent, toByteOffset: index * 4, as: Float.self)
            }
        }
    }
}
