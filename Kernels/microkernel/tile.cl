// The register tile of the work-item kernels: MR rows x NR channels of accumulators in named variables.
//
// TILE_ZERO declares the accumulators acc_R_J (row R, channels J * VECTOR ...). TILE_ROWS(pitch), once before the K
// loop, says that rows lie `pitch` elements apart. TILE_STEP(a, b) adds one step of the K loop: a points at the element
// of row 0 in memory of TILE_SPACE (an ELEMENT; a float with TILE_FLOATS), b at NR weights, floats. TILE_STORE(...)
// applies the epilogue and stores.
//
// ASM_TILE, BF16_PAIRS: steps are written in instructions, see microkernel/multiply.cl. With BF16_PAIRS a step
// multiplies two neighbouring bfloat16 of the K loop, K_STEP elements: b points at NR pairs of weights, the even one in
// the low half of a uint; TILE_LAST(a, b) adds a single last element of the K loop.
//
// TILE_SCALED: a step multiplies its weights by *tile_scale++, a pointer of the kernel to floats; NR is 3 * VECTOR at
// most, elements are floats.
//
// Tunables: MR, 1 ... 28; NR, a multiple of VECTOR up to 4 * VECTOR. MR * NR / VECTOR + NR / VECTOR + 1 vectors should
// fit the register file.
#include "microkernel/lanes.cl"
#include "epilogue.cl"

#ifndef MR
#define MR 14
#endif
#ifndef NR
#define NR 32
#endif

#define ROWS_1(F) F(0)
#define ROWS_2(F) ROWS_1(F) F(1)
#define ROWS_3(F) ROWS_2(F) F(2)
#define ROWS_4(F) ROWS_3(F) F(3)
#define ROWS_5(F) ROWS_4(F) F(4)
#define ROWS_6(F) ROWS_5(F) F(5)
#define ROWS_7(F) ROWS_6(F) F(6)
#define ROWS_8(F) ROWS_7(F) F(7)
#define ROWS_9(F) ROWS_8(F) F(8)
#define ROWS_10(F) ROWS_9(F) F(9)
#define ROWS_11(F) ROWS_10(F) F(10)
#define ROWS_12(F) ROWS_11(F) F(11)
#define ROWS_13(F) ROWS_12(F) F(12)
#define ROWS_14(F) ROWS_13(F) F(13)
#define ROWS_15(F) ROWS_14(F) F(14)
#define ROWS_16(F) ROWS_15(F) F(15)
#define ROWS_17(F) ROWS_16(F) F(16)
#define ROWS_18(F) ROWS_17(F) F(17)
#define ROWS_19(F) ROWS_18(F) F(18)
#define ROWS_20(F) ROWS_19(F) F(19)
#define ROWS_21(F) ROWS_20(F) F(20)
#define ROWS_22(F) ROWS_21(F) F(21)
#define ROWS_23(F) ROWS_22(F) F(22)
#define ROWS_24(F) ROWS_23(F) F(23)
#define ROWS_25(F) ROWS_24(F) F(24)
#define ROWS_26(F) ROWS_25(F) F(25)
#define ROWS_27(F) ROWS_26(F) F(26)
#define ROWS_28(F) ROWS_27(F) F(27)
#define ROWS(F) CONCATENATE(ROWS_, MR)(F)

#if NR == VECTOR
#define COLUMNS_OF(F, r) F(r, 0)
#elif NR == 2 * VECTOR
#define COLUMNS_OF(F, r) F(r, 0) F(r, 1)
#elif NR == 3 * VECTOR
#define COLUMNS_OF(F, r) F(r, 0) F(r, 1) F(r, 2)
#elif NR == 4 * VECTOR
#define COLUMNS_OF(F, r) F(r, 0) F(r, 1) F(r, 2) F(r, 3)
#else
#error NR must be 1 to 4 times VECTOR
#endif

#define ZERO_ONE(r, j) FLOATV acc_##r##_##j = (FLOATV)(0.0f);
#define ZERO_ROW(r) COLUMNS_OF(ZERO_ONE, r)
#define TILE_ZERO ROWS(ZERO_ROW)

#ifdef BF16_PAIRS
#define TILE_WEIGHT uint
#define K_STEP 2
#define LAST_ONE(r, j) __asm__("vdpbf16ps %2, %1, %0" : "+v"(acc_##r##_##j) : "v"(weights_##j), "v"(scalar));
#define LAST_ROW(r)                                                                                                    \
    {                                                                                                                  \
        const uint16 scalar = (uint16)(uint)(tile_a)[(r)*tile_row_pitch];                                              \
        COLUMNS_OF(LAST_ONE, r)                                                                                        \
    }
#define TILE_LAST(a, b)                                                                                                \
    {                                                                                                                  \
        __global const ELEMENT *tile_a = (a);                                                                          \
        __global const TILE_WEIGHT *tile_b = (b);                                                                      \
        COLUMNS_OF(LOAD_ONE, 0)                                                                                        \
        ROWS(LAST_ROW)                                                                                                 \
    }
#else
#ifndef TILE_WEIGHT
#define TILE_WEIGHT float
#endif
#define K_STEP 1
#endif

