// Pooling of channels-last bytes.
//
// integer_maximum: the largest element under a window with 1 to 3 spatial axes; missing axes have extent 1 and pitch 0.
// Element (n, d, y, x, c) of the input lies at input_offset + n * input_pitch_n + ... + c, and likewise of the output;
// window element (kd, kh, kw) at pixel * stride - pad + k * dilation, those outside the input do not count. A work-item
// computes one pixel for `chunk` channels. Global size: (ceil(channels / chunk), output_w, batch * output_d *
// output_h); any local size. INPUT: char or uchar, INPUT_SIGNED for char. Tunable: VECTOR.
//
// integer_global_sum: float(sum of (element - x_zero) over the pixels of a channel) * factor, then the epilogue. The
// pixels of an image form `lines` lines of `pixels` evenly spaced ones. A work-item computes VECTOR channels of one
// image. Global size: (ceil(channels / VECTOR), batch); any local size. INPUT, OUTPUT: types; results:
// microkernel/integer.cl; epilogue: epilogue.cl.
#define MR 1
#undef NR
#ifndef VECTOR
#define VECTOR 16
#endif
#define NR VECTOR
#ifndef INPUT
#define INPUT uchar
#endif
#include "microkernel/integer.cl"

#define INPUTV CONCATENATE(INPUT, VECTOR)
#if defined(INPUT_SIGNED)
#define LOWEST (-128)
#else
#define LOWEST 0
#endif

int integer_taps_below(int limit, int kernel_extent, int dilation) {
    return limit <= 0 ? 0 : min(kernel_extent, (limit - 1) / dilation + 1);
}

#define MAXIMUM_OF(T, LOAD, STORE)                                                                                     \
    T v = (T)(LOWEST);                                                                                                 \
    for (int kd = kd0; kd < kd1; ++kd)                                                                                 \
        for (int kh = kh0; kh < kh1; ++kh) {                                                                           \
            __global const INPUT *p = image + (long)(d0 + kd * dilation_d) * input_pitch_d +                           \
                                      (long)(y0 + kh * dilation_h) * input_pitch_h +                                   \
                                      (long)(x0 + kw0 * dilation_w) * input_pitch_w + c;                               \
            for (int kw = kw0; kw < kw1; ++kw) {                                                                       \
                v = max(v, LOAD(p));                                                                                   \
                p += (long)dilation_w * input_pitch_w;                                                                 \
            }                                                                                                          \
        }                                                                                                              \
    STORE(v, out + c);

#define STORE_ELEMENT(v, p) (*(p) = (v))

__kernel void integer_maximum(__global const INPUT *input, long input_offset, __global INPUT *output,
                              long output_offset, int input_pitch_n, int input_pitch_d, int input_pitch_h,
                              int input_pitch_w, int output_pitch_n, int output_pitch_d, int output_pitch_h,
                              int output_pitch_w, int channels, int input_d, int input_h, int input_w, int output_d,
                              int output_h, int output_w, int kernel_d, int kernel_h, int kernel_w, int stride_d,
                              int stride_h, int stride_w, int dilation_d, int dilation_h, int dilation_w, int pad_d,
                              int pad_h, int pad_w, int chunk, int pixels) {
    const int c_first = (int)get_global_id(0) * chunk;
    const int c_last = min(c_first + chunk, channels);
    const int x_first = (int)get_global_id(1) * pixels;
    const int x_last = min(x_first + pixels, output_w);
    const int line = get_global_id(2);
    const int y = line % output_h, d = line / output_h % output_d, n = line / output_h / output_d;
    const int d0 = d * stride_d - pad_d, y0 = y * stride_h - pad_h;
    const int kd0 = integer_taps_below(-d0, kernel_d, dilation_d);
    const int kd1 = integer_taps_below(input_d - d0, kernel_d, dilation_d);
    const int kh0 = integer_taps_below(-y0, kernel_h, dilation_h);
    const int kh1 = integer_taps_below(input_h - y0, kernel_h, dilation_h);
    __global const INPUT *image = input + input_offset + (long)n * input_pitch_n;
    for (int x = x_first; x < x_last; ++x) {
        const int x0 = x * stride_w - pad_w;
        const int kw0 = integer_taps_below(-x0, kernel_w, dilation_w);
        const int kw1 = integer_taps_below(input_w - x0, kernel_w, dilation_w);
        __global INPUT *out = output + output_offset + (long)n * output_pitch_n + (long)d * output_pitch_d +
                              (long)y * output_pitch_h + (long)x * output_pitch_w;
        int c = c_first;
        for (; c + VECTOR <= c_last; c += VECTOR) {
            MAXIMUM_OF(INPUTV, LOAD_VECTOR, STORE_VECTOR)
        }
        for (; c < c_last; ++c) {
            MAXIMUM_OF(INPUT, LOAD_LANE, STORE_ELEMENT)
        }
    }
}

__kernel void integer_global_sum(__global const INPUT *input, long input_offset, int input_pitch_n, int input_pitch_h,
                                 int input_pitch_w, float factor, __global OUTPUT *output, long output_offset,
                                 int output_pitch_n, int channels, int lines, int pixels,
                                 int x_zero EPILOGUE_ARGUMENTS) {
    const int first = (int)get_global_id(0) * VECTOR, n = get_global_id(1);
    const int last = min(first + VECTOR, channels);
    __global const INPUT *image = input + input_offset + (long)n * input_pitch_n;
    __global OUTPUT *out = output + output_offset + (long)n * output_pitch_n;
    const int start = -(x_zero * lines * pixels);
    if (last - first == VECTOR) {
        INTV sums = (INTV)(start);
        for (int line = 0; line < lines; ++line)
            for (int x = 0; x < pixels; ++x)
                sums += CONVERT_INTS(LOAD_VECTOR(image + (long)line * input_pitch_h + (long)x * input_pitch_w + first));
        FLOATV v = CONVERT_FLOATS(sums) * factor;
        EPILOGUE_ALL(FLOATV, LOAD_VECTOR, v, n, 0, 0, 0, first)
        STORE_RESULT(v, out + first);
        return;
    }
    for (int c = first; c < last; ++c) {
        int sum = start;
        for (int line = 0; line < lines; ++line)
            for (int x = 0; x < pixels; ++x)
                sum += image[(long)line * input_pitch_h + (long)x * input_pitch_w + c];
        float v = (float)sum * factor;
        EPILOGUE_ALL(float, LOAD_LANE, v, n, 0, 0, 0, c)
        STORE_RESULT_LANE(v, out + c);
    }
}
