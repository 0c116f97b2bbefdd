// Depthwise convolution of channels-last tensors, 1 to 3 spatial axes: one work-item computes MR neighbouring pixels of
// row_block output rows x NR channels: VECTOR, or with CHANNEL_PAIRS twice as many.
//
// input    element (n, d, y, x, c) at input_offset + n * input_pitch_n + d * input_pitch_d + y * input_pitch_h +
//          x * input_pitch_w + c; the offset points at the first pixel that the window of output pixel 0 touches
//          (interior pixel 0 minus the pads), and every pixel that a window touches is readable: the halo holds zeros.
// weights  packed by depthwise_pack: [kd][kh][kw][roundup(channels, NR)] floats, offset a multiple of 16.
// output   addressed like the input; offset of interior pixel 0.
// channels   number of channels; roundup(channels, NR) must be readable in the input, of any value (the arena
//          beyond the tensor will do). output_w >= MR.
// MULTIPLIER (channels per group of the output): output channel c reads input channel c / MULTIPLIER; 1 unless defined,
//          `channels` counts output channels.
//
// Global size, local size (1, 1, 1): (ceil(channels / NR), ceil(output_w / MR), batch * output_d *
// ceil(output_h / row_block)). Take the largest row_block that leaves some 16 work-items per core.
//
// The last tile of a row is shifted to end at output_w; pixels are stored once, so an epilogue operand may be the
// output.
// CHANNEL_PAIRS, with STORAGE_BFLOAT: pixels are read as words that hold an even channel in the low half and the odd
// one behind it in the high half; every pixel of the input lies on a multiple of 4 bytes. Tunables: MR, VECTOR;
// KERNEL_H, KERNEL_W: depthwise/item.cl. Epilogue: epilogue.cl.
#ifndef VECTOR
#define VECTOR 16
#endif
#undef NR
#ifdef CHANNEL_PAIRS
#define NR (2 * VECTOR)
#else
#define NR VECTOR
#endif
#ifndef MULTIPLIER
#define MULTIPLIER 1
#endif
#include "microkernel/tile.cl"
#include "depthwise/item.cl"

#if MULTIPLIER == 1
#define LOAD_PIXEL(p) LOAD_VECTOR_ELEMENT(p)
#else
static FLOATV load_spread(__global const ELEMENT *p, int lane) {
    float lanes[VECTOR];
    for (int i = 0; i < VECTOR; ++i)
        lanes[i] = LOAD_LANE_ELEMENT(p + (lane + i) / MULTIPLIER);
    return LOAD_VECTOR(lanes);
}
#define LOAD_PIXEL(p) load_spread(p, lane)
#endif

#ifdef CHANNEL_PAIRS
#define LOAD_WEIGHTS const FLOATV even = LOAD_VECTOR(w), odd = LOAD_VECTOR(w + VECTOR);
#define TAP_ROW(r)                                                                                                     \
    {                                                                                                                  \
        const UINTV pairs = LOAD_VECTOR((__global const uint *)(a + (r)*step));                                        \
        acc_##r##_0 = fma(CONCATENATE(as_, FLOATV)(pairs << 16), even, acc_##r##_0);                                   \
        acc_##r##_1 = fma(CONCATENATE(as_, FLOATV)(pairs & 0xffff0000u), odd, acc_##r##_1);                            \
    }
#if VECTOR == 16
#define INTERLEAVE_LOW(a, b)                                                                                           \
    (float16)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3, a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7)
#define INTERLEAVE_HIGH(a, b)                                                                                          \
    (float16)(a.s8, b.s8, a.s9, b.s9, a.sa, b.sa, a.sb, b.sb, a.sc, b.sc, a.sd, b.sd, a.se, b.se, a.sf, b.sf)
#elif VECTOR == 8
#define INTERLEAVE_LOW(a, b) (float8)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3)
#define INTERLEAVE_HIGH(a, b) (float8)(a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7)
#else
#define INTERLEAVE_LOW(a, b) (float4)(a.s0, b.s0, a.s1, b.s1)
#define INTERLEAVE_HIGH(a, b) (float4)(a.s2, b.s2, a.s3, b.s3)
#endif
#define ORDER_ROW(r)                                                                                                   \
    {                                                                                                                  \
        const FLOATV even = acc_##r##_0, odd = acc_##r##_1;                                                            \
        acc_##r##_0 = INTERLEAVE_LOW(even, odd);                                                                       \
        acc_##r##_1 = INTERLEAVE_HIGH(even, odd);                                                                      \
    }
#define ORDER_CHANNELS ROWS(ORDER_ROW)
#else
#define LOAD_WEIGHTS const FLOATV weight = LOAD_VECTOR(w);
#define TAP_ROW(r) acc_##r##_0 = fma(LOAD_PIXEL(a + (r)*step), weight, acc_##r##_0);
#define ORDER_CHANNELS
#endif

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
depthwise_direct(__global const ELEMENT *input, long input_offset, int input_pitch_n, int input_pitch_d,
                 int input_pitch_h, int input_pitch_w, __global const float *weights, long weights_offset,
                 __global ELEMENT *output, long output_offset, int output_pitch_n, int output_pitch_d,
                 int output_pitch_h, int output_pitch_w, int output_d, int output_h, int output_w, int channels,
                 int kernel_d, int kernel_h, int kernel_w, int stride_d, int stride_h, int stride_w, int dilation_d,
                 int dilation_h, int dilation_w, int row_block BIAS_ARGUMENTS EPILOGUE_ARGUMENTS) {
    DEPTHWISE_ITEM(ELEMENT, ELEMENT, c / MULTIPLIER)
#if MULTIPLIER != 1
    const int lane = c % MULTIPLIER;
#endif
    const long step = (long)stride_w * input_pitch_w;
    const long jump_w = (long)dilation_w * input_pitch_w;

    for (int y = first_y; y < end_y; ++y) {
        __global const ELEMENT *row = origin + (long)(y * stride_h) * input_pitch_h;
        __global const float *w = weights + weights_offset + c;
        TILE_ZERO
        for (int kd = 0; kd < kernel_d; ++kd) {
            UNROLL_WINDOW
            for (int kh = 0; kh < KERNEL_H; ++kh) {
                __global const ELEMENT *a =
                    row + (long)(kd * dilation_d) * input_pitch_d + (long)(kh * dilation_h) * input_pitch_h;
                UNROLL_WINDOW
                for (int kw = 0; kw < KERNEL_W; ++kw) {
                    LOAD_WEIGHTS
                    ROWS(TAP_ROW)
                    a += jump_w;
                    w += weight_pitch;
                }
            }
        }
        ORDER_CHANNELS
        TILE_STORE(out_plane + (long)y * output_pitch_h, output_pitch_w, repeated, MR, channels - c, n, d, y, x, c)
    }
}
