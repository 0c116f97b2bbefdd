// Scaled dot-product attention: one work-item computes MR queries of one head over blocks of KEYS keys, with the
// softmax carried on from block to block.
//
// q        query row s of batch item b, head h at q_offset + b * q_pitch_b + h * q_pitch_h + s * q_pitch, `depth`
// floats. k        packed by gemm_pack (width NR) from the transposed keys: [b][key head][ceil(keys / NR)][depth][NR].
// v        packed by gemm_pack (width NR): [b][key head][ceil(width / NR)][keys][NR], `width` floats a key.
// y        result row s at y_offset + b * y_pitch_b + h * y_pitch_h + s * y_pitch, `width` floats; may not alias q.
// mask     with MASK: element (b, h, s, key) at mask_offset + b * mask_pitch_b + h * mask_pitch_h + s * mask_pitch +
// key;
//          a float is added to the score, a byte (MASK_BOOL) of 0 masks the key out.
// valid    with VALID: the keys of each batch item that take part, a long each.
// columns  keys from here on are masked out. past: with CAUSAL query s sees the keys up to past + s.
// group    query heads that share a key head. softcap: with SOFTCAP the bound of the scores.
//
// A query that sees no key gives NaN. Global size: (ceil(queries / MR), heads, batch); local size (1, 1, 1).
// Tunables: MR, NR, VECTOR (microkernel/tile.cl); KEYS, a multiple of NR; DEPTH, a bound of `depth`; WIDTH, `width`
// rounded up to NR.
// Source: Dao et al., "FlashAttention", 2022, algorithm 1.
#define TILE_SPACE __private
#include "microkernel/tile.cl"

#ifndef KEYS
#define KEYS 256
#define DEPTH 64
#define WIDTH 64
#endif

#define INTV CONCATENATE(int, VECTOR)
#define AS_FLOATV CONCATENATE(as_float, VECTOR)
#define TO_INTV CONCATENATE(convert_int, VECTOR)

// e^x for x <= 0, relative error below 3e-7; 0 below -104.
FLOATV attention_exp(FLOATV x) {
    x = select(x, (FLOATV)(-110.0f), x < -110.0f);
    const FLOATV n = rint(x * 1.44269504f);
    const FLOATV r = fma(n, (FLOATV)(-1.42860677e-6f), fma(n, (FLOATV)(-0.693145752f), x));
    FLOATV p = fma((FLOATV)(1.388888889e-3f), r, (FLOATV)(8.333333333e-3f));
    p = fma(p, r, (FLOATV)(4.166666667e-2f));
    p = fma(p, r, (FLOATV)(1.666666667e-1f));
    p = fma(p, r, (FLOATV)(0.5f));
    p = fma(p, r, (FLOATV)(1.0f));
    p = fma(p, r, (FLOATV)(1.0f));
    const INTV whole = TO_INTV(n), low = whole >> 1;
    return p * AS_FLOATV((low + 127) << 23) * AS_FLOATV((whole - low + 127) << 23);
}

float attention_sum(FLOATV v) {
    float lanes[VECTOR], sum = 0.0f;
    STORE_VECTOR(v, lanes);
    for (int i = 0; i < VECTOR; ++i)
        sum += lanes[i];
    return sum;
}

float attention_largest(FLOATV v) {
    float lanes[VECTOR], largest = -INFINITY;
    STORE_VECTOR(v, lanes);
    for (int i = 0; i < VECTOR; ++i)
        largest = fmax(largest, lanes[i]);
    return largest;
}

#ifdef MASK
#ifdef MASK_BOOL
#define MASK_ELEMENT uchar
#define MASKED(score, p, i) ((p)[i] ? (score) : -INFINITY)
#define MASKED_VECTOR(score, p) select((FLOATV)(-INFINITY), score, TO_INTV(LOAD_VECTOR(p)) != 0)
#else
#define MASK_ELEMENT float
#define MASKED(score, p, i) ((score) + (p)[i])
#define MASKED_VECTOR(score, p) ((score) + LOAD_VECTOR(p))
#endif
#define MASK_ARGUMENTS                                                                                                 \
    , __global const MASK_ELEMENT *mask, long mask_offset, int mask_pitch_b, int mask_pitch_h, int mask_pitch
#else
#define MASK_ARGUMENTS
#endif
#ifdef VALID
#define VALID_ARGUMENTS , __global const long *valid, long valid_offset
#else
#define VALID_ARGUMENTS
#endif

