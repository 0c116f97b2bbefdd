// The register tile of the integer work-item kernels: MR rows x NR channels of int32 sums in named variables.
//
// Activations are quads of bytes (microkernel/bytes.cl), weights quads of signed bytes, packed [quad][NR] by
// integer_pack.
//
// INTEGER_START(p) declares the sums s_R_J with the biases of the panel at p: rows of NR ints, namely biases,
// multipliers (the bits of floats) and zero points of the weights. TILE_ROWS as in tile.cl; INTEGER_STEP(a, b) adds the
// quads of rows from a on times NR quads of weights at b; INTEGER_STEP_TAIL(a, b, n, whole) the n < 4 bytes
// there, `whole` saying that 4 may be read.
// INTEGER_STORE(...) turns sums into results, applies the epilogue and stores.
//
// Results: microkernel/bytes.cl.
// Tunables: MR, NR, VECTOR as in microkernel/tile.cl; W_ZERO: the zero points of the weights are not all 0 (one more
// sum a row). VNNI: x86 assembly (AVX-512 VNNI), for compilers that take it, with VECTOR 16.
#define TILE_ELEMENT uchar
#define TILE_WEIGHT int
#if defined(VNNI) && !defined(W_ZERO)
#define ASM_INTEGERS
#endif
#include "microkernel/tile.cl"

#include "microkernel/bytes.cl"

#ifdef VNNI
#define WEIGHTS_ONE(r, j) const INTV w_##j = LOAD_VECTOR(tile_w + j * VECTOR);
#define QUADS_OF(r) INTV x_##r = (INTV)(QUAD((tile_a + (r)*tile_row_pitch)));
#define TAILS_OF(r) INTV x_##r = (INTV)(integer_tail((tile_a + (r)*tile_row_pitch), tile_n));
#define DOT(sum, x, w) __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
#define DOT_ONE(r, j) DOT(s_##r##_##j, x_##r, w_##j)
#define DOT_ONES(r, ones) DOT(t_##r, x_##r, ones)
#else
#define WEIGHTS_ONE(r, j)                                                                                              \
    const INTV w_##j = LOAD_VECTOR(tile_w + j * VECTOR);                                                               \
    const INTV w0_##j = (w_##j << 24) >> 24, w1_##j = (w_##j << 16) >> 24, w2_##j = (w_##j << 8) >> 24,                \
               w3_##j = w_##j >> 24;
#define BYTES_OF(r, quad)                                                                                              \
    const int x_##r = (quad);                                                                                          \
    const INTV x0_##r = (INTV)(x_##r & 255), x1_##r = (INTV)((x_##r >> 8) & 255),                                      \
               x2_##r = (INTV)((x_##r >> 16) & 255), x3_##r = (INTV)((x_##r >> 24) & 255);
#define QUADS_OF(r) BYTES_OF(r, QUAD((tile_a + (r)*tile_row_pitch)))
#define TAILS_OF(r) BYTES_OF(r, integer_tail((tile_a + (r)*tile_row_pitch), tile_n))
#define DOT_ONE(r, j) s_##r##_##j += x0_##r * w0_##j + x1_##r * w1_##j + x2_##r * w2_##j + x3_##r * w3_##j;
#define DOT_ONES(r, ones)                                                                                              \
    t_##r += x0_##r * (ones & 1) + x1_##r * ((ones >> 8) & 1) + x2_##r * ((ones >> 16) & 1) + x3_##r * (ones >> 24);
#endif

#ifdef W_ZERO
#define ROW_SUM_ZERO(r) INTV t_##r = (INTV)(0);
#define ROW_SUM(r, ones) DOT_ONES(r, ones)
#define ROW_SUM_TAKEN(r, j) sums -= t_##r * LOAD_VECTOR(tile_p + 2 * NR + j * VECTOR);
#else
#define ROW_SUM_ZERO(r)
#define ROW_SUM(r, ones)
#define ROW_SUM_TAKEN(r, j)
#endif

#define START_ONE(r, j) INTV s_##r##_##j = STARTS(LOAD_VECTOR, tile_p + j * VECTOR, NR);
#define START_ROW(r)                                                                                                   \
    ROW_SUM_ZERO(r)                                                                                                    \
    COLUMNS_OF(START_ONE, r)
#define INTEGER_START(p)                                                                                               \
    __global const int *tile_p = (p);                                                                                  \
    ROWS(START_ROW)

#define DOT_ROW(r)                                                                                                     \
    QUADS_OF(r)                                                                                                        \
    COLUMNS_OF(DOT_ONE, r)                                                                                             \
    ROW_SUM(r, ones)
#define DOT_ROW_TAIL(r)                                                                                                \
    TAILS_OF(r)                                                                                                        \
    COLUMNS_OF(DOT_ONE, r)                                                                                             \
    ROW_SUM(r, ones)
