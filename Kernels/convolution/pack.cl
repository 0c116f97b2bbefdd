// Packs convolution weights for convolution_direct.
//
// weights  ONNX order [groups * group_outputs][group_inputs][taps], taps = kernel_d * kernel_h * kernel_w; contiguous.
// packed   [group][panel][tap][group_inputs][nr], nr channels of a panel, panels = ceil(group_outputs / nr), zero
// padded.
//
// Global size: (taps * group_inputs, groups * panels); any local size. `panel_width` is the NR of the consumer.
#pragma OPENCL FP_CONTRACT OFF

__kernel void convolution_pack(__global const float *weights, long weights_offset, __global float *packed,
                               long packed_offset, int group_inputs, int group_outputs, int taps, int panel_width) {
    const int row = get_global_id(0), item = get_global_id(1);
    const int panels = (group_outputs + panel_width - 1) / panel_width;
    if (row >= taps * group_inputs)
        return;
    const int group = item / panels, panel = item - group * panels;
    const int tap = row / group_inputs, input = row - tap * group_inputs;
    const int first = panel * panel_width;
    __global const float *from =
        weights + weights_offset + ((long)(group * group_outputs + first) * group_inputs + input) * taps + tap;
    __global float *to = packed + packed_offset + ((long)item * taps * group_inputs + row) * panel_width;
    const long pitch = (long)group_inputs * taps;
    for (int lane = 0; lane < panel_width; ++lane)
        to[lane] = first + lane < group_outputs ? from[lane * pitch] : 0.0f;
}
