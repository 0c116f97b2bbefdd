@_exported public import ApusDevice
@_exported public import ApusTensor
