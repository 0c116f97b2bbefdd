/// The attention operators by ONNX name; `apus.` marks internal operators.
package let attentionOperators: [(String, any Operator.Type)] = [
    ("Attention", Attention.self),
    ("LinearAttention", LinearAttention.self),
    ("RotaryEmbedding", RotaryEmbedding.self),
    ("apus.Attention", AttentionNode.self),
]
