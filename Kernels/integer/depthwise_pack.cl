// Packs depthwise weights of bytes for integer_depthwise.
//
// weights      ONNX order [channels][1][taps], taps = kernel_d * kernel_h * kernel_w; contiguous.
// packed       [tap][width] floats, the weights less their zero points, width = roundup(channels, vector), zero padded.
// parameters   [width / vector][3][vector] ints: the bias less x_zero times the sum of the weights, the multiplier's
//              bits, and 0.
// W_UNSIGNED: the weights are unsigned. HAS_BIAS, HAS_MULTIPLIER, HAS_W_ZERO: which of the operands are given;
// multiplier_pitch and w_zero_pitch are 0 where one element serves all channels.
//
// Global size: (width); any local size.
#pragma OPENCL FP_CONTRACT OFF

#ifdef W_UNSIGNED
#define WEIGHT uchar
#else
#define WEIGHT char
#endif

__kernel void integer_depthwise_pack(__global const WEIGHT *weights, long weights_offset, __global float *packed,
                                     long packed_offset, __global int *parameters, long parameters_offset, int channels,
                                     int taps, int vector, int x_zero
#ifdef HAS_BIAS
                                     ,
                                     __global const int *bias, long bias_offset
#endif
#ifdef HAS_MULTIPLIER
                                     ,
                                     __global const float *multiplier, long multiplier_offset, int multiplier_pitch
#endif
#ifdef HAS_W_ZERO
                                     ,
                                     __global const WEIGHT *w_zero, long w_zero_offset, int w_zero_pitch
#endif
) {
    const int c = get_global_id(0);
    const int width = get_global_size(0);
    int start = 0, factor = 0, sum = 0, zero = 0;
    if (c < channels) {
#ifdef HAS_W_ZERO
        zero = w_zero[w_zero_offset + (long)c * w_zero_pitch];
#endif
#ifdef HAS_BIAS
        start = bias[bias_offset + c];
#endif
#ifdef HAS_MULTIPLIER
        factor = as_int(multiplier[multiplier_offset + (long)c * multiplier_pitch]);
#endif
    }
    for (int tap = 0; tap < taps; ++tap) {
        const int weight = c < channels ? weights[weights_offset + (long)c * taps + tap] - zero : 0;
        packed[packed_offset + (long)tap * width + c] = (float)weight;
        sum += weight;
    }
    __global int *to = parameters + parameters_offset + (long)(c / vector) * 3 * vector + c % vector;
    to[0] = start - x_zero * sum;
    to[vector] = factor;
    to[2 * vector] = 0;
}
