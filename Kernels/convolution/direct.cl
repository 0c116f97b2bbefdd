// Direct convolution of channels-last tensors, 1 to 3 spatial axes: one work-item computes MR neighbouring pixels of
// one output row x NR output channels.
//
// input    element (n, d, y, x, c) at input_offset + n * input_pitch_n + d * input_pitch_d + y * input_pitch_h +
//          x * input_pitch_w + c; the offset points at the first pixel that the window of output pixel 0 touches
//          (interior pixel 0 minus the pads), and every pixel that a window touches is readable: the halo holds zeros.
// weights  packed by convolution_pack (or, with BF16_PAIRS, convolution_pack_pairs):
// [group][panel][kd][kh][kw][group_inputs][NR] floats, offset a multiple
//          of 16.
// output   addressed like the input; offset of interior pixel 0.
// group_inputs, group_outputs   channels of one group. output_d, _h, _w: output extents; output_w >= MR.
// A row of kernel columns that are adjacent in memory (dilation_w == 1, input_pitch_w == group_inputs, one group) may
// be passed as kernel_w = 1, group_inputs = kernel_w * channels. A 1x1 convolution with stride 1 whose pixels are
// evenly spaced may be passed as a single row. Fewer axes: extents and kernel 1, pitch 0.
//
// input_scale    with INPUT_SCALE, for a kernel of one tap and one group: factor of input channel c of image n at
//          input_scale_offset + n * input_scale_pitch + c.
//
// Global size, local size (1, 1, 1): dimension 0 = ceil(ceil(output_w / MR) / tiles_per_item); dimension panel_axis (1
// or 2) = groups * ceil(group_outputs / NR); the other of 1 and 2 = batch * output_d * output_h. panel_axis 2 keeps one
// panel of weights in cache over all rows, panel_axis 1 keeps the rows of one output row over all panels.
//
// The last tile of a row is shifted to end at output_w; pixels of the tile before it are not stored twice, so an
// epilogue operand may be the output itself.
// ahead    with PREFETCH: elements of the next panel of weights between what two times four steps ask for.
// Tunables: MR, NR, VECTOR (microkernel/tile.cl); TILE_LOOP: tiles_per_item may exceed 1; PREFETCH, for compilers of
// the GCC family and panel_axis 2: cache lines to ask for in four steps of the K loop; epilogue: epilogue.cl.
#ifdef INPUT_SCALE
#define TILE_SCALED
#define SCALE_ARGUMENTS , __global const float *input_scale, long input_scale_offset, int input_scale_pitch
#else
#define SCALE_ARGUMENTS
#endif
#include "microkernel/tile.cl"

#ifdef PREFETCH
#define ASK_AHEAD                                                                                                      \
    for (int ask = 0; ask < PREFETCH; ++ask)                                                                           \
        __builtin_prefetch((const void *)(size_t)(next + ask * 16), 0, 2);                                             \
    next += ahead;
#else
#define ASK_AHEAD
#endif

#ifdef TILE_LOOP
#define EACH_TILE(tile) for (int tile = first_tile; tile < min(first_tile + tiles_per_item, tiles); ++tile)
#else
#define EACH_TILE(tile) const int tile = first_tile;
#endif

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
convolution_direct(__global const ELEMENT *input, long input_offset, int input_pitch_n, int input_pitch_d,
                   int input_pitch_h, int input_pitch_w, __global const TILE_WEIGHT *weights, long weights_offset,
                   __global ELEMENT *output, long output_offset, int output_pitch_n, int output_pitch_d,
                   int output_pitch_h, int output_pitch_w, int output_d, int output_h, int output_w, int group_inputs,
                   int group_outputs, int kernel_d, int kernel_h, int kernel_w, int stride_d, int stride_h,
                   int stride_w, int dilation_d, int dilation_h, int dilation_w, int panel_axis, int tiles_per_item,
                   int ahead SCALE_ARGUMENTS BIAS_ARGUMENTS EPILOGUE_ARGUMENTS) {
    const int item = get_global_id(panel_axis);
    const int line = get_global_id(3 - panel_axis);
    const int first_tile = (int)get_global_id(0) * tiles_per_item;
    const int tiles = (output_w + MR - 1) / MR;
    const int panels = (group_outputs + NR - 1) / NR;
    const int group = item / panels, panel = item - group * panels;
    const int plane = line / output_h, y = line - plane * output_h;
    const int n = plane / output_d, d = plane - n * output_d;

    __global const ELEMENT *row = input + input_offset + (long)n * input_pitch_n +
                                  (long)(d * stride_d) * input_pitch_d + (long)(y * stride_h) * input_pitch_h +
                                  group * group_inputs;
    const int steps = (group_inputs + K_STEP - 1) / K_STEP;
    __global const TILE_WEIGHT *packed =
        weights + weights_offset + (long)item * ((long)kernel_d * kernel_h * kernel_w * steps * NR);
    TILE_ROWS((long)stride_w * input_pitch_w)
    const long jump_w = (long)dilation_w * input_pitch_w;

    const int c = group * group_outputs + panel * NR;
    EACH_TILE(tile) {
        const int x = min(tile * MR, output_w - MR);
#ifdef PREFETCH
        __global const TILE_WEIGHT *next =
            packed + (long)kernel_d * kernel_h * kernel_w * steps * NR +
            (long)(line * tiles + tile) * (kernel_d * kernel_h * kernel_w * (group_inputs / (4 * K_STEP))) * ahead;
#endif
        __global const ELEMENT *origin = row + (long)(x * stride_w) * input_pitch_w;
        __global const TILE_WEIGHT *b = packed;
#ifdef INPUT_SCALE
        __global const float *tile_scale = input_scale + input_scale_offset + (long)n * input_scale_pitch;
#endif
        TILE_ZERO
        for (int kd = 0; kd < kernel_d; ++kd) {
            for (int kh = 0; kh < kernel_h; ++kh) {
                __global const ELEMENT *line_a =
                    origin + (long)(kd * dilation_d) * input_pitch_d + (long)(kh * dilation_h) * input_pitch_h;
                for (int kw = 0; kw < kernel_w; ++kw) {
                    __global const ELEMENT *a = line_a + kw * jump_w;
                    int k = 0;
                    for (; k + 4 * K_STEP <= group_inputs; k += 4 * K_STEP) {
                        ASK_AHEAD
                        TILE_STEP(a, b)
                        a += K_STEP;
                        TILE_STEP(a, b + NR)
                        a += K_STEP;
                        TILE_STEP(a, b + 2 * NR)
                        a += K_STEP;
                        TILE_STEP(a, b + 3 * NR)
                        a += K_STEP;
                        b += 4 * NR;
                    }
                    for (; k + K_STEP <= group_inputs; k += K_STEP) {
                        TILE_STEP(a, b)
                        a += K_STEP;
                        b += NR;
                    }
#ifdef BF16_PAIRS
                    if (k < group_inputs) {
                        TILE_LAST(a, b)
                        b += NR;
                    }
#endif
                }
            }
        }

        __global ELEMENT *out = output + output_offset + (long)n * output_pitch_n + (long)d * output_pitch_d +
                                (long)y * output_pitch_h + (long)x * output_pitch_w + c;
        TILE_STORE(out, output_pitch_w, tile * MR - x, MR, group_outputs - panel * NR, n, d, y, x, c)
    }
}
