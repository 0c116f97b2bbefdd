// Convolution of channels-last bytes with int32 sums as an implicit matrix product, 1 to 3 spatial axes: one work-group
// computes TILE_M output pixels x TILE_N output channels. For devices with local memory and many work-items; no halo is
// needed. A batch of matrix products is a 1x1 convolution of rows for each matrix.
//
// input    element (n, d, y, x, c) at input_offset + n * input_pitch_n + d * input_pitch_d + y * input_pitch_h +
//          x * input_pitch_w + c; the offset is that of pixel (0, 0, 0). Pixels outside input_d x input_h x input_w
//          count as the zero point, of moved bytes x_zero unless it arrives during the run, and are not read.
// weights  packed by integer_pack with panel width TILE_N: [matrix][group][panel][kd][kh][kw][ceil(group_inputs / 4)]
//          [TILE_N] quads. parameters   from integer_parameters: [matrix][group][panel][4][TILE_N].
// output   addressed like the input.
// group_inputs, group_outputs   channels of one group. pixels = batch * output_d * output_h * output_w of one image of
// a
//          batch of matrices. Matrix number b = n * batch_inner + d of them starts at image (n, d) and takes the
//          weights n * matrix_n + d * matrix_d; a convolution has b = 0 alone.
//
// Global size: (groups * ceil(group_outputs / TILE_N) * GROUP_N, ceil(pixels / TILE_M) * GROUP_M, matrices); local size
// (GROUP_N, GROUP_M, 1). An epilogue operand may be the output itself.
// Tunables: microkernel/group.cl; GROUP_M * GROUP_N is a multiple of TILE_K; W_ZERO: the zero points of the weights are
// not all 0. Results: microkernel/bytes.cl; epilogue: epilogue.cl.
#define GROUP_INTEGERS
#include "microkernel/group.cl"
#include "microkernel/bytes.cl"

#if THREADS % TILE_K
#error the work-group must be a multiple of TILE_K
#endif

#define GROUP_FETCH_B(k0)                                                                                              \
    for (int i = 0; i < B_FETCHES; ++i)                                                                                \
        fetch_b[i] = (k0) + GROUP_B_K(i) < depth ? b[((k0) + GROUP_B_K(i)) * (long)TILE_N + GROUP_B_N(i)] : 0;

#define GROUP_FETCH_A(k0)                                                                                              \
    {                                                                                                                  \
        const int k = (k0) + GROUP_A_K(0);                                                                             \
        int tap = k / quads;                                                                                           \
        const int c = (k - tap * quads) * 4, count = min(group_inputs - c, 4);                                         \
        const int kw = tap % kernel_w;                                                                                 \
        tap /= kernel_w;                                                                                               \
        const int kd = tap / kernel_h, kh = tap % kernel_h;                                                            \
        for (int i = 0; i < A_FETCHES; ++i) {                                                                          \
            const int m = GROUP_A_M(i);                                                                                \
            const int d = row_d[m] + kd * dilation_d, y = row_y[m] + kh * dilation_h, x = row_x[m] + kw * dilation_w;  \
            int quad = 0;                                                                                              \
            if (k < depth && row_n[m] >= 0) {                                                                          \
                quad = zero * 0x01010101;                                                                              \
                if (d >= 0 && d < input_d && y >= 0 && y < input_h && x >= 0 && x < input_w) {                         \
                    __global const uchar *p = a + (long)row_n[m] * input_pitch_n + (long)d * input_pitch_d +           \
                                              (long)y * input_pitch_h + (long)x * input_pitch_w + c;                   \
                    quad = count == 4 ? QUAD(p) : integer_tail(p, count);                                              \
                }                                                                                                      \
                quad &= (int)(0xffffffffu >> (32 - 8 * count));                                                        \
            }                                                                                                          \
            fetch_a[i] = quad;                                                                                         \
        }                                                                                                              \
    }

#ifdef W_ZERO
#define ROW_SUM_TAKEN(T, LOAD, i, column) sums -= (T)(row_sum[i]) * LOAD(p_panel + 2 * TILE_N + (column));
#else
#define ROW_SUM_TAKEN(T, LOAD, i, column)
#endif

