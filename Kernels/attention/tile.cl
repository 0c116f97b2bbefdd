// Scaled dot-product attention: one work-item computes MR queries of one head over blocks of KEYS keys, with the
// softmax carried on from block to block.
//
// q        query row s of batch item b, head h at q_offset + b * q_pitch_b + h * q_pitch_h + s * q_pitch, `depth`
//          elements.
// k        packed by gemm_pack (width NR) from the transposed keys: [b][key head][ceil(keys / NR)][depth][NR].
// v        packed by gemm_pack (width NR): [b][key head][ceil(width / NR)][keys][NR], `width` elements a key.
//          With BF16_PAIRS both are packed by gemm_pack_pairs.
// y        result row s at y_offset + b * y_pitch_b + h * y_pitch_h + s * y_pitch, `width` elements; may not alias q.
// mask, valid, columns, past, softcap   attention/mask.cl. group: query heads that share a key head.
//
// A query that sees no key gives NaN. Global size: (ceil(queries / MR), heads, batch); local size (1, 1, 1).
// Tunables: MR, NR, VECTOR (microkernel/tile.cl); KEYS, a multiple of NR; DEPTH, `depth` rounded up to VECTOR; WIDTH,
// `width` rounded up to NR. With BF16_PAIRS exponentials are rounded to bfloat16 before they weight the values.
// Source: Dao et al., "FlashAttention", 2022, algorithm 1.
#define TILE_SPACE __private
#ifndef BF16_PAIRS
#define TILE_FLOATS
#endif
#include "microkernel/tile.cl"
#include "microkernel/folds.cl"
#include "attention/mask.cl"

#ifndef KEYS
#define KEYS 256
#define DEPTH 64
#define WIDTH 64
#endif

#define INTV CONCATENATE(int, VECTOR)
#define AS_FLOATV CONCATENATE(as_float, VECTOR)
#define AS_INTV CONCATENATE(as_int, VECTOR)
#define TO_INTV CONCATENATE(convert_int, VECTOR)

#ifdef BF16_PAIRS
#define COPY_QUERY(p, to) STORE_VECTOR(vload16(0, p), to)
#define COPY_QUERY_LANE(p, to) (*(to) = *(p))
#define PUT_WEIGHTS(e, p) STORE_VECTOR(lanes_to_bfloat(e), p)
#define DECLARE_WEIGHTS TILE_ELEMENT weights[MR * KEYS] WHOLE_LINES;
#else
#define COPY_QUERY(p, to) STORE_VECTOR(LOAD_VECTOR_ELEMENT(p), to)
#define COPY_QUERY_LANE(p, to) (*(to) = LOAD_LANE_ELEMENT(p))
#define PUT_WEIGHTS(e, p) STORE_VECTOR(e, p)
#define DECLARE_WEIGHTS TILE_ELEMENT *weights = scores;
#endif

// Vectors that cross cache lines are slow to load after they were stored.
#define WHOLE_LINES __attribute__((aligned(64)))

static __constant int attention_lanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// e^x for x <= 0, relative error below 3e-7; 0 below -87.
static FLOATV attention_exp(FLOATV exponent) {
    const FLOATV x = max(exponent, (FLOATV)(-87.0f));
    // Added to it, a float is rounded to a whole number, which is then in the low bits.
    const FLOATV shift = (FLOATV)(12582912.0f);
    const FLOATV shifted = fma(x, (FLOATV)(1.44269504f), shift), n = shifted - shift;
    const FLOATV r = fma(n, (FLOATV)(-1.42860677e-6f), fma(n, (FLOATV)(-0.693145752f), x));
    FLOATV p = fma((FLOATV)(1.388888889e-3f), r, (FLOATV)(8.333333333e-3f));
    p = fma(p, r, (FLOATV)(4.166666667e-2f));
    p = fma(p, r, (FLOATV)(1.666666667e-1f));
    p = fma(p, r, (FLOATV)(0.5f));
    p = fma(p, r, (FLOATV)(1.0f));
    p = fma(p, r, (FLOATV)(1.0f));
    const INTV power = (AS_INTV(shifted) - AS_INTV(shift) + 127) << 23;
    // The test comes before the product, which would be a denormal.
    return p * AS_FLOATV(select(power, (INTV)(0), exponent < -87.0f));
}