#ifdef ASM_INTEGERS
#define INTEGER_STEP(a, b) TILE_STEP(a, b)
#else
#define INTEGER_STEP(a, b)                                                                                             \
    {                                                                                                                  \
        __global const uchar *tile_a = (a);                                                                            \
        __global const int *tile_w = (b);                                                                              \
        const INTV ones = (INTV)(0x01010101);                                                                          \
        COLUMNS_OF(WEIGHTS_ONE, 0)                                                                                     \
        ROWS(DOT_ROW)                                                                                                  \
    }
#endif
#define INTEGER_STEP_BYTES(a, b, n)                                                                                    \
    {                                                                                                                  \
        __global const uchar *tile_a = (a);                                                                            \
        __global const int *tile_w = (b);                                                                              \
        const int tile_n = (n);                                                                                        \
        const INTV ones = (INTV)(0x01010101 >> (32 - 8 * tile_n));                                                     \
        COLUMNS_OF(WEIGHTS_ONE, 0)                                                                                     \
        ROWS(DOT_ROW_TAIL)                                                                                             \
    }
#ifdef ASM_INTEGERS
#define INTEGER_STEP_TAIL(a, b, n, whole)                                                                              \
    if (whole)                                                                                                         \
        INTEGER_STEP(a, b)                                                                                             \
    else                                                                                                               \
        INTEGER_STEP_BYTES(a, b, n)
#else
#define INTEGER_STEP_TAIL(a, b, n, whole) INTEGER_STEP_BYTES(a, b, n)
#endif

#define TILE_VECTOR(c)                                                                                                 \
    RESULT_VECTOR((__global const float *)(tile_p + NR + (c)), tile_n, tile_d, tile_y, tile_x + row, tile_c + (c))
#define TILE_LANE(c)                                                                                                   \
    RESULT_LANE((__global const float *)(tile_p + NR + (c)), tile_n, tile_d, tile_y, tile_x + row, tile_c + (c))

#define RESULT_ONE(r, j)                                                                                               \
    if (j * VECTOR < tile_valid) {                                                                                     \
        const int row = r;                                                                                             \
        __global OUTPUT *p = tile_out + (long)(r)*tile_pitch + j * VECTOR;                                             \
        INTV sums = s_##r##_##j;                                                                                       \
        ROW_SUM_TAKEN(r, j)                                                                                            \
        TILE_VECTOR(j *VECTOR)                                                                                         \
    }
#define RESULT_ROW(r)                                                                                                  \
    if (r >= tile_first && r < tile_end) {                                                                             \
        COLUMNS_OF(RESULT_ONE, r)                                                                                      \
    }
#define SPILL_SUM(r, j)                                                                                                \
    {                                                                                                                  \
        INTV sums = s_##r##_##j;                                                                                       \
        ROW_SUM_TAKEN(r, j)                                                                                            \
        STORE_VECTOR(sums, tile_sums + r * NR + j * VECTOR);                                                           \
    }
#define SPILL_SUMS(r) COLUMNS_OF(SPILL_SUM, r)
#define INTEGER_STORE_LANES                                                                                            \
    {                                                                                                                  \
        int tile_sums[MR * NR];                                                                                        \
        ROWS(SPILL_SUMS)                                                                                               \
        for (int row = tile_first; row < tile_end; ++row) {                                                            \
            __global OUTPUT *line = tile_out + (long)row * tile_pitch;                                                 \
            int j = 0;                                                                                                 \
            for (; j + VECTOR <= tile_valid; j += VECTOR) {                                                            \
                __global OUTPUT *p = line + j;                                                                         \
                const INTV sums = LOAD_VECTOR(tile_sums + row * NR + j);                                               \
                TILE_VECTOR(j)                                                                                         \
            }                                                                                                          \
            for (; j < tile_valid; ++j) {                                                                              \
                __global OUTPUT *p = line + j;                                                                         \
                const int sum = tile_sums[row * NR + j];                                                               \
                TILE_LANE(j)                                                                                           \
            }                                                                                                          \
        }                                                                                                              \
    }

// Stores rows first ..< end and the first `valid` channels of the tile whose row 0 is output element (n, d, y, x, c) at
// `out`; rows are `pitch` elements apart.
#ifdef EPILOGUE_LOOP
#define INTEGER_STORE_ALL INTEGER_STORE_LANES
#else
#define INTEGER_STORE_ALL                                                                                              \
    if (tile_valid % VECTOR == 0) {                                                                                    \
        ROWS(RESULT_ROW)                                                                                               \
    } else                                                                                                             \
        INTEGER_STORE_LANES
#endif
#define INTEGER_STORE(out, pitch, first, end, valid, n, d, y, x, c)                                                    \
    {                                                                                                                  \
        __global OUTPUT *tile_out = (out);                                                                             \
        const long tile_pitch = (pitch);                                                                               \
        const int tile_first = (first), tile_end = (end), tile_valid = TILE_VALID(valid);                              \
        const int tile_n = (n), tile_d = (d), tile_y = (y), tile_x = (x), tile_c = (c);                                \
        INTEGER_STORE_ALL                                                                                              \
    }
