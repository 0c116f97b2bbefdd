/// The cases of the convolution operators.
package let convolutionCases: [OperatorCase] = []
