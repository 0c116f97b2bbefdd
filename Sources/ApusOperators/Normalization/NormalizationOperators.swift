/// The normalization operators by ONNX name.
package let normalizationOperators: [(String, any Operator.Type)] = [
    ("BatchNormalization", BatchNormalization.self),
    ("GroupNormalization", GroupNormalization.self),
    ("InstanceNormalization", GroupNormalization.self),
    ("LRN", LocalResponseNormalization.self),
    ("LayerNormalization", LayerNormalization.self),
    ("LpNormalization", LpNormalization.self),
    ("MeanVarianceNormalization", MeanVarianceNormalization.self),
    ("RMSNormalization", LayerNormalization.self),
    ("apus.LayerNormalization", CastNormalization.self),
    ("apus.RMSNormalization", CastNormalization.self),
]