#define PUT_SCORES(r, j) STORE_VECTOR(acc_##r##_##j, scores + r * KEYS + first - block + j * VECTOR);
#define PUT_SCORES_ROW(r) COLUMNS_OF(PUT_SCORES, r)
#define ADD_VALUES(r, j)                                                                                               \
    STORE_VECTOR(fma(LOAD_VECTOR(sums + r * WIDTH + c + j * VECTOR), (FLOATV)(factor[r]), acc_##r##_##j),              \
                 sums + r * WIDTH + c + j * VECTOR);
#define ADD_VALUES_ROW(r) COLUMNS_OF(ADD_VALUES, r)

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
attention_tile(__global const float *q, long q_offset, int q_pitch_b, int q_pitch_h, int q_pitch,
               __global const float *k, long k_offset, __global const float *v, long v_offset, __global float *y,
               long y_offset, int y_pitch_b, int y_pitch_h, int y_pitch, int queries, int keys, int depth, int width,
               int group, int columns, int past, float scale, float softcap MASK_ARGUMENTS VALID_ARGUMENTS) {
    const int x = (int)get_global_id(0) * MR, h = get_global_id(1), b = get_global_id(2);
    const int rows = min(MR, queries - x);
    const int key_head = b * ((int)get_global_size(1) / group) + h / group;
    __global const float *query = q + q_offset + (long)b * q_pitch_b + (long)h * q_pitch_h + (long)x * q_pitch;
    __global const float *all_keys = k + k_offset + (long)key_head * ((keys + NR - 1) / NR) * depth * NR;
    __global const float *all_values = v + v_offset + (long)key_head * ((width + NR - 1) / NR) * keys * NR;
    int limit = min(keys, columns);
#ifdef VALID
    limit = (int)clamp(valid[valid_offset + b], 0L, (long)limit);
#endif
#ifdef CAUSAL
    const int end = min(limit, past + x + rows);
#else
    const int end = limit;
#endif
    float scaled[MR * DEPTH], scores[MR * KEYS], sums[MR * WIDTH], largest[MR], total[MR], factor[MR];
    for (int r = 0; r < MR; ++r) {
        __global const float *from = query + (long)min(r, rows - 1) * q_pitch;
        for (int i = 0; i < depth; ++i)
            scaled[r * DEPTH + i] = from[i] * scale;
        largest[r] = -INFINITY;
        total[r] = 0.0f;
    }
    for (int i = 0; i < MR * WIDTH; ++i)
        sums[i] = 0.0f;

    for (int block = 0; block < end; block += KEYS) {
        const int stop = min(block + KEYS, end);
        for (int first = block; first < stop; first += NR) {
            __global const float *tile = all_keys + (long)first * depth;
            TILE_ZERO
            TILE_ROWS(DEPTH)
            for (int i = 0; i < depth; ++i) {
                TILE_STEP(scaled + i, tile)
                tile += NR;
            }
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
                FLOATV s = LOAD_VECTOR(line + j);
#ifdef SOFTCAP
                s = tanh(s / softcap) * softcap;
#endif
#ifdef MASK
                if (j + VECTOR <= seen)
                    s = MASKED_VECTOR(s, shift + j);
                else
#else
                if (j + VECTOR > seen)
#endif
                {
                    float lanes[VECTOR];
                    STORE_VECTOR(s, lanes);
                    for (int i = 0; i < VECTOR; ++i)
#ifdef MASK
                        lanes[i] = j + i < seen ? MASKED(lanes[i], shift, j + i) : -INFINITY;
#else
                        lanes[i] = j + i < seen ? lanes[i] : -INFINITY;
#endif
                    s = LOAD_VECTOR(lanes);
                }
                most = fmax(most, s);
                STORE_VECTOR(s, line + j);
            }
            const float greatest = fmax(largest[r], attention_largest(most));
            const float base = greatest == -INFINITY ? 0.0f : greatest;
            FLOATV sum = (FLOATV)(0.0f);
            for (int j = 0; j < padded; j += VECTOR) {
                const FLOATV e = attention_exp(LOAD_VECTOR(line + j) - base);
                sum += e;
                STORE_VECTOR(e, line + j);
            }
            factor[r] = exp(largest[r] - base);
            total[r] = total[r] * factor[r] + attention_sum(sum);
            largest[r] = greatest;
        }
        for (int c = 0; c < width; c += NR) {
            __global const float *tile = all_values + (long)c * keys + (long)block * NR;
            TILE_ZERO
            TILE_ROWS(KEYS)
            for (int i = 0; i < stop - block; ++i) {
                TILE_STEP(scores + i, tile)
                tile += NR;
            }
            ROWS(ADD_VALUES_ROW)
        }
    }
    for (int r = 0; r < rows; ++r) {
        __global float *out = y + y_offset + (long)b * y_pitch_b + (long)h * y_pitch_h + (long)(x + r) * y_pitch;
        const float inverse = 1.0f / total[r];
        int c = 0;
        for (; c + VECTOR <= width; c += VECTOR)
            STORE_VECTOR(LOAD_VECTOR(sums + r * WIDTH + c) * inverse, out + c);
        for (; c < width; ++c)
            out[c] = sums[r * WIDTH + c] * inverse;
    }
}
