// Convolution of channels-last tensors as an implicit matrix product, 1 to 3 spatial axes: one work-group computes
// TILE_M output pixels x TILE_N output channels. For devices with local memory and many work-items; no halo is needed.
//
// input    element (n, d, y, x, c) at input_offset + n * input_pitch_n + d * input_pitch_d + y * input_pitch_h +
//          x * input_pitch_w + c; the offset is that of pixel (0, 0, 0). Pixels outside input_d x input_h x input_w
//          count as 0 and are not read.
// weights  packed by convolution_pack with panel width TILE_N: [group][panel][kd][kh][kw][group_inputs][TILE_N].
// output   addressed like the input.
// group_inputs, group_outputs   channels of one group. pixels = batch * output_d * output_h * output_w.
//
// Global size: (groups * ceil(group_outputs / TILE_N) * GROUP_N, ceil(pixels / TILE_M) * GROUP_M); local size
// (GROUP_N, GROUP_M). An epilogue operand may be the output itself.
// Tunables: microkernel/group.cl; GROUP_M * GROUP_N is a multiple of TILE_K. Epilogue: epilogue.cl.
#include "microkernel/group.cl"

#if THREADS % TILE_K
#error the work-group must be a multiple of TILE_K
#endif

#define GROUP_FETCH_B(k0)                                                                                              \
    for (int i = 0; i < B_FETCHES; ++i)                                                                                \
        fetch_b[i] = (k0) + GROUP_B_K(i) < depth                                                                       \
                         ? LOAD_LANE_ELEMENT(b + ((k0) + GROUP_B_K(i)) * (long)TILE_N + GROUP_B_N(i))                  \
                         : 0.0f;

#define GROUP_FETCH_A(k0)                                                                                              \
    {                                                                                                                  \
        const int k = (k0) + GROUP_A_K(0);                                                                             \
        int tap = k / group_inputs;                                                                                    \
        const int c = k - tap * group_inputs;                                                                          \
        const int kw = tap % kernel_w;                                                                                 \
        tap /= kernel_w;                                                                                               \
        const int kd = tap / kernel_h, kh = tap % kernel_h;                                                            \
        for (int i = 0; i < A_FETCHES; ++i) {                                                                          \
            const int m = GROUP_A_M(i);                                                                                \
            const int d = row_d[m] + kd * dilation_d, y = row_y[m] + kh * dilation_h, x = row_x[m] + kw * dilation_w;  \
            const int inside =                                                                                         \
                k < depth && row_n[m] >= 0 && d >= 0 && d < input_d && y >= 0 && y < input_h && x >= 0 && x < input_w; \
            fetch_a[i] = inside ? LOAD_LANE_ELEMENT(a + (long)row_n[m] * input_pitch_n + (long)d * input_pitch_d +     \
                                                    (long)y * input_pitch_h + (long)x * input_pitch_w + c)             \
                                : 0.0f;                                                                                \
        }                                                                                                              \
    }

__kernel __attribute__((reqd_work_group_size(GROUP_N, GROUP_M, 1))) void convolution_portable(
    __global const ELEMENT *input, long input_offset, int input_pitch_n, int input_pitch_d, int input_pitch_h,
    int input_pitch_w, int input_d, int input_h, int input_w, __global const ELEMENT *weights, long weights_offset,
    __global ELEMENT *output, long output_offset, int output_pitch_n, int output_pitch_d, int output_pitch_h,
    int output_pitch_w, int output_d, int output_h, int output_w, int pixels, int group_inputs, int group_outputs,
    int kernel_d, int kernel_h, int kernel_w, int stride_d, int stride_h, int stride_w, int dilation_d, int dilation_h,
    int dilation_w, int pad_d, int pad_h, int pad_w BIAS_ARGUMENTS EPILOGUE_ARGUMENTS) {
    GROUP_DECLARE
    __local int row_n[TILE_M], row_d[TILE_M], row_y[TILE_M], row_x[TILE_M];
    const int panels = (group_outputs + TILE_N - 1) / TILE_N;
    const int item = get_group_id(0), first = get_group_id(1) * TILE_M;
    const int group = item / panels, panel = item - group * panels;
    const int depth = kernel_d * kernel_h * kernel_w * group_inputs;
    __global const ELEMENT *a = input + input_offset + group * group_inputs;
    __global const ELEMENT *b = weights + weights_offset + (long)item * depth * TILE_N;

    for (int m = local_id; m < TILE_M; m += THREADS) {
        int pixel = first + m;
        row_x[m] = pixel % output_w * stride_w - pad_w;
        const int line = pixel / output_w;
        row_y[m] = line % output_h * stride_h - pad_h;
        const int plane = line / output_h;
        row_d[m] = plane % output_d * stride_d - pad_d;
        row_n[m] = pixel < pixels ? plane / output_d : -1;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    GROUP_MULTIPLY(depth)

    const int c = group * group_outputs + panel * TILE_N;
    for (int i = 0; i < ITEM_M; ++i) {
        const int pixel = first + item_m * ITEM_M + i;
        if (pixel < pixels) {
            const int line = pixel / output_w, x = pixel - line * output_w;
            const int plane = line / output_h, y = line - plane * output_h;
            const int n = plane / output_d, d = plane - n * output_d;
            __global ELEMENT *out = output + output_offset + (long)n * output_pitch_n + (long)d * output_pitch_d +
                                    (long)y * output_pitch_h + (long)x * output_pitch_w + c;
            GROUP_STORE_ROW(i, out, c, group_outputs - panel * TILE_N, n, d, y, x)
        }
    }
}
