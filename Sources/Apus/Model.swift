package import ApusGraph
package import ApusONNX
import ApusOperators
public import ApusTensor

/// A trained network, imported and checked; immutable and shared.
public struct Model: Sendable {
    /// An input or output of a model.
    public struct Port: Sendable, Hashable {
        /// The name in the file.
        public let name: String
        /// The element type; `nil` for sequences and optionals.
        public let elementType: ElementType?
        /// The extent of each axis, `nil` where it is free; `nil` as a whole where the rank is unknown.
        public let shape: [Int?]?
        /// The declared type as text, such as `float32[batch,3,224,224]`.
        public let description: String
    }

    /// Where the model came from, for messages.
    public let path: String?
    /// The model's own key-value pairs.
    public let metadata: [String: String]
    package let imported: ImportedModel

    package var graph: Graph { imported.graph }

    /// Loads an ONNX file. Weights stay in the mapped file until a device needs them.
    ///
    /// - Throws: `ModelError` that names the file and the node at fault.
    public static func load(_ path: String) throws -> Model {
        do {
            return Model(path: path, imported: try ONNXImporter.load(path: path))
        } catch {
            throw error.at(file: path)
        }
    }

    /// Loads an ONNX model from memory. External data is refused, as there is no folder that it could lie in.
    ///
    /// - Throws: `ModelError` that names the node at fault.
    public static func load(bytes: [UInt8]) throws -> Model {
        Model(path: nil, imported: try ONNXImporter.load(bytes: bytes))
    }

    private init(path: String?, imported: ImportedModel) {
        self.path = path
        self.imported = imported
        metadata = imported.metadata
    }

    /// What the model asks for, in order.
    public var inputs: [Port] { graph.inputs.map(port) }

    /// What the model answers, in order.
    public var outputs: [Port] { graph.outputs.map(port) }

    private func port(_ id: ValueID) -> Port {
        let value = graph[id]
        guard case .tensor(let elementType, let shape)? = value.type else {
            return Port(
                name: value.name,
                elementType: nil,
                shape: nil,
                description: value.type.map(\.description) ?? "unknown"
            )
        }
        return Port(
            name: value.name,
            elementType: elementType,
            shape: shape?.map { if case .known(let extent) = $0 { extent } else { nil } },
            description: "\(value.type?.description ?? "")"
        )
    }
}
