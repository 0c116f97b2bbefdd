// Scaled dot-product attention for devices with local memory: one work-group computes GROUP queries of one head, one a
// work-item, over blocks of KEYS keys staged in local memory, with the softmax carried on from block to block.
//
// q, k, v, y   element (b, h, s, c) at offset + b * pitch_b + h * pitch_h + s * pitch + c; k and v by key head. y may
//              not alias an operand. depth and width are the elements of a query or key and of a value.
// mask, valid, columns, past, softcap   attention/mask.cl. group: query heads that share a key head.
//
// A query that sees no key gives NaN. Global size: (ceil(queries / GROUP) * GROUP, heads, batch); local size (GROUP, 1,
// 1).
// Tunables: GROUP, KEYS; DEPTH and WIDTH, bounds of depth and width.
// Source: Dao et al., "FlashAttention", 2022, algorithm 1.
#include "microkernel/lanes.cl"
#include "attention/mask.cl"

#ifndef GROUP
#define GROUP 64
#define KEYS 16
#define DEPTH 64
#define WIDTH 64
#endif

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
attention_group(__global const ELEMENT *q, long q_offset, int q_pitch_b, int q_pitch_h, int q_pitch,
                __global const ELEMENT *k, long k_offset, int k_pitch_b, int k_pitch_h, int k_pitch,
                __global const ELEMENT *v, long v_offset, int v_pitch_b, int v_pitch_h, int v_pitch,
                __global ELEMENT *y, long y_offset, int y_pitch_b, int y_pitch_h, int y_pitch, int queries, int keys,
                int depth, int width, int group, int columns, int past, float scale,
                float softcap MASK_ARGUMENTS VALID_ARGUMENTS) {
    __local float key_tile[KEYS * DEPTH], value_tile[KEYS * WIDTH];
    const int lane = get_local_id(0), h = get_global_id(1), b = get_global_id(2);
    const int x = min((int)get_global_id(0), queries - 1);
    __global const ELEMENT *query = q + q_offset + (long)b * q_pitch_b + (long)h * q_pitch_h + (long)x * q_pitch;
    __global const ELEMENT *key = k + k_offset + (long)b * k_pitch_b + (long)(h / group) * k_pitch_h;
    __global const ELEMENT *value = v + v_offset + (long)b * v_pitch_b + (long)(h / group) * v_pitch_h;
    int limit = min(keys, columns);
#ifdef VALID
    limit = (int)clamp(valid[valid_offset + b], 0L, (long)limit);
#endif
    int seen = limit, end = limit;
#ifdef CAUSAL
    seen = min(limit, past + x + 1);
    end = min(limit, past + (int)get_group_id(0) * GROUP + GROUP);
#endif
#ifdef MASK
    __global const MASK_ELEMENT *shift =
        mask + mask_offset + (long)b * mask_pitch_b + (long)h * mask_pitch_h + (long)x * mask_pitch;
#endif
    float sums[WIDTH], scores[KEYS], largest = -INFINITY, total = 0.0f;
    for (int c = 0; c < WIDTH; ++c)
        sums[c] = 0.0f;
    for (int block = 0; block < end; block += KEYS) {
        const int count = min(KEYS, end - block);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int i = lane; i < count * depth; i += GROUP) {
            const int row = i / depth;
            key_tile[row * DEPTH + i - row * depth] =
                LOAD_LANE_ELEMENT(key + (long)(block + row) * k_pitch + i - row * depth);
        }
        for (int i = lane; i < count * width; i += GROUP) {
            const int row = i / width;
            value_tile[row * WIDTH + i - row * width] =
                LOAD_LANE_ELEMENT(value + (long)(block + row) * v_pitch + i - row * width);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        float greatest = largest;
        for (int j = 0; j < count; ++j) {
            float s = 0.0f;
            for (int i = 0; i < depth; ++i)
                s = fma(LOAD_LANE_ELEMENT(query + i), key_tile[j * DEPTH + i], s);
            s *= scale;
            s = SOFTCAPPED(s);
#ifdef MASK
            s = block + j < seen ? MASKED(s, shift[block + j]) : -INFINITY;
#else
            s = block + j < seen ? s : -INFINITY;
#endif
            scores[j] = s;
            greatest = fmax(greatest, s);
        }
        const float base = greatest == -INFINITY ? 0.0f : greatest;
        const float factor = exp(largest - base);
        total *= factor;
        for (int c = 0; c < width; ++c)
            sums[c] *= factor;
        for (int j = 0; j < count; ++j) {
            const float e = exp(scores[j] - base);
            total += e;
            for (int c = 0; c < width; ++c)
                sums[c] = fma(e, value_tile[j * WIDTH + c], sums[c]);
        }
        largest = greatest;
    }
    if ((int)get_global_id(0) < queries) {
        __global ELEMENT *out = y + y_offset + (long)b * y_pitch_b + (long)h * y_pitch_h + (long)x * y_pitch;
        for (int c = 0; c < width; ++c)
            STORE_LANE_ELEMENT(sums[c] / total, out + c);
    }
}
