import Testing

/// What the command says when an OpenCL call fails, by the layer of Tests/FaultLayer.
@Suite struct FaultTests {
    @Test(arguments: [
        ("clEnqueueReadBuffer", -36), ("clCreateBuffer", -4), ("clFinish", -5), ("clCreateContext", -6),
        ("clGetPlatformIDs", -6),
    ])
    func aFailedCallIsNamed(_ function: String, _ status: Int) throws {
        let result = try apus(
            ["run", Paths.digits, "--device", "opencl:0", "--image", Paths.picture],
            environment: [
                "OPENCL_LAYERS": Paths.products + "/libFaultLayer.so", "APUS_FAULT": "\(function):\(status):1",
            ]
        )
        #expect(result.status == 3, "\(result)")
        #expect(result.error.hasPrefix("apus: ") && result.error.contains("\(function): CL_"), "\(result)")
        #expect(result.error.contains("(\(status))") && result.output.isEmpty, "\(result)")
    }
}
