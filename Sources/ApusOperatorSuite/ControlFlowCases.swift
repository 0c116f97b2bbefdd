/// The cases of the controlFlow operators.
package let controlFlowCases: [OperatorCase] = []
