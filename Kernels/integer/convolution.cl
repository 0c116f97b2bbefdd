// Direct convolution of channels-last bytes with int32 sums, 1 to 3 spatial axes: one work-item computes MR
// neighbouring pixels of one output row x NR output channels. A matrix product is a 1x1 convolution of a row, a batch
// of them one whose weights differ from image to image.
//
// input    element (n, d, y, x, c) at input_offset + n * input_pitch_n + d * input_pitch_d + y * input_pitch_h +
//          x * input_pitch_w + c; the offset points at the first pixel that the window of output pixel 0 touches
//          (interior pixel 0 minus the pads), and every pixel that a window touches is readable: the halo holds the
//          zero point of the input.
// weights  packed by integer_pack: [matrix][group][panel][kd][kh][kw][ceil(group_inputs / 4)][NR] quads, offset a
//          multiple of 16; output (n, d) takes matrix n * matrix_n + d * matrix_d, of a convolution always 0.
// parameters   from integer_parameters: [matrix][group][panel][4][NR].
// output   addressed like the input; offset of interior pixel 0.
// group_inputs, group_outputs   channels of one group. output_d, _h, _w: output extents; output_w >= MR.
// A row of kernel columns that are adjacent in memory may be passed as kernel_w = 1, group_inputs = kernel_w * channels
// (weights packed so). A 1x1 convolution with stride 1 whose pixels are evenly spaced may be passed as a single row.
// Fewer axes: extents and kernel 1, pitch 0.
//
// Global size, local size (1, 1, 1): dimension 0 = ceil(ceil(output_w / MR) / tiles_per_item); dimension panel_axis (1
// or 2) = ceil(panel_count / panels_per_item), panel_count = groups * ceil(group_outputs / NR); the other of 1 and 2 =
// batch * output_d * output_h. A work-item takes its tiles panel by panel.
//
// The last tile of a row is shifted to end at output_w; its pixels are stored once, so an epilogue operand may be the
// output itself.
// Tunables and results: microkernel/integer.cl; TILE_LOOP: tiles_per_item and panels_per_item may exceed 1; epilogue:
// epilogue.cl.
#include "microkernel/integer.cl"

#ifdef TILE_LOOP
#define EACH_PANEL(item) for (int item = first_item; item < min(first_item + panels_per_item, panel_count); ++item)
#define EACH_TILE(tile) for (int tile = first_tile; tile < min(first_tile + tiles_per_item, tiles); ++tile)
#else
#define EACH_PANEL(item) const int item = first_item;
#define EACH_TILE(tile) const int tile = first_tile;
#endif

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
integer_convolution(__global const uchar *input, long input_offset, int input_pitch_n, int input_pitch_d,
                    int input_pitch_h, int input_pitch_w, __global const int *weights, long weights_offset,
                    __global const int *parameters, long parameters_offset, __global OUTPUT *output, long output_offset,
                    int output_pitch_n, int output_pitch_d, int output_pitch_h, int output_pitch_w, int output_d,
                    int output_h, int output_w, int group_inputs, int group_outputs, int kernel_d, int kernel_h,
                    int kernel_w, int stride_d, int stride_h, int stride_w, int dilation_d, int dilation_h,
                    int dilation_w, int matrix_n, int matrix_d, int panel_axis, int panel_count, int tiles_per_item,
                    int panels_per_item GIVEN_OPERANDS REQUANTIZE_ARGUMENTS EPILOGUE_ARGUMENTS) {
    const int first_item = (int)get_global_id(panel_axis) * panels_per_item;
    const int line = get_global_id(3 - panel_axis);
    const int first_tile = (int)get_global_id(0) * tiles_per_item;
    const int tiles = (output_w + MR - 1) / MR;
    const int panels = (group_outputs + NR - 1) / NR;
    const int plane = line / output_h, y = line - plane * output_h;
    const int n = plane / output_d, d = plane - n * output_d;
    const int quads = (group_inputs + 3) / 4, tail = group_inputs % 4;
    const long matrix = (long)(n * matrix_n + d * matrix_d) * panel_count;

    __global const uchar *row = input + input_offset + (long)n * input_pitch_n + (long)(d * stride_d) * input_pitch_d +
                                (long)(y * stride_h) * input_pitch_h;
    TILE_ROWS((long)stride_w * input_pitch_w)
    const long jump_w = (long)dilation_w * input_pitch_w, jump_h = (long)dilation_h * input_pitch_h;
    GIVEN_READ

    EACH_PANEL(item) {
        const int group = item / panels, panel = item - group * panels;
        const int c = group * group_outputs + panel * NR;
        __global const int *packed =
            weights + weights_offset + (matrix + item) * ((long)kernel_d * kernel_h * kernel_w * quads * NR);
        EACH_TILE(tile) {
            const int x = min(tile * MR, output_w - MR);
            __global const uchar *origin = row + (long)(x * stride_w) * input_pitch_w + group * group_inputs;
            __global const int *b = packed;
            INTEGER_START(parameters + parameters_offset + (matrix + item) * (4 * NR))
            for (int kd = 0; kd < kernel_d; ++kd) {
                for (int kh = 0; kh < kernel_h; ++kh) {
                    __global const uchar *line_a = origin + (long)(kd * dilation_d) * input_pitch_d + kh * jump_h;
                    // What lies behind the last bytes of a row of the window is readable where a tile or a row follows.
                    const long following = x + MR < output_w ? tile_row_pitch : kh + 1 < kernel_h ? jump_h : 0;
                    for (int kw = 0; kw < kernel_w; ++kw) {
                        __global const uchar *a = line_a + kw * jump_w;
                        int k = 0;
                        for (; k + 8 <= group_inputs; k += 8) {
                            INTEGER_STEP(a, b)
                            a += 4;
                            INTEGER_STEP(a, b + NR)
                            a += 4;
                            b += 2 * NR;
                        }
                        for (; k + 4 <= group_inputs; k += 4) {
                            INTEGER_STEP(a, b)
                            a += 4;
                            b += NR;
                        }
                        if (tail > 0) {
                            INTEGER_STEP_TAIL(a, b, tail, following >= 3)
                            b += NR;
                        }
                    }
                }
            }

            __global OUTPUT *out = output + output_offset + (long)n * output_pitch_n + (long)d * output_pitch_d +
                                   (long)y * output_pitch_h + (long)x * output_pitch_w + c;
            INTEGER_STORE(out, output_pitch_w, tile * MR - x, MR, group_outputs - panel * NR, n, d, y, x, c)
        }
    }
}
