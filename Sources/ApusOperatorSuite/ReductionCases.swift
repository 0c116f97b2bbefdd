/// The cases of the reduction operators.
package let reductionCases: [OperatorCase] = []
