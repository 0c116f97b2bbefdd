import ApusDevice
import ApusOpenCL
import ApusOperatorSuite
import ApusVerification
import Testing

/// Winograd's algorithm on every convolution of the suite that it fits, also where the rank prefers direct convolution.
@Suite struct WinogradTests {
    @Test(arguments: OpenCLDevice.all.indices, [2, 4])
    func agreesWithReference(_ device: Int, _ tile: Int) throws {
        let tuning = TuningTable(winogradTile: tile)
        var certification = Certification(OpenCLDevice.all[device])
        certification.tuning = tuning
        let cases = OperatorSuite.cases.filter { $0.operatorType == "Conv" && $0.name.contains("3x3") }
        #expect(cases.count >= 10)
        for operatorCase in cases {
            let verdict = try certification.judge(operatorCase)
            #expect(verdict.isGood, "\(operatorCase): \(verdict.problem ?? "")")
        }
    }
}