#ifndef TILE_SPACE
#define TILE_SPACE __global
#endif
#ifdef TILE_FLOATS
#define TILE_ELEMENT float
#define TILE_LOAD LOAD_LANE
#else
#ifndef TILE_ELEMENT
#define TILE_ELEMENT ELEMENT
#endif
#define TILE_LOAD LOAD_LANE_ELEMENT
#endif
#ifdef TILE_SCALED
#define NEXT_SCALE const FLOATV tile_factor = (FLOATV)(*tile_scale++);
#define SCALED(weights) ((weights)*tile_factor)
#else
#define NEXT_SCALE
#define SCALED(weights) (weights)
#endif
#if defined(ASM_TILE) || defined(BF16_PAIRS) || defined(ASM_INTEGERS)
#include "microkernel/multiply.cl"
#else
#define TILE_ROWS(pitch) const long tile_row_pitch = (pitch);
#define LOAD_ONE(r, j) const FLOATV weights_##j = SCALED(LOAD_VECTOR(tile_b + j * VECTOR));
#define LOAD_COLUMNS NEXT_SCALE COLUMNS_OF(LOAD_ONE, 0)
#define STEP_ONE(r, j) acc_##r##_##j = fma(scalar_##r, weights_##j, acc_##r##_##j);
#define STEP_ROW(r)                                                                                                    \
    const FLOATV scalar_##r = (FLOATV)(TILE_LOAD(tile_a + (r)*tile_row_pitch));                                        \
    COLUMNS_OF(STEP_ONE, r)
#endif
#define TILE_STEP(a, b)                                                                                                \
    {                                                                                                                  \
        TILE_SPACE const TILE_ELEMENT *tile_a = (a);                                                                   \
        __global const TILE_WEIGHT *tile_b = (b);                                                                      \
        LOAD_COLUMNS                                                                                                   \
        ROWS(STEP_ROW)                                                                                                 \
    }

#define STORE_ONE(r, j)                                                                                                \
    if (j * VECTOR < tile_valid) {                                                                                     \
        FLOATV v = acc_##r##_##j;                                                                                      \
        EPILOGUE_ALL(FLOATV, LOAD_VECTOR, v, tile_n, tile_d, tile_y, tile_x + r, tile_c + j * VECTOR)                  \
        STORE_VECTOR_RESULT(v, tile_out + (long)(r)*tile_pitch + j * VECTOR);                                          \
    }
#define STORE_ROW(r)                                                                                                   \
    if (r >= tile_first && r < tile_end) {                                                                             \
        COLUMNS_OF(STORE_ONE, r)                                                                                       \
    }
#define SPILL_ONE(r, j) STORE_VECTOR(acc_##r##_##j, tile_lanes + r * NR + j * VECTOR);
#define SPILL_ROW(r) COLUMNS_OF(SPILL_ONE, r)
#define TILE_STORE_LANES                                                                                               \
    {                                                                                                                  \
        float tile_lanes[MR * NR] __attribute__((aligned(64)));                                                        \
        ROWS(SPILL_ROW)                                                                                                \
        for (int r = tile_first; r < tile_end; ++r) {                                                                  \
            int j = 0;                                                                                                 \
            for (; j + VECTOR <= tile_valid; j += VECTOR) {                                                            \
                FLOATV v = LOAD_VECTOR(tile_lanes + r * NR + j);                                                       \
                EPILOGUE_ALL(FLOATV, LOAD_VECTOR, v, tile_n, tile_d, tile_y, tile_x + r, tile_c + j)                   \
                STORE_VECTOR_RESULT(v, tile_out + (long)(r)*tile_pitch + j);                                           \
            }                                                                                                          \
            for (; j < tile_valid; ++j) {                                                                              \
                float v = tile_lanes[r * NR + j];                                                                      \
                EPILOGUE_ALL(float, LOAD_LANE, v, tile_n, tile_d, tile_y, tile_x + r, tile_c + j)                      \
                STORE_LANE_RESULT(v, tile_out + (long)(r)*tile_pitch + j);                                             \
            }                                                                                                          \
        }                                                                                                              \
    }

#ifdef CHANNELS_PADDED
#define TILE_VALID(valid) min(NR, ((valid) + VECTOR - 1) / VECTOR * VECTOR)
#else
#define TILE_VALID(valid) min(NR, (valid))
#endif

// Stores rows first ..< end and the first `valid` channels of the tile whose row 0 is output element (n, d, y, x, c) at
// `out`; rows are `pitch` elements apart. TILE_STORE_LOOP is the shorter text of the two.
#ifdef EPILOGUE_LOOP
#define TILE_STORE_ALL TILE_STORE_LANES
#else
#define TILE_STORE_ALL                                                                                                 \
    if (tile_valid % VECTOR == 0) {                                                                                    \
        ROWS(STORE_ROW)                                                                                                \
    } else                                                                                                             \
        TILE_STORE_LANES
#endif
#define TILE_STORE_BY(ALL, out, pitch, first, end, valid, n, d, y, x, c)                                               \
    {                                                                                                                  \
        __global RESULT *tile_out = (out);                                                                             \
        const long tile_pitch = (pitch);                                                                               \
        const int tile_first = (first), tile_end = (end), tile_valid = TILE_VALID(valid);                              \
        const int tile_n = (n), tile_d = (d), tile_y = (y), tile_x = (x), tile_c = (c);                                \
        ALL                                                                                                            \
    }
#define TILE_STORE(out, pitch, first, end, valid, n, d, y, x, c)                                                       \
    TILE_STORE_BY(TILE_STORE_ALL, out, pitch, first, end, valid, n, d, y, x, c)
#define TILE_STORE_LOOP(out, pitch, first, end, valid, n, d, y, x, c)                                                  \
    TILE_STORE_BY(TILE_STORE_LANES, out, pitch, first, end, valid, n, d, y, x, c)
