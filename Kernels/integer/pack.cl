// Packs weights of bytes for the integer kernels.
//
// integer_pack: element (output, input, tap) of a group lies at weights_offset + group * pitch_group + output *
// pitch_output + input * pitch_input + tap * pitch_tap. packed: [group][panel][tap / merged][quad][panel_width], a quad
// being 4 signed bytes along the axis of merged * group_inputs inputs (tap innermost of the taps that are merged, then
// input), zero padded. W_UNSIGNED: the weights are unsigned, 128 is subtracted. The matrices of a batch are groups.
// Global size: (taps / merged * quads, groups * panels); any local size.
//
// integer_parameters: [group][panel][4][panel_width] ints, see integer/operands.cl, of sums of `products` products
// packed in `rows` quads. Both zero points are those of moved values: of unsigned inputs, of signed weights (w_move is
// what packing adds to them). Lanes beyond group_outputs are 0. Operands of outputs are numbered group * group_channels
// + output. Global size: (groups * panels * panel_width); any local size.
#include "integer/operands.cl"

__kernel void integer_pack(__global const uchar *weights, long weights_offset, __global uchar *packed,
                           long packed_offset, int group_inputs, int group_outputs, int pitch_group, int pitch_output,
                           int pitch_input, int pitch_tap, int merged, int panel_width) {
    const int row = get_global_id(0), item = get_global_id(1);
    const int panels = (group_outputs + panel_width - 1) / panel_width;
    const int inputs = merged * group_inputs, quads = (inputs + 3) / 4;
    const int rows = get_global_size(0);
    const int group = item / panels, panel = item - group * panels;
    const int tap = row / quads * merged, first = row % quads * 4;
    __global uchar *to = packed + packed_offset + ((long)item * rows + row) * panel_width * 4;
    for (int lane = 0; lane < panel_width; ++lane) {
        const int output = panel * panel_width + lane;
        __global const uchar *from = weights + weights_offset + (long)group * pitch_group + (long)output * pitch_output;
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

__kernel void integer_parameters(__global const int *packed, long packed_offset, __global int *parameters,
                                 long parameters_offset, int group_outputs, int group_channels, int panel_width,
                                 int rows, int products, int x_zero, int w_move OUTPUT_OPERANDS) {
    const int lane = (int)get_global_id(0) % panel_width, item = (int)get_global_id(0) / panel_width;
    const int panels = (group_outputs + panel_width - 1) / panel_width;
    const int group = item / panels, output = (item - group * panels) * panel_width + lane;
    const int channel = group * group_channels + output;
    int start = 0, factor = 0, zero = 0, share = 0;
    if (output < group_outputs) {
        zero = OUTPUT_W_ZERO(channel) + w_move;
        start = OUTPUT_BIAS(channel);
        factor = OUTPUT_MULTIPLIER(channel);
        share = -products * zero;
        __global const int *from = packed + packed_offset + (long)item * rows * panel_width + lane;
        for (int row = 0; row < rows; ++row) {
            const int quad = from[(long)row * panel_width];
            share += ((quad << 24) >> 24) + ((quad << 16) >> 24) + ((quad << 8) >> 24) + (quad >> 24);
        }
    }
    __global int *to = parameters + parameters_offset + (long)item * 4 * panel_width + lane;
    to[0] = OUTPUT_START(start, x_zero, share);
    to[panel_width] = factor;
    to[2 * panel_width] = zero;
    to[3 * panel_width] = share;
}
