/// The cases of the contraction operators.
package let contractionCases: [OperatorCase] = []
