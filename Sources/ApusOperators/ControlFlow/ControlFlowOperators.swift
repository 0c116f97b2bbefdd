/// The operators of control flow, sequences and optionals by ONNX name.
package let controlFlowOperators: [(String, any Operator.Type)] = [
    ("ConcatFromSequence", ConcatFromSequence.self),
    ("If", If.self),
    ("Loop", Loop.self),
    ("Optional", OptionalConstruct.self),
    ("OptionalGetElement", OptionalGetElement.self),
    ("OptionalHasElement", OptionalHasElement.self),
    ("Scan", Scan.self),
    ("SequenceAt", SequenceAt.self),
    ("SequenceConstruct", SequenceConstruct.self),
    ("SequenceEmpty", SequenceEmpty.self),
    ("SequenceErase", SequenceErase.self),
    ("SequenceInsert", SequenceInsert.self),
    ("SequenceLength", SequenceLength.self),
    ("SplitToSequence", SplitToSequence.self),
]
