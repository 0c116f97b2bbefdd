// Packs weights of bytes for the integer kernels.
//
// integer_pack: element (output, input, tap) of a group lies at weights_offset + (group * group_outputs + output) *
// pitch_output + input * pitch_input + tap * pitch_tap. packed: [group][panel][tap / merged][quad][panel_width], a quad
// being 4 signed bytes along the axis of merged * group_inputs inputs (tap innermost of the taps that are merged, then
// input), zero padded. W_UNSIGNED: the weights are unsigned, 128 is subtracted.
// Global size: (taps / merged * quads, groups * panels); any local size.
//
// integer_parameters: [group][panel][3][panel_width] ints: the bias less what the zero points x_zero and w_zero
// contribute to every sum, the multiplier's bits, and w_zero. `products` is the number of products of a sum, `rows`
// that of the quads. Both zero points are those of moved values: of unsigned inputs, of signed weights. Lanes beyond
// group_outputs are 0.
// HAS_BIAS, HAS_MULTIPLIER, HAS_W_ZERO: which of the operands are given; multiplier_pitch and w_zero_pitch are 0 where
// one element serves all channels. X_ZERO_GIVEN: x_zero_value is in memory, its bits are flipped by x_zero (128 if
// signed). Global size: (groups * panels * panel_width); any local size.
#pragma OPENCL FP_CONTRACT OFF

__kernel void integer_pack(__global const uchar *weights, long weights_offset, __global uchar *packed,
                           long packed_offset, int group_inputs, int group_outputs, int pitch_output, int pitch_input,
                           int pitch_tap, int merged, int panel_width) {
    const int row = get_global_id(0), item = get_global_id(1);
    const int panels = (group_outputs + panel_width - 1) / panel_width;
    const int inputs = merged * group_inputs, quads = (inputs + 3) / 4;
    const int rows = get_global_size(0);
    const int group = item / panels, panel = item - group * panels;
    const int tap = row / quads * merged, first = row % quads * 4;
    __global uchar *to = packed + packed_offset + ((long)item * rows + row) * panel_width * 4;
    for (int lane = 0; lane < panel_width; ++lane) {
        const int output = panel * panel_width + lane;
        __global const uchar *from = weights + weights_offset + (long)(group * group_outputs + output) * pitch_output;
        for (int i = 0; i < 4; ++i) {
            const int input = first + i;
            uchar value = 0;
            if (output < group_outputs && input < inputs) {
                const int moved = tap + input / group_inputs;
                value = from[(long)(input % group_inputs) * pitch_input + (long)moved * pitch_tap];
#ifdef W_UNSIGNED
                value ^= 128;
#endif
            }
            to[lane * 4 + i] = value;
        }
    }
}

__kernel void integer_parameters(__global const char *packed, long packed_offset, __global int *parameters,
                                 long parameters_offset, int group_outputs, int panel_width, int rows, int products,
                                 int x_zero, int w_move
#ifdef X_ZERO_GIVEN
                                 ,
                                 __global const uchar *x_zero_value, long x_zero_offset
#endif
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
                                 __global const uchar *w_zero, long w_zero_offset, int w_zero_pitch
#endif
) {
    const int lane = (int)get_global_id(0) % panel_width, item = (int)get_global_id(0) / panel_width;
    const int panels = (group_outputs + panel_width - 1) / panel_width;
    const int group = item / panels, output = (item - group * panels) * panel_width + lane;
    const int channel = group * group_outputs + output;
    __global int *to = parameters + parameters_offset + (long)item * 3 * panel_width + lane;
    int start = 0, factor = 0, zero = 0;
    if (output < group_outputs) {
        int sum = 0;
        __global const char *from = packed + packed_offset + ((long)item * rows * panel_width + lane) * 4;
        for (int row = 0; row < rows; ++row) {
            sum += from[0] + from[1] + from[2] + from[3];
            from += 4 * panel_width;
        }
#ifdef X_ZERO_GIVEN
        const int x = (uchar)(x_zero_value[x_zero_offset] ^ x_zero);
#else
        const int x = x_zero;
#endif
#ifdef HAS_W_ZERO
#ifdef W_UNSIGNED
        zero = (int)w_zero[w_zero_offset + (long)channel * w_zero_pitch] + w_move;
#else
        zero = as_char(w_zero[w_zero_offset + (long)channel * w_zero_pitch]) + w_move;
#endif
#else
        zero = w_move;
#endif
        start = products * x * zero - x * sum;
#ifdef HAS_BIAS
        start += bias[bias_offset + channel];
#endif
#ifdef HAS_MULTIPLIER
        factor = as_int(multiplier[multiplier_offset + (long)channel * multiplier_pitch]);
#endif
    }
    to[0] = start;
    to[panel_width] = factor;
    to[2 * panel_width] = zero;
}
