// A convolution and the depthwise convolution of its result in one launch, channels-last images: one work-item computes
// NR channels of row_block output rows. The rows of the first result that a window touches stay in local memory.
//
// input    element (n, y, x, c) at input_offset + n * input_pitch_n + y * input_pitch_h + x * input_pitch_w + c; the
//          offset points at the first pixel that the first convolution's window of pixel 0 touches, and every pixel
//          that a window touches is readable: the halo holds zeros.
// weights  of the first convolution, packed by convolution_pack (or, with BF16_PAIRS, convolution_pack_pairs):
//          [panel][kh][kw][inputs][NR] floats, offset a multiple of 16. A row of kernel columns that are adjacent in
//          memory may be passed as first_kernel_w = 1, inputs = first_kernel_w * channels.
// first_bias   with FIRST_BIAS: [panels * NR] floats, zero padded, added to the first result.
// taps     the depthwise weights packed by depthwise_pack: [KERNEL_H][KERNEL_W][panels * NR] floats.
// output   addressed like the input; offset of interior pixel 0. output_w >= WINDOW_ROWS.
// first_h, first_w   extents of the first result; first_w >= MR. pad_h <= KERNEL_H, pad_w: zeros before it.
// ring     local: KERNEL_H rows of ring_width pixels of NR floats; ring_width >= pad_w + first_w, and no less than the
//          pixels that the windows of a row touch.
//
// Global size, local size (1, 1, 1): (ceil(channels / NR), ceil(output_h / row_block), batch). An epilogue operand may
// be the output itself.
// Tunables: MR, NR, VECTOR (microkernel/tile.cl) of the first convolution; WINDOW_ROWS: neighbouring output pixels in
// registers; KERNEL_H, KERNEL_W, STRIDE_W of the depthwise convolution. Generated text may define FIRST_FORMULA(T, v),
// applied in place behind the first bias, and with FIRST_LOOP in a loop over stored rows. Epilogue: epilogue.cl.
#include "microkernel/tile.cl"

#ifndef FIRST_FORMULA
#define FIRST_FORMULA(T, v)
#endif
#ifdef FIRST_BIAS
#define FIRST_BIAS_ARGUMENTS , __global const float *first_bias, long first_bias_offset
#define START_COLUMN(r, j) const FLOATV start_##j = LOAD_VECTOR(bias + j * VECTOR);
#else
#define FIRST_BIAS_ARGUMENTS
#define START_COLUMN(r, j) const FLOATV start_##j = (FLOATV)(0.0f);
#endif
// Compilers left to themselves move sums into the branches of the store, or mix the formulas of a whole tile, and spill
// what they are made of.
#if defined(ASM_TILE) || defined(BF16_PAIRS)
#define SETTLE(v) __asm__ volatile("" : "+v"(v) : : "memory");
#else
#define SETTLE(v)
#endif
#define START_ONE(r, j) FLOATV acc_##r##_##j = start_##j;
#define START_ROW(r) COLUMNS_OF(START_ONE, r)
#ifdef FIRST_LOOP
#define KEEP_ONE(r, j) STORE_VECTOR(acc_##r##_##j, target + (r)*NR + j * VECTOR);
#else
#define KEEP_ONE(r, j)                                                                                                 \
    {                                                                                                                  \
        FLOATV v = acc_##r##_##j;                                                                                      \
        SETTLE(v)                                                                                                      \
        FIRST_FORMULA(FLOATV, v)                                                                                       \
        STORE_VECTOR(v, target + (r)*NR + j * VECTOR);                                                                 \
    }
#endif
#define KEEP_ROW(r) COLUMNS_OF(KEEP_ONE, r)

