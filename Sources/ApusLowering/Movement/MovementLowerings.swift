/// The lowerings of the movement operators by ONNX name.
package let movementLowerings: [(String, any OperatorLowering.Type)] = []
