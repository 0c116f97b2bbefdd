// Packs an operand of gemm_packed into panels.
//
// B:   element (k, column) at offset + n * pitch_n + d * pitch_d + k * pitch_k + column *
//     pitch_column, to [panel][K][width], width = NR of the consumer; any of the pitches may be 1.
// A:  the same with rows in place of columns and width = MR: pitch_column is its row pitch.
// The item (n, d) of a batch is packed to packed_offset + n * packed_pitch_n + d * packed_pitch_d. Columns from
// `columns` to the end of the last panel become 0.
//
// gemm_pack_pairs: elements of bfloat16 for BF16_PAIRS (microkernel/tile.cl), to [panel][ceil(K / 2)][width] pairs; the
// pair of a last odd k ends with 0.
//
// Global size: (ceil(K / 16), ceil(columns / width), batch), of gemm_pack_pairs (ceil(K / 32), ...); batch item = n *
// batch_inner + d; any local size that divides it.
// Tunables: STORAGE_* (microkernel/lanes.cl); gemm_pack's `packed` holds floats, that of gemm_pack_pairs pairs.
#include "microkernel/lanes.cl"
#include "microkernel/transposition.cl"

#define LOCATE                                                                                                         \
    const int panel = get_global_id(1), batch = get_global_id(2);                                                      \
    const int n = batch / batch_inner, d = batch - n * batch_inner;                                                    \
    const int valid = min(width, columns - panel * width);                                                             \
    __global const ELEMENT *from = matrix + matrix_offset + (long)n * pitch_n + (long)d * pitch_d +                    \
                                   (long)k0 * pitch_k + (long)(panel * width) * pitch_column;

__kernel void gemm_pack(__global const ELEMENT *matrix, long matrix_offset, int pitch_n, int pitch_d, int pitch_k,
                        int pitch_column, __global float *packed, long packed_offset, int packed_pitch_n,
                        int packed_pitch_d, int batch_inner, int depth, int columns, int width) {
    const int k0 = (int)get_global_id(0) * 16, count = min(16, depth - k0);
    LOCATE
    __global float *to = packed + packed_offset + (long)n * packed_pitch_n + (long)d * packed_pitch_d +
                         ((long)panel * depth + k0) * width;
    if (pitch_column == 1) {
        for (int k = 0; k < count; ++k) {
            int lane = 0;
            for (; lane + 16 <= valid; lane += 16)
                STORE_VECTOR(LOAD_VECTOR_ELEMENT(from + (long)k * pitch_k + lane), to + k * width + lane);
            for (; lane < valid; ++lane)
                to[k * width + lane] = LOAD_LANE_ELEMENT(from + (long)k * pitch_k + lane);
        }
    } else {
        int lane = 0;
        if (pitch_k == 1 && count == 16) {
            for (; lane + 16 <= valid; lane += 16) {
                __global const ELEMENT *first = from + (long)lane * pitch_column;
#define LOAD_COLUMN(name, index)                                                                                       \
    const uint16 r##name = as_uint16(LOAD_VECTOR_ELEMENT(first + (long)(index)*pitch_column));
#define STORE_K(name, index) STORE_VECTOR(as_float16(w##name), to + (index)*width + lane);
                EACH(LOAD_COLUMN)
                STAGE(t, r)
                STAGE(u, t)
                STAGE(v, u)
                STAGE(w, v)
                EACH(STORE_K)
            }
        }
        for (; lane < valid; ++lane)
            for (int k = 0; k < count; ++k)
                to[k * width + lane] = LOAD_LANE_ELEMENT(from + (long)k * pitch_k + (long)lane * pitch_column);
    }
    for (int lane = valid; lane < width; ++lane)
        for (int k = 0; k < count; ++k)
            to[k * width + lane] = 0.0f;
}

#ifdef STORAGE_BFLOAT
__kernel void gemm_pack_pairs(__global const ushort *matrix, long matrix_offset, int pitch_n, int pitch_d, int pitch_k,
                              int pitch_column, __global uint *packed, long packed_offset, int packed_pitch_n,
                              int packed_pitch_d, int batch_inner, int depth, int columns, int width) {
    const int k0 = (int)get_global_id(0) * 32, count = min(32, depth - k0), pairs = (count + 1) / 2;
    LOCATE
    __global uint *to = packed + packed_offset + (long)n * packed_pitch_n + (long)d * packed_pitch_d +
                        ((long)panel * ((depth + 1) / 2) + k0 / 2) * width;
    int lane = 0;
    if (pitch_column == 1) {
        for (; lane + 16 <= valid; lane += 16) {
            for (int pair = 0; pair < pairs; ++pair) {
                __global const ushort *even = from + (long)(2 * pair) * pitch_k + lane;
                uint16 both = convert_uint16(vload16(0, even));
                if (2 * pair + 1 < count)
                    both |= convert_uint16(vload16(0, even + pitch_k)) << 16;
                STORE_VECTOR(both, to + pair * width + lane);
            }
        }
    } else if (pitch_k == 1 && count == 32) {
        for (; lane + 16 <= valid; lane += 16) {
            __global const ushort *first = from + (long)lane * pitch_column;
#define LOAD_PAIRS(name, index)                                                                                        \
    const uint16 r##name = vload16(0, (__global const uint *)(first + (long)(index)*pitch_column));
#define STORE_PAIRS(name, index) STORE_VECTOR(w##name, to + (index)*width + lane);
            EACH(LOAD_PAIRS)
            STAGE(t, r)
            STAGE(u, t)
            STAGE(v, u)
            STAGE(w, v)
            EACH(STORE_PAIRS)
        }
    }
    for (; lane < width; ++lane) {
        __global const ushort *column = from + (long)lane * pitch_column;
        for (int pair = 0; pair < pairs; ++pair) {
            uint both = 0;
            if (lane < valid) {
                both = column[(long)(2 * pair) * pitch_k];
                if (2 * pair + 1 < count)
                    both |= (uint)column[(long)(2 * pair + 1) * pitch_k] << 16;
            }
            to[pair * width + lane] = both;
        }
    }
}
#endif
