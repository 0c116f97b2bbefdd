// Resizes along one axis: nearest element or linear interpolation, elements beyond the border moved to it.
//
// Output element x lies at input coordinate (x * slope + start) / divisor. Line (i0, i1, i2, i3), i < n, starts at
// input + sum i * px and output + sum i * py; its elements lie `step_x` and `step_y` apart.
//
// Rows of n3 elements, numbered (i0, i1, i2, x), are cut into `segments` of `segment`; a work-item computes
// `units_per_item` of the `units` that result. Global size: units / units_per_item, rounded up; any local size.
// Tunables: ELEMENT, or STORAGE_* (microkernel/lanes.cl) where it interpolates; CONTIGUOUS where px3 = py3 = 1;
// NEAREST: 0 halves down, 1 halves up, 2 floor, 3 ceil.
#include "microkernel/lanes.cl"

__kernel void movement_resize(__global const ELEMENT *input, long input_offset, __global ELEMENT *output,
                              long output_offset, int n1, int n2, int n3, int px0, int px1, int px2, int px3, int py0,
                              int py1, int py2, int py3, int extent, int size, int step_x, int step_y, long slope,
                              long start, long divisor, int segment, int segments, int units, int units_per_item) {
    const int first = (int)get_global_id(0) * units_per_item;
    const int last = min(first + units_per_item, units);
    for (int unit = first; unit < last; ++unit) {
        const int row = unit / segments;
        int i = (unit - row * segments) * segment;
        const int end = min(i + segment, n3);
        const int x = row % size, line = row / size;
        const int i2 = line % n2, i1 = line / n2 % n1, i0 = line / n2 / n1;
        const long numerator = x * slope + start;
        long left = numerator / divisor;
        left -= numerator < left * divisor ? 1 : 0;
        const long rest = numerator - left * divisor;
        __global const ELEMENT *p = input + input_offset + (long)i0 * px0 + (long)i1 * px1 + (long)i2 * px2;
        __global ELEMENT *q =
            output + output_offset + (long)i0 * py0 + (long)i1 * py1 + (long)i2 * py2 + (long)x * step_y;
#ifdef NEAREST
#if NEAREST == 0
        left += 2 * rest > divisor ? 1 : 0;
#elif NEAREST == 1
        left += 2 * rest >= divisor ? 1 : 0;
#elif NEAREST == 3
        left += rest > 0 ? 1 : 0;
#endif
        p += clamp(left, 0L, (long)extent - 1) * step_x;
#ifdef CONTIGUOUS
        for (; i + 16 <= end; i += 16)
            vstore16(vload16(0, p + i), 0, q + i);
#endif
        for (; i < end; ++i)
            q[(long)i * py3] = p[(long)i * px3];
#else
        __global const ELEMENT *r = p + clamp(left + 1, 0L, (long)extent - 1) * step_x;
        p += clamp(left, 0L, (long)extent - 1) * step_x;
        const float weight = (float)rest / (float)divisor, other = (float)(divisor - rest) / (float)divisor;
#ifdef CONTIGUOUS
        for (; i + 16 <= end; i += 16)
            STORE_VECTOR_ELEMENT(LOAD_VECTOR_ELEMENT(p + i) * other + LOAD_VECTOR_ELEMENT(r + i) * weight, q + i);
#endif
        for (; i < end; ++i)
            STORE_LANE_ELEMENT(LOAD_LANE_ELEMENT(p + (long)i * px3) * other +
                                   LOAD_LANE_ELEMENT(r + (long)i * px3) * weight,
                               q + (long)i * py3);
#endif
    }
}
