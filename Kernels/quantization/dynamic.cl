// The parameters of DynamicQuantizeLinear: the extrema of a tensor, 0 among them, then scale and zero point of uint8.
//
// Elements (i0, i1, i2, i3), i3 < n3, at input_offset + i0 * px0 + i1 * px1 + i2 * px2 + i3 * px3. A unit is `segment`
// elements along i3; rows of `segments` units are numbered i0, i1, i2. NaN is left out.
//
// quantization_extrema: work-group g leaves its extrema in partial[2 * g] and partial[2 * g + 1].
// Global size: units / units_per_item, rounded up to a multiple of GROUP.
// quantization_parameters: one work-group merges `count` pairs into one scale and one zero point.
// Tunables: GROUP, the local size of both; VECTOR (microkernel/lanes.cl).
#include "microkernel/lanes.cl"

#ifndef GROUP
#define GROUP 1
#endif

#if GROUP > 1
// Leaves the extrema of the work-group in those of its first work-item.
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
    low = lows[lane];                                                                                                  \
    high = highs[lane];
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
quantization_parameters(__global const float *partial, long partial_offset, __global float *scale, long scale_offset,
                        __global uchar *zero_point, long zero_point_offset, int count) {
    float low = 0.0f, high = 0.0f;
    for (int i = get_local_id(0); i < count; i += GROUP) {
        low = fmin(low, partial[partial_offset + 2 * i]);
        high = fmax(high, partial[partial_offset + 2 * i + 1]);
    }
    MERGE_GROUP
    if (get_local_id(0) == 0) {
        const float step = (high == low ? 1.0f : high - low) / 255.0f;
        const float start = -low / step;
        scale[scale_offset] = step;
        zero_point[zero_point_offset] = isnan(start) ? 0 : (uchar)(int)rint(fmin(fmax(start, 0.0f), 255.0f));
    }
}
