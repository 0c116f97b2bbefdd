package import ApusTensor

/// A decision between variants of a kernel: the problem as far as a model fixes it, never the batch, so that a batch of
/// another size finds its programs built.
package enum TuningKey: Sendable, Hashable {
    /// A convolution by register tiles.
    case convolution(Convolution)
    /// A convolution of each channel by itself.
    case depthwise(Convolution)
    case matrixProduct(MatrixProduct)

    /// Extents are those of depth, height and width, 1 for axes that are not there.
    package struct Convolution: Sendable, Hashable {
        package var kernel: [Int]
        package var strides: [Int]
        package var dilations: [Int]
        /// The output of one image.
        package var extents: [Int]
        package var groups: Int
        package var groupInputs: Int
        package var groupOutputs: Int
        package var storage: ElementType
        /// The largest tile of Winograd's algorithm that the node allows; 0 for none.
        package var winogradTile: Int

        package init(
            kernel: [Int],
            strides: [Int],
            dilations: [Int],
            extents: [Int],
            groups: Int,
            groupInputs: Int,
            groupOutputs: Int,
            storage: ElementType,
            winogradTile: Int
        ) {
            self.kernel = kernel
            self.strides = strides
            self.dilations = dilations
            self.extents = extents
            self.groups = groups
            self.groupInputs = groupInputs
            self.groupOutputs = groupOutputs
            self.storage = storage
            self.winogradTile = winogradTile
        }
    }

    /// Any number of rows, as these change from run to run.
    package struct MatrixProduct: Sendable, Hashable {
        package var columns: Int
        package var depth: Int
        /// Whether the rows have to be packed in every run.
        package var packsRows: Bool
        /// Whether all matrices of a batch are multiplied by the same one.
        package var sharesColumns: Bool
        package var storage: ElementType

        package init(columns: Int, depth: Int, packsRows: Bool, sharesColumns: Bool, storage: ElementType) {
            self.columns = columns
            self.depth = depth
            self.packsRows = packsRows
            self.sharesColumns = sharesColumns
            self.storage = storage
        }
    }

    /// The problem in a few words, for people.
    package var summary: String {
        func extents(_ values: [Int]) -> String {
            let kept = values.first == 1 ? values.dropFirst() : values[...]
            return kept.map(String.init).joined(separator: "x")
        }
        switch self {
        case .convolution(let problem), .depthwise(let problem):
            let stride = problem.strides.allSatisfy { $0 == 1 } ? "" : " stride \(extents(problem.strides))"
            let dilation = problem.dilations.allSatisfy { $0 == 1 } ? "" : " dilation \(extents(problem.dilations))"
            let groups = problem.groups == 1 ? "" : " groups \(problem.groups)"
            return "\(extents(problem.kernel))\(stride)\(dilation)\(groups) \(problem.groupInputs) to "
                + "\(problem.groupOutputs) at \(extents(problem.extents)) \(problem.storage)"
        case .matrixProduct(let problem):
            return "depth \(problem.depth) columns \(problem.columns) \(problem.storage)"
        }
    }
}

/// The variant of a kernel that is taken for a `TuningKey`.
package enum TuningChoice: Sendable, Hashable {
    /// A register tile of rows by columns; the axis that work-items keep a panel of weights along, `nil` where the
    /// analytic rank finds it.
    case tile(rows: Int, columns: Int, panelAxis: Int?)
    /// Winograd's algorithm by tiles of `outputs` x `outputs` pixels, `rows` of them in registers, `chunks` times.
    case winograd(outputs: Int, rows: Int, columns: Int, chunks: Int)
    /// A run of pixels of a depthwise convolution.
    case pixels(Int)

    /// The choice in a few words, for people.
    package var summary: String {
        switch self {
        case .tile(let rows, let columns, let axis): "tile \(rows)x\(columns)" + (axis.map { " axis \($0)" } ?? "")
        case .winograd(let outputs, let rows, let columns, let chunks):
            "winograd \(outputs)x\(outputs) tile \(rows)x\(columns)" + (chunks == 1 ? "" : " times \(chunks)")
        case .pixels(let count): "\(count) pixels"
        }
    }
}

