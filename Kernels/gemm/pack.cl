// Packs an operand of gemm_packed into panels.
//
// B:   element (k, column) at offset + n * pitch_n + d * pitch_d + k * pitch_k + column *
//     pitch_column, to [panel][K][width], width = NR of the consumer; any of the pitches may be 1.
// A:  the same with rows in place of columns and width = MR: pitch_column is its row pitch.
// The item (n, d) of a batch is packed to packed_offset + n * packed_pitch_n + d * packed_pitch_d. Columns from
// `columns` to the end of the last panel become 0.
//
// Global size: (ceil(K / 16), ceil(columns / width), batch), batch item = n * batch_inner + d; any local size that
// divides it.
// Tunables: STORAGE_* (microkernel/lanes.cl); `packed` holds floats.
#include "microkernel/lanes.cl"

__kernel void gemm_pack(__global const ELEMENT *matrix, long matrix_offset, int pitch_n, int pitch_d, int pitch_k,
                        int pitch_column, __global float *packed, long packed_offset, int packed_pitch_n,
                        int packed_pitch_d, int batch_inner, int depth, int columns, int width) {
    const int k0 = get_global_id(0) * 16, panel = get_global_id(1), batch = get_global_id(2);
    const int n = batch / batch_inner, d = batch - n * batch_inner;
    const int count = min(16, depth - k0), valid = min(width, columns - panel * width);
    __global const ELEMENT *from = matrix + matrix_offset + (long)n * pitch_n + (long)d * pitch_d + (long)k0 * pitch_k +
                                   (long)(panel * width) * pitch_column;
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
        for (int lane = 0; lane < valid; ++lane)
            for (int k = 0; k < count; ++k)
                to[k * width + lane] = LOAD_LANE_ELEMENT(from + (long)k * pitch_k + (long)lane * pitch_column);
    }
    for (int lane = valid; lane < width; ++lane)
        for (int k = 0; k < count; ++k)
            to[k * width + lane] = 0.0f;
}
