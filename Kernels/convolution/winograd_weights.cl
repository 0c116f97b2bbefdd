// Transforms and packs 3x3 weights for Winograd's convolution.
//
// weights  ONNX order [outputs][inputs][3][3]; contiguous.
// packed   [panel][position][inputs][panel_width], panels = ceil(outputs / panel_width), zero padded.
//
// Global size: (inputs, panels); any local size that divides it. `panel_width` is the NR of the consumer.
// Tunables: TILE (microkernel/winograd.cl).
#pragma OPENCL FP_CONTRACT OFF
#include "microkernel/winograd.cl"
#define LINE float

#define KEEP_ROW(i, value) rows[(i)*3 + column] = value;
#define STORE_PACKED(i, value) to[(long)(row * SIDE + i) * step] = value;

__kernel void winograd_weights(__global const float *weights, long weights_offset, __global float *packed,
                               long packed_offset, int inputs, int outputs, int panel_width) {
    const int input = get_global_id(0), panel = get_global_id(1);
    const long step = (long)inputs * panel_width;
    for (int lane = 0; lane < panel_width; ++lane) {
        const int output = panel * panel_width + lane;
        __global const float *from = weights + weights_offset + ((long)output * inputs + input) * 9;
        __global float *to = packed + packed_offset + (long)panel * POSITIONS * step + (long)input * panel_width + lane;
        float rows[SIDE * 3];
        for (int column = 0; column < 3; ++column) {
            const int is_real = output < outputs;
            const float g0 = is_real ? from[column] : 0.0f, g1 = is_real ? from[3 + column] : 0.0f,
                        g2 = is_real ? from[6 + column] : 0.0f;
            WEIGHT_LINE(KEEP_ROW)
        }
        for (int row = 0; row < SIDE; ++row) {
            const float g0 = rows[row * 3], g1 = rows[row * 3 + 1], g2 = rows[row * 3 + 2];
            WEIGHT_LINE(STORE_PACKED)
        }
    }
}