// One row of the first result, for one panel.
static void first_row(__global const ELEMENT *row, int pitch_h, int pitch_w, __global const TILE_WEIGHT *weights,
                      __global const float *bias, __local float *line, int width, int inputs, int kernel_h,
                      int kernel_w, int stride_w) {
    TILE_ROWS((long)stride_w * pitch_w)
    for (int tile = 0; tile * MR < width; ++tile) {
        const int x = min(tile * MR, width - MR);
        __global const ELEMENT *origin = row + (long)(x * stride_w) * pitch_w;
        __global const TILE_WEIGHT *b = weights;
        COLUMNS_OF(START_COLUMN, 0)
        ROWS(START_ROW)
        for (int kh = 0; kh < kernel_h; ++kh) {
            for (int kw = 0; kw < kernel_w; ++kw) {
                __global const ELEMENT *a = origin + (long)kh * pitch_h + (long)kw * pitch_w;
                int k = 0;
                for (; k + 4 * K_STEP <= inputs; k += 4 * K_STEP) {
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
                for (; k + K_STEP <= inputs; k += K_STEP) {
                    TILE_STEP(a, b)
                    a += K_STEP;
                    b += NR;
                }
#ifdef BF16_PAIRS
                if (k < inputs) {
                    TILE_LAST(a, b)
                    b += NR;
                }
#endif
            }
        }
        __local float *target = line + x * NR;
        ROWS(KEEP_ROW)
    }
#ifdef FIRST_LOOP
    for (int i = 0; i < width * NR; i += VECTOR) {
        FLOATV v = LOAD_VECTOR(line + i);
        FIRST_FORMULA(FLOATV, v)
        STORE_VECTOR(v, line + i);
    }
#endif
}

static void zero_floats(__local float *p, int count) {
    for (int i = 0; i < count; i += VECTOR)
        STORE_VECTOR((FLOATV)(0.0f), p + i);
}

// From here on the register tile is WINDOW_ROWS pixels of one vector of channels.
enum { PANEL = NR };
#undef NR
#define NR VECTOR
#undef MR
#define MR WINDOW_ROWS
#undef COLUMNS_OF
#define COLUMNS_OF(F, r) F(r, 0)

#define UNROLL_WINDOW _Pragma("unroll")
// Compilers take minutes over larger windows in one piece.
#if KERNEL_H * KERNEL_W <= 25
#define UNROLL_ROWS UNROLL_WINDOW
#else
#define UNROLL_ROWS _Pragma("unroll 1")
#endif
#define SETTLE_ROW(r) SETTLE(acc_##r##_0)
#define TAP_ROW(r) acc_##r##_0 = fma(LOAD_VECTOR(pixel + (r)*STRIDE_W * PANEL), weight, acc_##r##_0);

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
convolution_depthwise(__global const ELEMENT *input, long input_offset, int input_pitch_n, int input_pitch_h,
                      int input_pitch_w, __global const TILE_WEIGHT *weights, long weights_offset,
                      __global const float *taps, long taps_offset, __global ELEMENT *output, long output_offset,
                      int output_pitch_n, int output_pitch_h, int output_pitch_w, int output_h, int output_w,
                      int channels, int inputs, int first_kernel_h, int first_kernel_w, int first_stride_h,
                      int first_stride_w, int first_h, int first_w, int stride_h, int pad_h, int pad_w, int row_block,
                      __local float *ring, int ring_width FIRST_BIAS_ARGUMENTS BIAS_ARGUMENTS EPILOGUE_ARGUMENTS) {
    const int panel = get_global_id(0), n = get_global_id(2);
    const int first_y = (int)get_global_id(1) * row_block, end_y = min(first_y + row_block, output_h);
    const int first_c = panel * PANEL, weight_pitch = (int)get_global_size(0) * PANEL;
    const int ring_pitch = ring_width * PANEL;
    const int steps = first_kernel_h * first_kernel_w * ((inputs + K_STEP - 1) / K_STEP);
    __global const ELEMENT *image = input + input_offset + (long)n * input_pitch_n;
#ifdef FIRST_BIAS
    __global const float *bias_panel = first_bias + first_bias_offset + first_c;
#else
    __global const float *bias_panel = taps;
#endif

    for (int slot = 0; slot < KERNEL_H; ++slot) {
        __local float *line = ring + slot * ring_pitch;
        zero_floats(line, pad_w * PANEL);
        zero_floats(line + (pad_w + first_w) * PANEL, (ring_width - pad_w - first_w) * PANEL);
    }
    int row = first_y * stride_h - pad_h;
    for (int y = first_y; y < end_y; ++y) {
        const int top = y * stride_h - pad_h;
        row = max(row, top);
        for (; row < top + KERNEL_H; ++row) {
            __local float *line = ring + (row + KERNEL_H) % KERNEL_H * ring_pitch + pad_w * PANEL;
            if (row < 0 || row >= first_h)
                zero_floats(line, first_w * PANEL);
            else
                first_row(image + (long)(row * first_stride_h) * input_pitch_h, input_pitch_h, input_pitch_w,
                          weights + weights_offset + (long)panel * steps * PANEL, bias_panel, line, first_w, inputs,
                          first_kernel_h, first_kernel_w, first_stride_w);
        }
        __global ELEMENT *out_row = output + output_offset + (long)n * output_pitch_n + (long)y * output_pitch_h;
        for (int tile = 0; tile * MR < output_w; ++tile) {
            const int x = min(tile * MR, output_w - MR);
            for (int c = first_c; c < min(first_c + PANEL, channels); c += VECTOR) {
                __local const float *corner = ring + x * (STRIDE_W * PANEL) + (c - first_c);
                __global const float *w = taps + taps_offset + c;
                TILE_ZERO
                UNROLL_ROWS
                for (int kh = 0; kh < KERNEL_H; ++kh) {
                    __local const float *pixel = corner + (top + kh + KERNEL_H) % KERNEL_H * ring_pitch;
                    UNROLL_WINDOW
                    for (int kw = 0; kw < KERNEL_W; ++kw) {
                        const FLOATV weight = LOAD_VECTOR(w);
                        ROWS(TAP_ROW)
                        pixel += PANEL;
                        w += weight_pitch;
                    }
                }
                ROWS(SETTLE_ROW)
                TILE_STORE(out_row + (long)x * output_pitch_w + c, output_pitch_w, tile * MR - x, MR, channels - c, n,
                           0, y, x, c)
            }
        }
    }
}
