// Depthwise convolution of channels-last bytes with int32 sums, 1 to 3 spatial axes: one work-item computes MR
// neighbouring pixels of row_block output rows x VECTOR channels.
//
// input    element (n, d, y, x, c) at input_offset + n * input_pitch_n + d * input_pitch_d + y * input_pitch_h +
//          x * input_pitch_w + c; the offset points at the first pixel that the window of output pixel 0 touches
//          (interior pixel 0 minus the pads), and every pixel that a window touches is readable: the halo holds the
//          zero point of the input. INPUT: char or uchar.
// weights  packed by integer_depthwise_pack: [kd][kh][kw][roundup(channels, VECTOR)], offset a multiple of 16. Products
//          are summed as floats, which hold every sum of up to 256 products of 9 bits exactly.
// parameters   from integer_depthwise_pack: [vector][4][VECTOR].
// output   addressed like the input; offset of interior pixel 0.
// channels   number of channels; roundup(channels, VECTOR) must be readable in the input, of any value. output_w >= MR.
//
// Global size, local size (1, 1, 1): (ceil(channels / VECTOR), ceil(output_w / MR), batch * output_d *
// ceil(output_h / row_block)).
//
// The last tile of a row is shifted to end at output_w; pixels are stored once, so an epilogue operand may be the
// output.
// Tunables: MR, VECTOR; KERNEL_H, KERNEL_W, STRIDE_W, DILATION_W, all or none: the sizes as constants, which unrolls
// the window and loads a pixel that several taps share once (they must equal the arguments). Results:
// microkernel/integer.cl; epilogue: epilogue.cl.
#ifndef VECTOR
#define VECTOR 16
#endif
#undef NR
#define NR VECTOR
#ifndef INPUT
#define INPUT uchar
#endif
#define BYTE_VALUE(byte) ((int)(INPUT)(byte))
#include "microkernel/integer.cl"
#include "depthwise/item.cl"

#define PRODUCTS_ZERO(r) FLOATV f_##r = (FLOATV)(0.0f);
#define TAP_ROW(r)                                                                                                     \
    f_##r = fma(LOAD_VECTOR_CHAR(a + (long)((r)*STRIDE_W + kw * DILATION_W) * input_pitch_w), weight, f_##r);
#define ADD_PRODUCTS(r) s_##r##_0 += CONVERT_INTS(f_##r);

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
integer_depthwise(__global const INPUT *input, long input_offset, int input_pitch_n, int input_pitch_d,
                  int input_pitch_h, int input_pitch_w, __global const float *weights, long weights_offset,
                  __global const int *parameters, long parameters_offset, __global OUTPUT *output, long output_offset,
                  int output_pitch_n, int output_pitch_d, int output_pitch_h, int output_pitch_w, int output_d,
                  int output_h, int output_w, int channels, int kernel_d, int kernel_h, int kernel_w, int stride_d,
                  int stride_h, int stride_w, int dilation_d, int dilation_h, int dilation_w,
                  int row_block GIVEN_OPERANDS REQUANTIZE_ARGUMENTS EPILOGUE_ARGUMENTS) {
    DEPTHWISE_ITEM(INPUT, OUTPUT, c)
    GIVEN_READ

    for (int y = first_y; y < end_y; ++y) {
        __global const INPUT *row = origin + (long)(y * stride_h) * input_pitch_h;
        __global const float *w = weights + weights_offset + c;
        ROWS(PRODUCTS_ZERO)
        for (int kd = 0; kd < kernel_d; ++kd) {
            UNROLL_WINDOW
            for (int kh = 0; kh < KERNEL_H; ++kh) {
                __global const INPUT *a =
                    row + (long)(kd * dilation_d) * input_pitch_d + (long)(kh * dilation_h) * input_pitch_h;
                UNROLL_WINDOW
                for (int kw = 0; kw < KERNEL_W; ++kw) {
                    const FLOATV weight = LOAD_VECTOR(w);
                    ROWS(TAP_ROW)
                    w += weight_pitch;
                }
            }
        }
        INTEGER_START(parameters + parameters_offset + c * 4)
        ROWS(ADD_PRODUCTS)
        INTEGER_STORE(out_plane + (long)y * output_pitch_h, output_pitch_w, repeated, MR, channels - c, n, d, y, x, c)
    }
}
