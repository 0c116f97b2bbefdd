// Writes `value` around the elements of a channels-last value, padding of the halo's pixels included.
//
// The buffer holds rows of pixels: (batch, plane, line) rows, each `row_end` elements long. Planes [front, front +
// depth) and lines [top, top + height) hold elements, there between `left` and `left + width`, in elements.
//
// Global size: rows / rows_per_item, rounded up; any local size.
// Tunable: ELEMENT, an integer type of the element's width.
#ifndef ELEMENT
#define ELEMENT uint
#endif
#include "movement/vectors.cl"
#define VECTOR16_OF(type) type##16
#define VECTOR16_(type) VECTOR16_OF(type)
#define VECTOR16 VECTOR16_(ELEMENT)

__kernel void movement_halo(__global ELEMENT *buffer, long offset, int planes, int lines, int front, int depth, int top,
                            int height, int left, int width, int row_end, int rows, int rows_per_item, int value) {
    const VECTOR16 fill = (VECTOR16)((ELEMENT)value);
    const int first = (int)get_global_id(0) * rows_per_item;
    const int last = min(first + rows_per_item, rows);
    for (int row = first; row < last; ++row) {
        const int line = row % lines - top;
        const int plane = row / lines % planes - front;
        __global ELEMENT *p = buffer + offset + (long)row * row_end;
        const int inside = line >= 0 && line < height && plane >= 0 && plane < depth;
        const int head = inside ? left : row_end;
        int i = 0;
        for (; i + 16 <= head; i += 16)
            STORE16(fill, p + i);
        for (; i < head; ++i)
            p[i] = (ELEMENT)value;
        i = inside ? left + width : row_end;
        for (; i + 16 <= row_end; i += 16)
            STORE16(fill, p + i);
        for (; i < row_end; ++i)
            p[i] = (ELEMENT)value;
    }
}
