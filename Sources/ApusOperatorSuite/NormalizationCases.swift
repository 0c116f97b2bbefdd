/// The cases of the normalization operators.
package let normalizationCases: [OperatorCase] = []