extension TuningKey: LosslessStringConvertible {
    /// A word and the numbers of the problem.
    package var description: String {
        switch self {
        case .convolution(let problem): Self.text("convolution", problem.numbers)
        case .depthwise(let problem): Self.text("depthwise", problem.numbers)
        case .matrixProduct(let problem): Self.text("matrix-product", problem.numbers)
        }
    }

    /// Reads a description; `nil` for any other text.
    package init?(_ description: String) {
        guard let (name, numbers) = parse(description) else { return nil }
        switch name {
        case "convolution":
            guard let problem = Convolution(numbers) else { return nil }
            self = .convolution(problem)
        case "depthwise":
            guard let problem = Convolution(numbers) else { return nil }
            self = .depthwise(problem)
        case "matrix-product":
            guard let problem = MatrixProduct(numbers) else { return nil }
            self = .matrixProduct(problem)
        default: return nil
        }
    }

    fileprivate static func text(_ name: String, _ numbers: [Int]) -> String {
        ([name] + numbers.map(String.init)).joined(separator: " ")
    }
}

extension TuningChoice: LosslessStringConvertible {
    /// A word and the numbers of the variant.
    package var description: String {
        switch self {
        case .tile(let rows, let columns, let axis):
            TuningKey.text("tile", [rows, columns] + (axis.map { [$0] } ?? []))
        case .winograd(let outputs, let rows, let columns, let chunks):
            TuningKey.text("winograd", [outputs, rows, columns, chunks])
        case .pixels(let count): TuningKey.text("pixels", [count])
        }
    }

    /// Reads a description; `nil` for any other text.
    package init?(_ description: String) {
        guard let (name, numbers) = parse(description) else { return nil }
        switch (name, numbers.count) {
        case ("tile", 2): self = .tile(rows: numbers[0], columns: numbers[1], panelAxis: nil)
        case ("tile", 3): self = .tile(rows: numbers[0], columns: numbers[1], panelAxis: numbers[2])
        case ("winograd", 4):
            self = .winograd(outputs: numbers[0], rows: numbers[1], columns: numbers[2], chunks: numbers[3])
        case ("pixels", 1): self = .pixels(numbers[0])
        default: return nil
        }
    }
}

/// A word and whole numbers behind it.
private func parse(_ text: String) -> (name: Substring, numbers: [Int])? {
    let words = text.split(separator: " ")
    guard let name = words.first else { return nil }
    let numbers = words.dropFirst().compactMap { Int($0) }
    return numbers.count == words.count - 1 ? (name, numbers) : nil
}

extension TuningKey.Convolution {
    fileprivate var numbers: [Int] {
        kernel + strides + dilations + extents
            + [groups, groupInputs, groupOutputs, Int(storage.rawValue), winogradTile]
    }

    fileprivate init?(_ numbers: [Int]) {
        guard numbers.count == 17, let storage = Int32(exactly: numbers[15]).flatMap({ ElementType(rawValue: $0) })
        else { return nil }
        self.init(
            kernel: Array(numbers[0..<3]),
            strides: Array(numbers[3..<6]),
            dilations: Array(numbers[6..<9]),
            extents: Array(numbers[9..<12]),
            groups: numbers[12],
            groupInputs: numbers[13],
            groupOutputs: numbers[14],
            storage: storage,
            winogradTile: numbers[16]
        )
    }
}

extension TuningKey.MatrixProduct {
    fileprivate var numbers: [Int] {
        [columns, depth, packsRows ? 1 : 0, sharesColumns ? 1 : 0, Int(storage.rawValue)]
    }

    fileprivate init?(_ numbers: [Int]) {
        guard numbers.count == 5, numbers[2...3].allSatisfy({ (0...1).contains($0) }),
            let storage = Int32(exactly: numbers[4]).flatMap({ ElementType(rawValue: $0) })
        else { return nil }
        self.init(
            columns: numbers[0],
            depth: numbers[1],
            packsRows: numbers[2] == 1,
            sharesColumns: numbers[3] == 1,
            storage: storage
        )
    }
}
