import ApusTensor
import Glibc

/// The reference of scaled dot-product attention, in Double.
struct AttentionEvaluation {
    /// Which state of the scores is recorded.
    enum Recorded: Int {
        case products, capped, masked, probabilities
    }

    let problem: AttentionProblem
    let query: [Double]
    let queryView: AttentionView
    let key: [Double]
    let keyView: AttentionView
    let value: [Double]
    let valueView: AttentionView
    var mask: AttentionMask?
    /// The keys of each batch item that take part; `nil` for all.
    var validKeys: [Int]?

    /// Fills the output, and the scores in row-major order where they are wanted.
    func evaluate(
        into output: inout [Double],
        _ outputView: AttentionView,
        recording recorded: Recorded? = nil,
        scores: inout [Double]
    ) {
        let rows = problem.batch * problem.queryHeads * problem.queries
        let work = max(1, problem.keys * (problem.headSize + problem.valueSize))
        output.withUnsafeMutableBufferPointer { output in
            scores.withUnsafeMutableBufferPointer { scores in
                parallelFor(rows, grain: max(1, 32_768 / work)) { range in
                    withUnsafeTemporaryAllocation(of: Double.self, capacity: problem.keys + problem.valueSize) {
                        let line = UnsafeMutableBufferPointer(rebasing: $0[..<problem.keys])
                        let sums = UnsafeMutableBufferPointer(rebasing: $0[problem.keys...])
                        for row in range {
                            let place = Place(row, problem)
                            let kept = recorded.map { _ in
                                UnsafeMutableBufferPointer(
                                    rebasing: scores[row * problem.keys..<(row + 1) * problem.keys]
                                )
                            }
                            attend(place, line, recorded, kept)
                            combine(place, line, sums)
                            let start =
                                outputView.offset + place.batch * outputView.pitches[0]
                                + place.head * outputView.pitches[1] + place.query * outputView.pitches[2]
                            for column in sums.indices {
                                output[start + column * outputView.pitches[3]] = sums[column]
                            }
                        }
                    }
                }
            }
        }
    }

    /// One row of the scores.
    private struct Place {
        let batch: Int
        let head: Int
        let query: Int
        let keyHead: Int

        init(_ row: Int, _ problem: AttentionProblem) {
            query = row % problem.queries
            head = row / problem.queries % problem.queryHeads
            batch = row / problem.queries / problem.queryHeads
            keyHead = head / max(1, problem.queryHeads / max(1, problem.keyHeads))
        }
    }

    /// The probabilities of one query.
    private func attend(
        _ place: Place,
        _ line: UnsafeMutableBufferPointer<Double>,
        _ recorded: Recorded?,
        _ kept: UnsafeMutableBufferPointer<Double>?
    ) {
        func record(_ state: Recorded) {
            if recorded == state, let kept { for index in kept.indices { kept[index] = line[index] } }
        }
        let start =
            queryView.offset + place.batch * queryView.pitches[0] + place.head * queryView.pitches[1]
            + place.query * queryView.pitches[2]
        let first = keyView.offset + place.batch * keyView.pitches[0] + place.keyHead * keyView.pitches[1]
        for index in line.indices {
            let row = first + index * keyView.pitches[2]
            var sum = 0.0
            for feature in 0..<problem.headSize {
                sum += query[start + feature * queryView.pitches[3]] * key[row + feature * keyView.pitches[3]]
            }
            line[index] = sum * Double(problem.scale)
        }
        record(.products)
        if problem.softcap > 0 {
            let cap = Double(problem.softcap)
            for index in line.indices { line[index] = cap * tanh(line[index] / cap) }
        }
        record(.capped)
        var limit = min(validKeys?[place.batch] ?? problem.keys, mask?.columns ?? problem.keys)
        if problem.isCausal { limit = min(limit, problem.pastKeys + place.query + 1) }
        if let mask {
            let row =
                place.batch * mask.strides[0] + place.head * mask.strides[1] + place.query * mask.strides[2]
            for index in 0..<max(0, min(limit, line.count)) {
                line[index] += mask.values[row + index * mask.strides[3]]
            }
        }
        for index in max(0, limit)..<max(max(0, limit), line.count) { line[index] = -.infinity }
        record(.masked)
        var largest = -Double.infinity
        for index in line.indices where line[index] > largest || line[index].isNaN { largest = line[index] }
        var sum = 0.0
        for index in line.indices {
            line[index] = exp(line[index] - largest)
            sum += line[index]
        }
        for index in line.indices { line[index] /= sum }
        record(.probabilities)
    }

    /// The values weighted by the probabilities.
    private func combine(
        _ place: Place,
        _ line: UnsafeMutableBufferPointer<Double>,
        _ sums: UnsafeMutableBufferPointer<Double>
    ) {
        sums.update(repeating: 0)
        let first = valueView.offset + place.batch * valueView.pitches[0] + place.keyHead * valueView.pitches[1]
        for index in line.indices {
            let row = first + index * valueView.pitches[2]
            let weight = line[index]
            for column in sums.indices { sums[column] += weight * value[row + column * valueView.pitches[3]] }
        }
    }
}
