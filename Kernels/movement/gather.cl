// Copies elements of canonical tensors by index. A negative index counts from the end; one outside the axis is clamped.
//
// movement_gather: output row (o, k) of `inner` elements is data row (o, indices[k]), for data [outer, extent, inner]
// and `count` indices.
// movement_gather_elements: output element (i0, i1, i2, i3) is data[i0 * step_0 + ... + i3 * step_3 + index * along],
// where indices are laid out like the output and n1, n2, n3 are its extents.
//
// Rows are cut into `segments` of `segment` elements; a work-item copies `units_per_item` of the `units` that result.
// Global size: units / units_per_item, rounded up; any local size.
// Tunables: ELEMENT, an integer type of the element's width; INDEX, int or long.
#ifndef ELEMENT
#define ELEMENT uint
#define INDEX long
#endif
#include "movement/vectors.cl"

static int movement_position(INDEX index, int extent) {
    const INDEX from_start = index < 0 ? index + extent : index;
    return (int)clamp(from_start, (INDEX)0, (INDEX)(extent - 1));
}

__kernel void movement_gather(__global const ELEMENT *data, long data_offset, __global const INDEX *indices,
                              long indices_offset, __global ELEMENT *output, long output_offset, int extent, int count,
                              int inner, int segment, int segments, int units, int units_per_item) {
    const int first = (int)get_global_id(0) * units_per_item;
    const int last = min(first + units_per_item, units);
    for (int unit = first; unit < last; ++unit) {
        const int row = unit / segments;
        const int begin = (unit - row * segments) * segment;
        const int end = min(begin + segment, inner);
        const int o = row / count;
        const int position = movement_position(indices[indices_offset + row - o * count], extent);
        __global const ELEMENT *p = data + data_offset + ((long)o * extent + position) * inner;
        __global ELEMENT *q = output + output_offset + (long)row * inner;
        int i = begin;
        for (; i + 16 <= end; i += 16)
            STORE16(vload16(0, p + i), q + i);
        for (; i < end; ++i)
            q[i] = p[i];
    }
}

__kernel void movement_gather_elements(__global const ELEMENT *data, long data_offset, __global const INDEX *indices,
                                       long indices_offset, __global ELEMENT *output, long output_offset, int extent,
                                       int along, int n1, int n2, int n3, int step_0, int step_1, int step_2,
                                       int step_3, int segment, int segments, int units, int units_per_item) {
    const int first = (int)get_global_id(0) * units_per_item;
    const int last = min(first + units_per_item, units);
    for (int unit = first; unit < last; ++unit) {
        const int row = unit / segments;
        const int begin = (unit - row * segments) * segment;
        const int end = min(begin + segment, n3);
        const int i2 = row % n2, i1 = row / n2 % n1, i0 = row / n2 / n1;
        __global const ELEMENT *p = data + data_offset + (long)i0 * step_0 + (long)i1 * step_1 + (long)i2 * step_2;
        const long start = (long)row * n3;
        for (int i = begin; i < end; ++i) {
            const int position = movement_position(indices[indices_offset + start + i], extent);
            output[output_offset + start + i] = p[(long)i * step_3 + (long)position * along];
        }
    }
}
