// Packs depthwise weights for depthwise_direct.
//
// weights  ONNX order [channels][1][taps], taps = kernel_d * kernel_h * kernel_w; contiguous.
// packed   [tap][width], width = roundup(channels, VECTOR) of the consumer, zero padded.
//
// Global size: (width, taps); any local size that divides it.
#pragma OPENCL FP_CONTRACT OFF

__kernel void depthwise_pack(__global const float *weights, long weights_offset, __global float *packed,
                             long packed_offset, int channels, int taps) {
    const int c = get_global_id(0), tap = get_global_id(1);
    packed[packed_offset + (long)tap * get_global_size(0) + c] =
        c < channels ? weights[weights_offset + (long)c * taps + tap] : 0.0f;
}
