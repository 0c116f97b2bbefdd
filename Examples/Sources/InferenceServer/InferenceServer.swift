import Apus
import Foundation
import Hummingbird
import Synchronization

/// Serves one network over HTTP: `POST /infer` takes a .npy file for its input and answers with one of its output.
///
/// usage: InferenceServer MODEL [PORT [DEVICE]]
@main
struct InferenceServer {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst().map { $0 }
        guard let path = arguments.first, let port = Int(arguments.dropFirst().first ?? "8080"),
            let device = DeviceSelection(arguments.dropFirst(2).first ?? "auto")
        else {
            FileHandle.standardError.write(Data("usage: InferenceServer MODEL [PORT [DEVICE]]\n".utf8))
            exit(64)
        }
        let session = try Session(try Model.load(path), options: Session.Options(device: device))
        let service = InferenceService(session: session)
        let router = Router()
        router.get("health") { _, _ in service.counts }
        router.post("infer") { request, _ in try await service.answer(request) }
        let application = Application(
            router: router,
            server: .http1(configuration: .init(idleTimeout: .seconds(60))),
            configuration: .init(address: .hostname("127.0.0.1", port: port), serverName: "apus")
        )
        try await application.runService(gracefulShutdownSignals: [.sigterm, .sigint])
    }
}

/// What became of the requests so far.
struct RequestCounts: ResponseEncodable, Sendable {
    var inFlight = 0
    var answered = 0
    var cancelled = 0
    var failed = 0
}

/// Answers requests with one session, which any number of them share.
final class InferenceService: Sendable {
    private static let largestBody = 64 << 20
    private static let mostInFlight = 64
    private let session: Session
    private let stored = Mutex(RequestCounts())

    init(session: Session) { self.session = session }

    var counts: RequestCounts { stored.withLock { $0 } }

    /// The run ends early when the client goes away, or when `?timeout=SECONDS` have passed.
    func answer(_ request: Request) async throws -> Response {
        let seconds = request.uri.queryParameters.get("timeout").flatMap { Double($0) } ?? 30
        guard (0...3600).contains(seconds) else { throw HTTPError(.badRequest, message: "timeout: 0 to 3600 seconds") }
        let deadline = ContinuousClock.now + .seconds(seconds)
        let isFull = stored.withLock { counts in
            if counts.inFlight < Self.mostInFlight { counts.inFlight += 1 } else { return true }
            return false
        }
        if isFull { throw HTTPError(.serviceUnavailable, message: "\(Self.mostInFlight) requests are in flight") }
        do {
            let answer = try await request.body.consumeWithCancellationOnInboundClose { body in
                try await self.run(try await body.collect(upTo: Self.largestBody), deadline)
            }
            count(\.answered)
            return Response(status: .ok, body: .init(byteBuffer: ByteBuffer(bytes: answer)))
        } catch let error as ModelError {
            count(error.code == .cancelled ? \.cancelled : \.failed)
            let status: HTTPResponse.Status = error.code == .cancelled ? .gatewayTimeout : .badRequest
            throw HTTPError(status, message: error.message)
        } catch {
            count(error is CancellationError ? \.cancelled : \.failed)
            throw error
        }
    }

    private func run(_ body: ByteBuffer, _ deadline: ContinuousClock.Instant) async throws -> [UInt8] {
        let input = try body.withUnsafeReadableBytes { try Npy.decode($0) }
        let inputs = session.model.inputs.prefix(1).map { ($0.name, RuntimeValue.tensor(input)) }
        let answers = try await session.run(Dictionary(inputs) { first, _ in first }, deadline: deadline)
        guard let output = session.model.outputs.first.flatMap({ answers[$0.name] }) else { return [] }
        return try Npy.encode(try output.tensor())
    }

    private func count(_ outcome: WritableKeyPath<RequestCounts, Int> & Sendable) {
        stored.withLock { counts in
            counts.inFlight -= 1
            counts[keyPath: outcome] += 1
        }
    }
}
