// Packs depthwise weights of bytes for integer_depthwise.
//
// weights      ONNX order [channels][1][taps], taps = kernel_d * kernel_h * kernel_w; contiguous.
// packed       [tap][width] floats, the weights less their zero points, width = roundup(channels, vector), zero padded.
// parameters   [width / vector][4][vector] ints, see integer/operands.cl; the zero point of packed weights is 0.
//
// Global size: (width); any local size.
#include "integer/operands.cl"

__kernel void integer_depthwise_pack(__global const WEIGHT *weights, long weights_offset, __global float *packed,
                                     long packed_offset, __global int *parameters, long parameters_offset, int channels,
                                     int taps, int vector, int x_zero OUTPUT_OPERANDS) {
    const int c = get_global_id(0);
    const int width = get_global_size(0);
    int start = 0, factor = 0, share = 0, zero = 0;
    if (c < channels) {
        zero = OUTPUT_W_ZERO(c);
        start = OUTPUT_BIAS(c);
        factor = OUTPUT_MULTIPLIER(c);
    }
    for (int tap = 0; tap < taps; ++tap) {
        const int weight = c < channels ? weights[weights_offset + (long)c * taps + tap] - zero : 0;
        packed[packed_offset + (long)tap * width + c] = (float)weight;
        share += weight;
    }
    __global int *to = parameters + parameters_offset + (long)(c / vector) * 4 * vector + c % vector;
    to[0] = OUTPUT_START(start, x_zero, share);
    to[vector] = factor;
    to[2 * vector] = 0;
    to[3 * vector] = share;
}
