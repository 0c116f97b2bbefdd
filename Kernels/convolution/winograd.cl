// Winograd's convolution of channels-last images in one launch: one work-item computes MR * CHUNKS tiles of TILE x TILE
// pixels x panel_count panels of NR output channels. Its transformed input stays in local memory.
//
// input    element (n, y, x, c) at input_offset + n * input_pitch_n + y * input_pitch_h + x * input_pitch_w + c; the
//          offset is that of interior pixel 0. Pixels outside input_h x input_w count as 0 and are not read.
// weights  packed by winograd_weights with panel width NR, offset a multiple of 16.
// output   addressed like the input. rows: tiles of all images. tiles_h, tiles_w: tiles of one image.
// v        local: POSITIONS * MR * CHUNKS * v_pitch floats, v_pitch >= roundup(inputs, VECTOR).
//
// Global size, local size (1, 1, 1): (1, ceil(panels / panel_count), ceil(rows / (MR * CHUNKS))), panels =
// ceil(outputs / NR). An epilogue operand may be the output itself.
// Tunables: TILE, MR, NR, VECTOR (microkernel/winograd_tile.cl), CHUNKS; epilogue: epilogue.cl.
#define WINOGRAD_SPACE __local
#include "microkernel/winograd_tile.cl"
#include "microkernel/winograd_input.cl"

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
convolution_winograd(__global const ELEMENT *input, long input_offset, int input_pitch_n, int input_pitch_h,
                     int input_pitch_w, int input_h, int input_w, __global const float *weights, long weights_offset,
                     __global ELEMENT *output, long output_offset, int output_pitch_n, int output_pitch_h,
                     int output_pitch_w, int output_h, int output_w, int rows, int tiles_h, int tiles_w, int inputs,
                     int outputs, int pad_h, int pad_w, int panel_count, __local float *v,
                     int v_pitch BIAS_ARGUMENTS EPILOGUE_ARGUMENTS) {
    const int first = (int)get_global_id(2) * (MR * CHUNKS);
    const int step = MR * CHUNKS * v_pitch;
    for (int row = 0; row < MR * CHUNKS && first + row < rows; ++row) {
        const int tile = first + row, line = tile / tiles_w, n = line / tiles_h;
        winograd_input_tile(input + input_offset + (long)n * input_pitch_n, input_pitch_h, input_pitch_w, input_h,
                            input_w, (line - n * tiles_h) * TILE - pad_h, (tile - line * tiles_w) * TILE - pad_w,
                            inputs, v + row * v_pitch, step);
    }
    const int panels = (outputs + NR - 1) / NR, first_panel = (int)get_global_id(1) * panel_count;
    float products[POSITIONS * PRODUCT_STEP];
    for (int panel = first_panel; panel < min(first_panel + panel_count, panels); ++panel) {
        WINOGRAD_MULTIPLY(products, v, v_pitch, weights + weights_offset + (long)panel * POSITIONS * inputs * NR,
                          inputs)
        WINOGRAD_STORE(products, first)
    }
}
