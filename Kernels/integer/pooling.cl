// Sums of channels-last bytes over whole images.
//
// integer_global_sum: float(sum of (element - x_zero) over the pixels of a channel) * factor, then the epilogue. The
// pixels of an image form `lines` lines of `pixels` evenly spaced ones. A work-item computes VECTOR channels of one
// image. Global size: (ceil(channels / VECTOR), batch); any local size. INPUT, OUTPUT: types; results:
// microkernel/bytes.cl; epilogue: epilogue.cl.
#ifndef VECTOR
#define VECTOR 16
#endif
#ifndef INPUT
#define INPUT uchar
#endif
#include "microkernel/bytes.cl"

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
