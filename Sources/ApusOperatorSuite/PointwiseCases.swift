/// The cases of the pointwise operators.
package let pointwiseCases: [OperatorCase] = []
