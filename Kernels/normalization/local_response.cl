// x / (bias + scale * sum of squares of the channels from c - before to c + after) ^ beta on channels-last elements.
//
// Pixel (i0, i1, i2, i3), i < n, holds `channels` elements from input + sum i * px on, and from output + sum i * py on.
// normalization_local_response: a work-item computes `units_per_item` of the `units` pixels.
// normalization_local_response_element: likewise for units = pixels * channels elements.
// Global size: units / units_per_item, rounded up; any local size.
// Tunable: VECTOR, lanes.
#include "microkernel/lanes.cl"

#define RESPONSE_PARAMETERS                                                                                            \
    __global const ELEMENT *input, long input_offset, __global ELEMENT *output, long output_offset, int n1, int n2,    \
        int n3, int px0, int px1, int px2, int px3, int py0, int py1, int py2, int py3, int channels, int before,      \
        int after, float scale, float beta, float bias, int units, int units_per_item

#define RESPONSE_PIXEL(pixel)                                                                                          \
    const int i3 = (pixel) % n3, i2 = (pixel) / n3 % n2, i1 = (pixel) / n3 / n2 % n1, i0 = (pixel) / n3 / n2 / n1;     \
    __global const ELEMENT *p =                                                                                        \
        input + input_offset + (long)i0 * px0 + (long)i1 * px1 + (long)i2 * px2 + (long)i3 * px3;                      \
    __global ELEMENT *q = output + output_offset + (long)i0 * py0 + (long)i1 * py1 + (long)i2 * py2 + (long)i3 * py3;

static float response_channel(__global const ELEMENT *p, int c, int channels, int before, int after, float scale,
                              float beta, float bias) {
    float sum = 0.0f;
    const int end = min(channels - 1, c + after);
    for (int k = max(0, c - before); k <= end; ++k) {
        const float x = LOAD_LANE_ELEMENT(p + k);
        sum += x * x;
    }
    return LOAD_LANE_ELEMENT(p + c) / pow(bias + scale * sum, beta);
}

__kernel void normalization_local_response(RESPONSE_PARAMETERS) {
    const int first = (int)get_global_id(0) * units_per_item;
    const int last = min(first + units_per_item, units);
    for (int unit = first; unit < last; ++unit) {
        RESPONSE_PIXEL(unit)
        int c = 0;
        while (c < channels) {
            if (c < before || c + VECTOR + after > channels) {
                STORE_LANE_ELEMENT(response_channel(p, c, channels, before, after, scale, beta, bias), q + c);
                ++c;
                continue;
            }
            FLOATV sum = (FLOATV)(0.0f);
            for (int k = -before; k <= after; ++k) {
                const FLOATV x = LOAD_VECTOR_ELEMENT(p + c + k);
                sum += x * x;
            }
            STORE_VECTOR_ELEMENT(LOAD_VECTOR_ELEMENT(p + c) / pow(bias + scale * sum, (FLOATV)(beta)), q + c);
            c += VECTOR;
        }
    }
}

__kernel void normalization_local_response_element(RESPONSE_PARAMETERS) {
    const int first = (int)get_global_id(0) * units_per_item;
    const int last = min(first + units_per_item, units);
    for (int unit = first; unit < last; ++unit) {
        const int c = unit % channels;
        RESPONSE_PIXEL(unit / channels)
        STORE_LANE_ELEMENT(response_channel(p, c, channels, before, after, scale, beta, bias), q + c);
    }
}
