import ApusCompiler
import ApusOperatorSuite
import Testing

@Suite struct MemoryPlanTests {
    @Test(arguments: 1...50)
    func blocksThatLiveTogetherDoNotOverlap(_ seed: Int) {
        var generator = SeededGenerator(seed: UInt64(seed))
        let blocks = (0..<40).map { _ in
            let first = Int.random(in: 0..<30, using: &generator)
            return MemoryPlan.Block(
                byteCount: Int.random(in: 0..<5000, using: &generator),
                firstStep: first,
                lastStep: first + Int.random(in: 0..<8, using: &generator)
            )
        }
        let plan = MemoryPlan(blocks)
        for a in blocks.indices {
            #expect(plan.offsets[a] % 128 == 0)
            #expect(plan.offsets[a] + blocks[a].byteCount <= plan.arenaBytes)
            for b in blocks.indices.dropFirst(a + 1) {
                let together = blocks[a].firstStep <= blocks[b].lastStep && blocks[b].firstStep <= blocks[a].lastStep
                let apart =
                    plan.offsets[a] + max(blocks[a].byteCount, 1) <= plan.offsets[b]
                    || plan.offsets[b] + max(blocks[b].byteCount, 1) <= plan.offsets[a]
                #expect(!together || apart)
            }
        }
        let live = (0..<40).map { step in
            blocks.filter { $0.firstStep <= step && step <= $0.lastStep }.reduce(0) {
                $0 + ($1.byteCount + 127) / 128 * 128
            }
        }
        #expect(plan.arenaBytes <= 2 * (live.max() ?? 0) + 128)
    }

    @Test func aChainTakesTheTwoLargestNeighbours() {
        let sizes = [1024, 4096, 2048, 4096, 1024]
        let blocks = sizes.enumerated().map {
            MemoryPlan.Block(byteCount: $1, firstStep: $0, lastStep: $0 + 1)
        }
        #expect(MemoryPlan(blocks).arenaBytes == 6144)
    }
}
