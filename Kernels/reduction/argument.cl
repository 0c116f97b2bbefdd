// The place of the largest or smallest element along one axis; NaN counts as larger and smaller than anything.
//
// Result (i0, i1, i2, i3) for i < n, at output + sum i * py, is the place among `count` elements, `step` apart, from
// input + sum i * px on; the first of equal elements unless LAST.
// Global size: units / units_per_item, rounded up, for units = n0 * n1 * n2 * n3; any local size.
// Tunables: ELEMENT; IS_FLOAT, IS_DOUBLE as the element is; STORAGE_* (microkernel/lanes.cl) in place of ELEMENT;
// MINIMUM; LAST.
#ifdef IS_DOUBLE
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#endif
#if !defined(ELEMENT)
#define IS_FLOAT
#define VALUE float
#else
#define VALUE ELEMENT
#endif
#include "microkernel/lanes.cl"

#ifdef MINIMUM
#define EXCEEDS(a, b) ((a) < (b))
#else
#define EXCEEDS(a, b) ((a) > (b))
#endif
#ifdef IS_FLOAT
#define IS_NAN(a) isnan(a)
#else
#define IS_NAN(a) 0
#endif

__kernel void reduction_argument(__global const ELEMENT *input, long input_offset, __global long *output,
                                 long output_offset, int n1, int n2, int n3, int px0, int px1, int px2, int px3,
                                 int py0, int py1, int py2, int py3, int count, int step, int units,
                                 int units_per_item) {
    const int first = (int)get_global_id(0) * units_per_item;
    const int last = min(first + units_per_item, units);
    for (int unit = first; unit < last; ++unit) {
        const int i3 = unit % n3, i2 = unit / n3 % n2, i1 = unit / n3 / n2 % n1, i0 = unit / n3 / n2 / n1;
        __global const ELEMENT *p =
            input + input_offset + (long)i0 * px0 + (long)i1 * px1 + (long)i2 * px2 + (long)i3 * px3;
        VALUE best = LOAD_LANE_ELEMENT(p);
        int place = 0;
        for (int j = 1; j < count; ++j) {
            const VALUE x = LOAD_LANE_ELEMENT(p + (long)j * step);
#ifdef LAST
            const int takes = IS_NAN(x) || (!IS_NAN(best) && !EXCEEDS(best, x));
#else
            const int takes = !IS_NAN(best) && (IS_NAN(x) || EXCEEDS(x, best));
#endif
            if (takes) {
                best = x;
                place = j;
            }
        }
        output[output_offset + (long)i0 * py0 + (long)i1 * py1 + (long)i2 * py2 + (long)i3 * py3] = place;
    }
}
