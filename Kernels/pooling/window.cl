// Pooling of channels-last elements over windows with 1 to 3 spatial axes; missing axes have extent 1 and pitch 0.
//
// Element (n, d, y, x, c) of the input lies at input_offset + n * input_pitch_n + ... + c, and likewise of the output.
// Window element (kd, kh, kw) of an output pixel lies at pixel * stride - pad + k * dilation; those outside the input
// do not count, but for AVERAGE 2, which counts the padding as well: up to extent + pad_end along each axis.
//
// A work-item computes `pixels` pixels of a row for `chunk` channels, a multiple of VECTOR. Global size: (ceil(channels
// / chunk), ceil(output_w / pixels), batch * output_d * output_h); any local size. Tunables: VECTOR, lanes; one of
// MAXIMUM, AVERAGE 1 or 2, NORM 1, 2 or 3 (which takes `power`); epilogue: epilogue.cl. LOWEST, with MAXIMUM: the
// elements are bytes and stay what they are, without an epilogue; ELEMENT is char or uchar, LOWEST the least of them.
#include "microkernel/lanes.cl"
#include "epilogue.cl"

#ifdef LOWEST
#define POOL_VECTOR CONCATENATE(ELEMENT, VECTOR)
#define POOL_LANE ELEMENT
#else
#define POOL_VECTOR FLOATV
#define POOL_LANE float
#endif

#if defined(LOWEST)
#define POOL_FIRST LOWEST
#define POOL_ADD(v, x) v = max(v, x)
#elif defined(MAXIMUM)
#define POOL_FIRST (-INFINITY)
#define POOL_ADD(v, x) v = select(v, x, (x > v) | isnan(x))
#elif defined(NORM) && NORM == 1
#define POOL_FIRST 0.0f
#define POOL_ADD(v, x) v += fabs(x)
#elif defined(NORM) && NORM == 2
#define POOL_FIRST 0.0f
#define POOL_ADD(v, x) v += x * x
#elif defined(NORM)
#define POOL_FIRST 0.0f
#define POOL_ADD(v, x) v += pow(fabs(x), power)
#else
#define POOL_FIRST 0.0f
#define POOL_ADD(v, x) v += x
#endif

#if defined(AVERAGE)
#define POOL_FINISH(T, v) v = count > 0 ? v / (float)count : (T)(0.0f)
#elif defined(NORM) && NORM == 2
#define POOL_FINISH(T, v) v = sqrt(v)
#elif defined(NORM) && NORM > 2
#define POOL_FINISH(T, v) v = pow(v, (T)(1.0f / power))
#else
#define POOL_FINISH(T, v)
#endif

#define POOL_CHANNELS(T, LOAD, STORE)                                                                                  \
    T v = (T)(POOL_FIRST);                                                                                             \
    for (int kd = kd0; kd < kd1; ++kd)                                                                                 \
        for (int kh = kh0; kh < kh1; ++kh) {                                                                           \
            __global const ELEMENT *p = image + (long)(d0 + kd * dilation_d) * input_pitch_d +                         \
                                        (long)(y0 + kh * dilation_h) * input_pitch_h +                                 \
                                        (long)(x0 + kw0 * dilation_w) * input_pitch_w + c;                             \
            for (int kw = kw0; kw < kw1; ++kw) {                                                                       \
                const T element = LOAD##_ELEMENT(p);                                                                   \
                POOL_ADD(v, element);                                                                                  \
                p += (long)dilation_w * input_pitch_w;                                                                 \
            }                                                                                                          \
        }                                                                                                              \
    POOL_FINISH(T, v);                                                                                                 \
    EPILOGUE_ALL(T, LOAD, v, n, d, y, x, c)                                                                            \
    STORE##_ELEMENT(v, row + (long)x * output_pitch_w + c);

// The first tap at or after `limit`, for taps from `start` on.
static int pooling_taps_below(int limit, int kernel_extent, int dilation) {
    return limit <= 0 ? 0 : min(kernel_extent, (limit - 1) / dilation + 1);
}

__kernel void pooling_window(__global const ELEMENT *input, long input_offset, __global ELEMENT *output,
                             long output_offset, int input_pitch_n, int input_pitch_d, int input_pitch_h,
                             int input_pitch_w, int output_pitch_n, int output_pitch_d, int output_pitch_h,
                             int output_pitch_w, int channels, int input_d, int input_h, int input_w, int output_d,
                             int output_h, int output_w, int kernel_d, int kernel_h, int kernel_w, int stride_d,
                             int stride_h, int stride_w, int dilation_d, int dilation_h, int dilation_w, int pad_d,
                             int pad_h, int pad_w, int end_d, int end_h, int end_w, int chunk, int pixels,
                             float power EPILOGUE_ARGUMENTS) {
    const int c_first = (int)get_global_id(0) * chunk;
    const int c_last = min(c_first + chunk, channels);
    const int x_first = (int)get_global_id(1) * pixels;
    const int x_last = min(x_first + pixels, output_w);
    const int line = get_global_id(2);
    const int y = line % output_h, d = line / output_h % output_d, n = line / output_h / output_d;
    __global const ELEMENT *image = input + input_offset + (long)n * input_pitch_n;
    __global ELEMENT *row =
        output + output_offset + (long)n * output_pitch_n + (long)d * output_pitch_d + (long)y * output_pitch_h;
    const int d0 = d * stride_d - pad_d, y0 = y * stride_h - pad_h;
    const int kd0 = pooling_taps_below(-d0, kernel_d, dilation_d);
    const int kd1 = pooling_taps_below(input_d - d0, kernel_d, dilation_d);
    const int kh0 = pooling_taps_below(-y0, kernel_h, dilation_h);
    const int kh1 = pooling_taps_below(input_h - y0, kernel_h, dilation_h);
    for (int x = x_first; x < x_last; ++x) {
        const int x0 = x * stride_w - pad_w;
        const int kw0 = pooling_taps_below(-x0, kernel_w, dilation_w);
        const int kw1 = pooling_taps_below(input_w - x0, kernel_w, dilation_w);
#if defined(AVERAGE) && AVERAGE == 2
        const int count = pooling_taps_below(input_d + end_d - d0, kernel_d, dilation_d) *
                          pooling_taps_below(input_h + end_h - y0, kernel_h, dilation_h) *
                          pooling_taps_below(input_w + end_w - x0, kernel_w, dilation_w);
#else
        const int count = max(kd1 - kd0, 0) * max(kh1 - kh0, 0) * max(kw1 - kw0, 0);
#endif
        int c = c_first;
        for (; c + VECTOR <= c_last; c += VECTOR) {
            POOL_CHANNELS(POOL_VECTOR, LOAD_VECTOR, STORE_VECTOR)
        }
        for (; c < c_last; ++c) {
            POOL_CHANNELS(POOL_LANE, LOAD_LANE, STORE_LANE)
        }
    }
}
