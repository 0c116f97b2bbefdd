import ApusOpenCL
import ApusOperatorSuite
import ApusVerification
import Testing

/// Every case of the suite on every device there is, against the reference.
@Suite struct OperatorSuiteTests {
    static let devices = OpenCLDevice.all.indices
    static let types = Set(OperatorSuite.cases.map(\.operatorType)).sorted()

    @Test(arguments: devices, types)
    func agreesWithReference(_ device: Int, _ operatorType: String) throws {
        let certification = Certification(OpenCLDevice.all[device])
        for operatorCase in OperatorSuite.cases where operatorCase.operatorType == operatorType {
            let verdict = try certification.judge(operatorCase)
            #expect(verdict.isGood, "\(operatorCase): \(verdict.problem ?? "")")
        }
    }
}