// The vector of scores from j on with its mask.
#ifdef MASK
#ifdef MASK_BOOL
#define MASKED_VECTOR(score, p) select((FLOATV)(-INFINITY), score, TO_INTV(LOAD_VECTOR(p)) != 0)
#else
#define MASKED_VECTOR(score, p) ((score) + LOAD_VECTOR(p))
#endif
#define MASK_SCORES                                                                                                    \
    if (j + VECTOR <= seen) {                                                                                          \
        s = MASKED_VECTOR(s, shift + j);                                                                               \
    } else {                                                                                                           \
        float lanes[VECTOR];                                                                                           \
        STORE_VECTOR(s, lanes);                                                                                        \
        for (int i = 0; i < VECTOR; ++i)                                                                               \
            lanes[i] = j + i < seen ? MASKED(lanes[i], shift[j + i]) : -INFINITY;                                      \
        s = LOAD_VECTOR(lanes);                                                                                        \
    }
#else
#define MASK_SCORES                                                                                                    \
    if (j + VECTOR > seen)                                                                                             \
        s = select((FLOATV)(-INFINITY), s, lane + j < seen);
#endif

#define PUT_SCORES(r, j) STORE_VECTOR(acc_##r##_##j *scale, scores + r * KEYS + first - block + j * VECTOR);
#define PUT_SCORES_ROW(r) COLUMNS_OF(PUT_SCORES, r)
#define ADD_VALUES(r, j)                                                                                               \
    STORE_VECTOR(fma(LOAD_VECTOR(sums + r * WIDTH + c + j * VECTOR), (FLOATV)(factor[r]), acc_##r##_##j),              \
                 sums + r * WIDTH + c + j * VECTOR);
#define ADD_VALUES_ROW(r) COLUMNS_OF(ADD_VALUES, r)
// Adds the products of `count` columns of a, padded with zeros to K_STEP, and of the panel b.
#define ADD_PRODUCTS(a, b, count)                                                                                      \
    {                                                                                                                  \
        int i = 0;                                                                                                     \
        for (; i + 4 * K_STEP <= (count); i += 4 * K_STEP) {                                                           \
            TILE_STEP((a) + i, b)                                                                                      \
            TILE_STEP((a) + i + K_STEP, b + NR)                                                                        \
            TILE_STEP((a) + i + 2 * K_STEP, b + 2 * NR)                                                                \
            TILE_STEP((a) + i + 3 * K_STEP, b + 3 * NR)                                                                \
            b += 4 * NR;                                                                                               \
        }                                                                                                              \
        for (; i < (count); i += K_STEP) {                                                                             \
            TILE_STEP((a) + i, b)                                                                                      \
            b += NR;                                                                                                   \
        }                                                                                                              \
    }

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
attention_tile(__global const ELEMENT *q, long q_offset, int q_pitch_b, int q_pitch_h, int q_pitch,
               __global const TILE_WEIGHT *k, long k_offset, __global const TILE_WEIGHT *v, long v_offset,
               __global ELEMENT *y, long y_offset, int y_pitch_b, int y_pitch_h, int y_pitch, int queries, int keys,
               int depth, int width, int group, int columns, int past, float scale,
               float softcap MASK_ARGUMENTS VALID_ARGUMENTS) {
    const int x = (int)get_global_id(0) * MR, h = get_global_id(1), b = get_global_id(2);
    const int rows = min(MR, queries - x);
    const int key_head = b * ((int)get_global_size(1) / group) + h / group;
    const int depth_steps = (depth + K_STEP - 1) / K_STEP, key_steps = (keys + K_STEP - 1) / K_STEP;
    __global const ELEMENT *query = q + q_offset + (long)b * q_pitch_b + (long)h * q_pitch_h + (long)x * q_pitch;
    __global const TILE_WEIGHT *all_keys = k + k_offset + (long)key_head * ((keys + NR - 1) / NR) * depth_steps * NR;
    __global const TILE_WEIGHT *all_values = v + v_offset + (long)key_head * ((width + NR - 1) / NR) * key_steps * NR;
    int limit = min(keys, columns);
#ifdef VALID
    limit = (int)clamp(valid[valid_offset + b], 0L, (long)limit);
#endif
#ifdef CAUSAL
    const int end = min(limit, past + x + rows);
#else
    const int end = limit;
#endif
    const INTV lane = CONCATENATE(vload, VECTOR)(0, attention_lanes);
    TILE_ELEMENT own[MR * DEPTH] WHOLE_LINES;
    float scores[MR * KEYS] WHOLE_LINES, sums[MR * WIDTH] WHOLE_LINES;
    float largest[MR], total[MR], factor[MR];
    DECLARE_WEIGHTS
    for (int r = 0; r < MR; ++r) {
        __global const ELEMENT *from = query + (long)min(r, rows - 1) * q_pitch;
        int i = 0;
        for (; i + VECTOR <= depth; i += VECTOR)
            COPY_QUERY(from + i, own + r * DEPTH + i);
        for (; i < depth; ++i)
            COPY_QUERY_LANE(from + i, own + r * DEPTH + i);
        for (; i < DEPTH; ++i)
            own[r * DEPTH + i] = 0;
        largest[r] = -INFINITY;
        total[r] = 0.0f;
    }
    for (int i = 0; i < MR * WIDTH; i += VECTOR)
        STORE_VECTOR((FLOATV)(0.0f), sums + i);

    for (int block = 0; block < end; block += KEYS) {
        const int stop = min(block + KEYS, end);
        for (int first = block; first < stop; first += NR) {
            __global const TILE_WEIGHT *panel = all_keys + (long)first * depth_steps;
            TILE_ZERO
            TILE_ROWS(DEPTH)
            ADD_PRODUCTS(own, panel, depth)
            ROWS(PUT_SCORES_ROW)
        }
        for (int r = 0; r < MR; ++r) {
            float *line = scores + r * KEYS;
            int seen = stop - block;
#ifdef CAUSAL
            seen = clamp(past + x + r + 1 - block, 0, seen);
#endif
            const int padded = (stop - block + VECTOR - 1) / VECTOR * VECTOR;
            FLOATV most = (FLOATV)(-INFINITY);
#ifdef MASK
            __global const MASK_ELEMENT *shift = mask + mask_offset + (long)b * mask_pitch_b + (long)h * mask_pitch_h +
                                                 (long)(x + min(r, rows - 1)) * mask_pitch + block;
#endif
            for (int j = 0; j < padded; j += VECTOR) {
                FLOATV s = SOFTCAPPED(LOAD_VECTOR(line + j));
                MASK_SCORES
                most = max(most, s);
                STORE_VECTOR(s, line + j);
            }
            const float greatest = max(largest[r], largest_of_lanes(most));
            const float base = greatest == -INFINITY ? 0.0f : greatest;
            FLOATV sum = (FLOATV)(0.0f);
            for (int j = 0; j < padded; j += VECTOR) {
                const FLOATV e = attention_exp(LOAD_VECTOR(line + j) - base);
                sum += e;
                PUT_WEIGHTS(e, weights + r * KEYS + j);
            }
            factor[r] = attention_exp((FLOATV)(largest[r] - base)).s0;
            total[r] = total[r] * factor[r] + sum_of_lanes(sum);
            largest[r] = greatest;
        }
        for (int c = 0; c < width; c += NR) {
            __global const TILE_WEIGHT *panel = all_values + (long)c * key_steps + (long)(block / K_STEP) * NR;
            TILE_ZERO
            TILE_ROWS(KEYS)
            ADD_PRODUCTS(weights, panel, stop - block)
            ROWS(ADD_VALUES_ROW)
        }
    }
    for (int r = 0; r < rows; ++r) {
        __global ELEMENT *out = y + y_offset + (long)b * y_pitch_b + (long)h * y_pitch_h + (long)(x + r) * y_pitch;
        const float inverse = 1.0f / total[r];
        int c = 0;
        for (; c + VECTOR <= width; c += VECTOR)
            STORE_VECTOR_ELEMENT(LOAD_VECTOR(sums + r * WIDTH + c) * inverse, out + c);
        for (; c < width; ++c)
            STORE_LANE_ELEMENT(sums[r * WIDTH + c] * inverse, out + c);
    }
}
