import ApusCompiler
import ApusDevice
import ApusLowering
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

    /// Kernels of the other kind of device, as far as work-items work together in them: the rest differs in widths alone
    /// and runs on Intel's runtime (Scripts/check_vendors.sh), which compiles faster.
    @Test(arguments: devices, types)
    func workGroupsAgreeWithReference(_ device: Int, _ operatorType: String) throws {
        let certification = Certification(OpenCLDevice.all[device])
        for operatorCase in OperatorSuite.cases where operatorCase.operatorType == operatorType {
            let launches = try certification.plan(operatorCase, as: .workGroupTile)?.launches ?? []
            guard launches.contains(where: { $0.launch.localSize?.contains { $0 > 1 } ?? false }) else { continue }
            let verdict = try certification.judge(operatorCase, as: .workGroupTile)
            #expect(verdict.isGood, "\(operatorCase): \(verdict.problem ?? "")")
        }
    }

    static let workGroupKernels = [
        ("Conv", "convolution/portable.cl"), ("Gemm", "gemm/tiled.cl"), ("MatMul", "gemm/tiled.cl"),
        ("ConvInteger", "integer/portable.cl"), ("DynamicQuantizeLinear", "quantization/dynamic.cl"),
        ("MatMulInteger", "integer/portable.cl"), ("QLinearMatMul", "integer/portable.cl"),
        ("QuantizedConv", "integer/portable.cl"), ("QuantizedMatMul", "integer/portable.cl"),
    ]

    @Test(arguments: devices, workGroupKernels)
    func workGroupTilesRun(_ device: Int, _ expected: (operatorType: String, kernel: String)) throws {
        let certification = Certification(OpenCLDevice.all[device])
        let cases = OperatorSuite.cases.filter { $0.operatorType == expected.operatorType }
        let verdicts = try cases.map { try certification.judge($0, as: .workGroupTile) }
        #expect(verdicts.filter { $0.isOnDevice && $0.kernels.contains(expected.kernel) }.count > 3)
    }
}
