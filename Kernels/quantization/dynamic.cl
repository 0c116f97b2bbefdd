// DynamicQuantizeLinear: the extrema of a tensor, 0 among them, then scale and zero point of uint8, and the bytes.
//
// Elements (i0, i1, i2, i3), i3 < n3, of the input at input_offset + i0 * px0 + i1 * px1 + i2 * px2 + i3 * px3, of the
// output with py0 ... py3. A unit is `segment` elements along i3; rows of `segments` units are numbered i0, i1, i2. NaN
// is left out of the extrema and becomes 0.
//
// quantization_extrema: work-group g leaves its extrema in partial[2 * g] and partial[2 * g + 1]. quantization_bytes:
// every work-group merges these `count` pairs; the first work-item writes scale and zero point.
// Global size of both: units / units_per_item, rounded up to a multiple of GROUP.
// Tunables: GROUP, the local size; VECTOR (microkernel/lanes.cl).
#include "microkernel/lanes.cl"

#ifndef GROUP
#define GROUP 1
#endif

#if GROUP > 1
// Merges the extrema of the work-items of a work-group.
#define MERGE_GROUP                                                                                                    \
    __local float lows[GROUP], highs[GROUP];                                                                           \
    const int lane = get_local_id(0);                                                                                  \
    lows[lane] = low;                                                                                                  \
    highs[lane] = high;                                                                                                \
    for (int n = GROUP; n > 1;) {                                                                                      \
        const int half_n = (n + 1) / 2;                                                                                \
        barrier(CLK_LOCAL_MEM_FENCE);                                                                                  \
        if (lane + half_n < n) {                                                                                       \
            lows[lane] = fmin(lows[lane], lows[lane + half_n]);                                                        \
            highs[lane] = fmax(highs[lane], highs[lane + half_n]);                                                     \
        }                                                                                                              \
        n = half_n;                                                                                                    \
    }                                                                                                                  \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                                      \
    low = lows[0];                                                                                                     \
    high = highs[0];
#else
#define MERGE_GROUP
#endif

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
quantization_extrema(__global const float *input, long input_offset, __global float *partial, long partial_offset,
                     int n1, int n2, int n3, int px0, int px1, int px2, int px3, int segment, int segments, int units,
                     int units_per_item) {
    const int first = (int)get_global_id(0) * units_per_item;
    const int last = min(first + units_per_item, units);
    FLOATV lows_v = (FLOATV)(0.0f), highs_v = (FLOATV)(0.0f);
    float low = 0.0f, high = 0.0f;
    for (int unit = first; unit < last; ++unit) {
        const int row = unit / segments;
        const int i2 = row % n2, i1 = row / n2 % n1, i0 = row / n2 / n1;
        __global const float *p = input + input_offset + (long)i0 * px0 + (long)i1 * px1 + (long)i2 * px2;
        int i = (unit - row * segments) * segment;
        const int end = min(i + segment, n3);
        if (px3 == 1) {
            for (; i + VECTOR <= end; i += VECTOR) {
                const FLOATV x = LOAD_VECTOR(p + i);
                lows_v = select(lows_v, x, x < lows_v);
                highs_v = select(highs_v, x, x > highs_v);
            }
        }
        for (; i < end; ++i) {
            const float x = p[(long)i * px3];
            low = x < low ? x : low;
            high = x > high ? x : high;
        }
    }
    float lanes[2 * VECTOR];
    STORE_VECTOR(lows_v, lanes);
    STORE_VECTOR(highs_v, lanes + VECTOR);
    for (int i = 0; i < VECTOR; ++i) {
        low = fmin(low, lanes[i]);
        high = fmax(high, lanes[VECTOR + i]);
    }
    MERGE_GROUP
    if (get_local_id(0) == 0) {
        __global float *to = partial + partial_offset + 2 * (long)get_group_id(0);
        to[0] = low;
        to[1] = high;
    }
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
quantization_bytes(__global const float *input, long input_offset, __global const float *partial, long partial_offset,
                   __global uchar *output, long output_offset, __global float *scale, long scale_offset,
                   __global uchar *zero_point, long zero_point_offset, int n1, int n2, int n3, int px0, int px1,
                   int px2, int px3, int py0, int py1, int py2, int py3, int count, int segment, int segments,
                   int units, int units_per_item) {
    float low = 0.0f, high = 0.0f;
    for (int i = get_local_id(0); i < count; i += GROUP) {
        low = fmin(low, partial[partial_offset + 2 * i]);
        high = fmax(high, partial[partial_offset + 2 * i + 1]);
    }
    MERGE_GROUP
    const float step = (high == low ? 1.0f : high - low) / 255.0f;
    const float start = -low / step;
    const float zero = isnan(start) ? 0.0f : rint(fmin(fmax(start, 0.0f), 255.0f));
    if (get_global_id(0) == 0) {
        scale[scale_offset] = step;
        zero_point[zero_point_offset] = (uchar)(int)zero;
    }
    const int first = (int)get_global_id(0) * units_per_item;
    const int last = min(first + units_per_item, units);
    for (int unit = first; unit < last; ++unit) {
        const int row = unit / segments;
        const int i2 = row % n2, i1 = row / n2 % n1, i0 = row / n2 / n1;
        __global const float *p = input + input_offset + (long)i0 * px0 + (long)i1 * px1 + (long)i2 * px2;
        __global uchar *q = output + output_offset + (long)i0 * py0 + (long)i1 * py1 + (long)i2 * py2;
        int i = (unit - row * segments) * segment;
        const int end = min(i + segment, n3);
        if (px3 == 1 && py3 == 1) {
            for (; i + VECTOR <= end; i += VECTOR) {
                FLOATV v = rint(LOAD_VECTOR(p + i) / step) + zero;
                v = select((FLOATV)(0.0f), v, v > 0.0f);
                v = select((FLOATV)(255.0f), v, v < 255.0f);
                STORE_VECTOR(CONCATENATE(convert_uchar, VECTOR)(v), q + i);
            }
        }
        for (; i < end; ++i) {
            float v = rint(p[(long)i * px3] / step) + zero;
            v = v > 0.0f ? v : 0.0f;
            q[(long)i * py3] = (uchar)(int)(v < 255.0f ? v : 255.0f);
        }
    }
}
