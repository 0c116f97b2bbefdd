// Packs convolution weights.
//
// weights  ONNX order [groups * group_outputs][group_inputs][taps], taps = kernel_d * kernel_h * kernel_w; contiguous.
// packed   [group][panel][tap][group_inputs][nr], nr channels of a panel, panels = ceil(group_outputs / nr), zero
// padded.
//
// convolution_pack_pairs: bfloat16 weights for BF16_PAIRS (microkernel/tile.cl). The steps of the K loop, counted
// within `columns` neighbouring taps, are packed as [group][panel][taps / columns][ceil(columns * group_inputs /
// 2)][nr] pairs.
//
// Global size: (taps * group_inputs, groups * panels); any local size. `panel_width` is the NR of the consumer.
// Tunables: STORAGE_* (microkernel/lanes.cl) where `packed` holds floats; ELEMENT and PACKED, the same integer type,
// where elements are only moved.
// Global size of convolution_pack_pairs: (taps / columns * ceil(columns * group_inputs / 2), groups * panels).
#include "microkernel/lanes.cl"

#ifndef PACKED
#define PACKED float
#endif

__kernel void convolution_pack(__global const ELEMENT *weights, long weights_offset, __global PACKED *packed,
                               long packed_offset, int group_inputs, int group_outputs, int taps, int panel_width) {
    const int row = get_global_id(0), item = get_global_id(1);
    const int panels = (group_outputs + panel_width - 1) / panel_width;
    if (row >= taps * group_inputs)
        return;
    const int group = item / panels, panel = item - group * panels;
    const int tap = row / group_inputs, input = row - tap * group_inputs;
    const int first = panel * panel_width;
    __global const ELEMENT *from =
        weights + weights_offset + ((long)(group * group_outputs + first) * group_inputs + input) * taps + tap;
    __global PACKED *to = packed + packed_offset + ((long)item * taps * group_inputs + row) * panel_width;
    const long pitch = (long)group_inputs * taps;
    for (int lane = 0; lane < panel_width; ++lane)
        to[lane] = first + lane < group_outputs ? LOAD_LANE_ELEMENT(from + lane * pitch) : 0;
}

__kernel void convolution_pack_pairs(__global const ushort *weights, long weights_offset, __global uint *packed,
                                     long packed_offset, int group_inputs, int group_outputs, int taps, int panel_width,
                                     int columns) {
    const int row = get_global_id(0), item = get_global_id(1);
    const int panels = (group_outputs + panel_width - 1) / panel_width;
    const int run = columns * group_inputs, pairs = (run + 1) / 2;
    if (row >= taps / columns * pairs)
        return;
    const int group = item / panels, panel = item - group * panels;
    const int line = row / pairs, first_k = (row - line * pairs) * 2;
    const int first = panel * panel_width;
    __global uint *to = packed + packed_offset + ((long)item * (taps / columns) * pairs + row) * panel_width;
    for (int lane = 0; lane < panel_width; ++lane) {
        uint pair = 0;
        for (int half_of = 0; half_of < 2 && first + lane < group_outputs; ++half_of) {
            const int k = first_k + half_of;
            if (k < run) {
                const int tap = line * columns + k / group_inputs, input = k % group_inputs;
                const long place = ((long)(group * group_outputs + first + lane) * group_inputs + input) * taps + tap;
                pair |= (uint)weights[weights_offset + place] << (16 * half_of);
            }
        }
        to[lane] = pair;
    }
}
