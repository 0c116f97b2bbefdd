/// The cases of the shape operators.
package let shapeCases: [OperatorCase] = []
