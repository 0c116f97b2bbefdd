// Copies elements from a source that runs along one axis in memory to a target that runs along another.
//
// Element (b0, b1, b2, i, j) lies at source + b0 * source_0 + b1 * source_1 + b2 * source_2 + i + j * source_pitch and
// at target + b0 * target_0 + ... + i * target_pitch + j, for i < source_run, j < target_run; batch_1 and batch_2 are
// the extents of b1 and b2.
//
// movement_transpose: one work-item copies `units_per_item` units of 16 i by `span` j, a multiple of 16; there are
// `units` = batches * ceil(source_run / 16) units. Global size: (ceil(units / units_per_item), ceil(target_run /
// span)); local size 1.
//
// movement_transpose_tiled, with GROUP_TILE: one work-group copies 32 i by 32 j through local memory. Global size:
// (roundup(target_run, 32), ceil(source_run / 32) * 8, batches); local size (32, 8, 1); span, units and units_per_item
// are not used.
//
// Tunables: ELEMENT, an integer type of the element's width; VECTOR 16 (with uint): whole tiles, and the pixels of
// three planes, by vector shuffles.
#ifndef ELEMENT
#define ELEMENT uint
#endif
#include "movement/vectors.cl"

#define TRANSPOSE_PARAMETERS                                                                                           \
    __global const ELEMENT *source, long source_offset, __global ELEMENT *target, long target_offset, int source_run,  \
        int target_run, int target_pitch, int source_pitch, int batch_1, int batch_2, int source_0, int source_1,      \
        int source_2, int target_0, int target_1, int target_2, int span, int units, int units_per_item

#define LOCATE(batch)                                                                                                  \
    const int b2 = (batch) % batch_2, b1 = (batch) / batch_2 % batch_1, b0 = (batch) / batch_2 / batch_1;              \
    __global const ELEMENT *from =                                                                                     \
        source + source_offset + (long)b0 * source_0 + (long)b1 * source_1 + (long)b2 * source_2;                      \
    __global ELEMENT *to = target + target_offset + (long)b0 * target_0 + (long)b1 * target_1 + (long)b2 * target_2;

#ifdef VECTOR
#include "microkernel/transposition.cl"
#define TRIPLES_LOW(a, b, c)                                                                                           \
    (uint16)(a.s0, b.s0, c.s0, a.s1, b.s1, c.s1, a.s2, b.s2, c.s2, a.s3, b.s3, c.s3, a.s4, b.s4, c.s4, a.s5)
#define TRIPLES_MIDDLE(a, b, c)                                                                                        \
    (uint16)(b.s5, c.s5, a.s6, b.s6, c.s6, a.s7, b.s7, c.s7, a.s8, b.s8, c.s8, a.s9, b.s9, c.s9, a.sa, b.sa)
#define TRIPLES_HIGH(a, b, c)                                                                                          \
    (uint16)(c.sa, a.sb, b.sb, c.sb, a.sc, b.sc, c.sc, a.sd, b.sd, c.sd, a.se, b.se, c.se, a.sf, b.sf, c.sf)
#define LOAD_ROW(name, j0) const uint16 r##name = vload16(0, p + (long)(j0)*source_pitch);
#define STORE_ROW(name, i0) STORE16(w##name, q + (long)(i0)*target_pitch);
#endif

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void movement_transpose(TRANSPOSE_PARAMETERS) {
    const int blocks = (source_run + 15) / 16;
    const int first = (int)get_global_id(0) * units_per_item;
    const int j0 = get_global_id(1) * span;
    const int j1 = min(j0 + span, target_run);
    for (int unit = first; unit < min(first + units_per_item, units); ++unit) {
        const int batch = unit / blocks;
        const int i0 = (unit - batch * blocks) * 16;
        const int i1 = min(i0 + 16, source_run);
        int j = j0;
        LOCATE(batch)
#ifdef VECTOR
        if (i0 + 16 <= source_run) {
            for (; j + 16 <= j1; j += 16) {
                __global const ELEMENT *p = from + i0 + (long)j * source_pitch;
                __global ELEMENT *q = to + (long)i0 * target_pitch + j;
                EACH(LOAD_ROW)
                STAGE(t, r)
                STAGE(u, t)
                STAGE(v, u)
                STAGE(w, v)
                EACH(STORE_ROW)
            }
            if (target_run == 3 && target_pitch == 3) {
                __global const ELEMENT *p = from + i0;
                __global ELEMENT *q = to + (long)i0 * 3;
                const uint16 a = vload16(0, p), b = vload16(0, p + source_pitch), c = vload16(0, p + 2L * source_pitch);
                STORE16(TRIPLES_LOW(a, b, c), q);
                STORE16(TRIPLES_MIDDLE(a, b, c), q + 16);
                STORE16(TRIPLES_HIGH(a, b, c), q + 32);
                continue;
            }
        }
#endif
        for (int i = i0; i < i1; ++i) {
            __global ELEMENT *q = to + (long)i * target_pitch;
            for (int k = j; k < j1; ++k)
                q[k] = from[i + (long)k * source_pitch];
        }
    }
}

#ifdef GROUP_TILE
__kernel __attribute__((reqd_work_group_size(32, 8, 1))) void movement_transpose_tiled(TRANSPOSE_PARAMETERS) {
    __local ELEMENT tile[32][33];
    LOCATE((int)get_global_id(2))
    const int i0 = get_group_id(1) * 32, j0 = get_group_id(0) * 32;
    const int x = get_local_id(0), y = get_local_id(1);
    for (int r = y; r < 32; r += 8)
        if (j0 + r < target_run && i0 + x < source_run)
            tile[r][x] = from[i0 + x + (long)(j0 + r) * source_pitch];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int r = y; r < 32; r += 8)
        if (i0 + r < source_run && j0 + x < target_run)
            to[(long)(i0 + r) * target_pitch + j0 + x] = tile[x][r];
}
#endif
