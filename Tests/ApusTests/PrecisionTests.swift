import Apus
import ApusTensor
import ApusVerification
import Testing

@Suite(.serialized) struct PrecisionTests {
    private func session(_ model: Model, _ precision: Session.Precision, _ device: DeviceSelection) throws -> Session {
        var options = Session.Options(device: device, fallback: .never)
        if device == .reference { options.fallback = .node }
        options.precision = precision
        return try Session(model, options: options)
    }

    /// The bounds are several times the distance that rounding after every layer causes.
    @Test(arguments: [(Session.Precision.bfloat16, 4e-2), (.float16, 5e-3)])
    func digitsAreReadInSixteenBits(_ precision: Session.Precision, _ bound: Double) throws {
        let digits = try Digits()
        let inputs: [String: RuntimeValue] = ["image": .tensor(digits.images)]
        let exact = try referenceSession(digits.model).answer(inputs)
        let rounded = try session(digits.model, precision, .reference).answer(inputs)
        let found = try session(digits.model, precision, .openCL(0)).answer(inputs)
        #expect(found.type == exact.type && rounded.type == exact.type)
        for answer in [rounded, found] {
            let error = try ErrorMetrics(reference: exact, computed: answer)
            #expect(
                error.nonFiniteMismatchCount == 0 && error.relativeL2 < bound && error.mismatchCount > 0,
                "\(error)"
            )
        }
        #expect(relativeError(found, rounded) < bound)
    }

    @Test(arguments: [("mobilenet_v2", 5e-2), ("resnet18", 3e-2)])
    func networksStayCloseToFloat32(_ name: String, _ bound: Double) throws {
        let model = try Networks.load(name)
        let expected = try Npy.read(path: "\(Networks.folder)/\(name)/output-b1.npy")
        let found = try session(model, .bfloat16, .openCL(0)).answer(Networks.input(model, batch: 1))
        let error = try ErrorMetrics(reference: expected, computed: found)
        #expect(error.nonFiniteMismatchCount == 0 && error.relativeL2 < bound, "\(error)")
    }
}