__kernel __attribute__((reqd_work_group_size(GROUP_N, GROUP_M, 1))) void integer_portable(
    __global const uchar *input, long input_offset, int input_pitch_n, int input_pitch_d, int input_pitch_h,
    int input_pitch_w, int input_d, int input_h, int input_w, __global const int *weights, long weights_offset,
    __global const int *parameters, long parameters_offset, __global OUTPUT *output, long output_offset,
    int output_pitch_n, int output_pitch_d, int output_pitch_h, int output_pitch_w, int output_d, int output_h,
    int output_w, int pixels, int batch_inner, int group_inputs, int group_outputs, int kernel_d, int kernel_h,
    int kernel_w, int stride_d, int stride_h, int stride_w, int dilation_d, int dilation_h, int dilation_w,
    int matrix_n, int matrix_d, int pad_d, int pad_h, int pad_w, int x_zero GIVEN_OPERANDS EPILOGUE_ARGUMENTS) {
    GROUP_DECLARE
    __local int row_n[TILE_M], row_d[TILE_M], row_y[TILE_M], row_x[TILE_M];
    const int panels = (group_outputs + TILE_N - 1) / TILE_N;
    const int item = get_group_id(0), first = get_group_id(1) * TILE_M;
    const int group = item / panels, panel = item - group * panels;
    const int image_n = (int)get_group_id(2) / batch_inner, image_d = (int)get_group_id(2) - image_n * batch_inner;
    const int quads = (group_inputs + 3) / 4, depth = kernel_d * kernel_h * kernel_w * quads;
    const long packed_item = (long)(image_n * matrix_n + image_d * matrix_d) * get_num_groups(0) + item;
    __global const uchar *a = input + input_offset + group * group_inputs;
    __global const int *b = weights + weights_offset + packed_item * depth * TILE_N;
    __global const int *p_panel = parameters + parameters_offset + packed_item * 4 * TILE_N;
    GIVEN_READ
#ifdef X_ZERO_GIVEN
    const int zero = given_zero;
#else
    const int zero = x_zero;
#endif

    for (int m = local_id; m < TILE_M; m += THREADS) {
        const int pixel = first + m, line = pixel / output_w, plane = line / output_h;
        row_x[m] = (pixel - line * output_w) * stride_w - pad_w;
        row_y[m] = (line - plane * output_h) * stride_h - pad_h;
        row_d[m] = (plane % output_d + image_d) * stride_d - pad_d;
        row_n[m] = pixel < pixels ? plane / output_d + image_n : -1;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    GROUP_MULTIPLY(depth)

    const int first_c = group * group_outputs + panel * TILE_N, valid = group_outputs - panel * TILE_N;
    for (int i = 0; i < ITEM_M; ++i) {
        const int pixel = first + item_m * ITEM_M + i;
        if (pixel < pixels) {
            const int line = pixel / output_w, x = pixel - line * output_w;
            const int plane = line / output_h, y = line - plane * output_h;
            const int n = plane / output_d + image_n, d = plane % output_d + image_d;
            __global OUTPUT *out = output + output_offset + (long)n * output_pitch_n + (long)d * output_pitch_d +
                                   (long)y * output_pitch_h + (long)x * output_pitch_w + first_c;
            for (int j = 0; j < ITEM_N; ++j) {
                const int column = (j * GROUP_N + item_n) * VECTOR;
                __global const float *factors = (__global const float *)(p_panel + TILE_N + column);
                if (column + VECTOR <= GROUP_VALID(valid)) {
                    __global OUTPUT *p = out + column;
                    INTV sums = acc[i][j] + STARTS(LOAD_VECTOR, p_panel + column, TILE_N);
                    ROW_SUM_TAKEN(INTV, LOAD_VECTOR, i, column)
                    RESULT_VECTOR(factors, n, d, y, x, first_c + column)
                } else if (column < valid) {
                    INTV sums = acc[i][j] + STARTS(LOAD_VECTOR, p_panel + column, TILE_N);
                    ROW_SUM_TAKEN(INTV, LOAD_VECTOR, i, column)
                    int lanes[VECTOR];
                    STORE_VECTOR(sums, lanes);
                    for (int lane = 0; column + lane < valid; ++lane) {
                        __global OUTPUT *p = out + column + lane;
                        const int sum = lanes[lane];
                        RESULT_LANE(factors + lane, n, d, y, x, first_c + column + lane)
                    }
                }
            }
        }
    }
}
