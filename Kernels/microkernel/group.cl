// The tile of the work-group kernels: TILE_M rows x TILE_N columns computed by GROUP_M x GROUP_N work-items from
// operands staged TILE_K steps at a time in local memory.
//
// Each work-item owns ITEM_M neighbouring rows and ITEM_N vectors of VECTOR neighbouring columns: row item_m * ITEM_M +
// i, columns (j * GROUP_N + item_n) * VECTOR ... of the tile. While a step is multiplied the next one is on its way in
// registers: fetch_a[A_FETCHES], fetch_b[B_FETCHES]. Local size: (GROUP_N, GROUP_M, 1).
//
// A kernel fills GROUP_FETCH_A(k0) and GROUP_FETCH_B(k0), which set the fetch registers for steps k0 ..< k0 + TILE_K
// from the elements that GROUP_A_K, GROUP_A_M, GROUP_B_K, GROUP_B_N name for fetch number i, then runs
// GROUP_MULTIPLY(depth).
//
// GROUP_INTEGERS: operands are quads of bytes in ints, unsigned ones of rows by signed ones of columns, sums int32;
// W_ZERO: row_sum[i] is the sum of the bytes of a row. Kernels of integers store their results themselves.
//
// Tunables: TILE_M, TILE_N, TILE_K, GROUP_M, GROUP_N, VECTOR (2, 4, 8, 16). TILE_M is a multiple of GROUP_M, TILE_N of
// GROUP_N * VECTOR, TILE_M * TILE_K and TILE_K * TILE_N of GROUP_M * GROUP_N.
#ifndef VECTOR
#define VECTOR 4
#endif
#include "microkernel/lanes.cl"
#include "epilogue.cl"

#ifndef TILE_M
#define TILE_M 64
#endif
#ifndef TILE_N
#define TILE_N 64
#endif
#ifndef TILE_K
#define TILE_K 16
#endif
#ifndef GROUP_M
#define GROUP_M 8
#endif
#ifndef GROUP_N
#define GROUP_N 8
#endif

#define THREADS (GROUP_M * GROUP_N)
#define ITEM_M (TILE_M / GROUP_M)
#define ITEM_N (TILE_N / GROUP_N / VECTOR)
#define A_FETCHES (TILE_M * TILE_K / THREADS)
#define B_FETCHES (TILE_K * TILE_N / THREADS)
#define PITCH_A (TILE_M + 4)

#if TILE_M % GROUP_M || TILE_N % (GROUP_N * VECTOR) || TILE_M * TILE_K % THREADS || TILE_K * TILE_N % THREADS
#error the tile does not divide among the work-items
#endif

// The element that work-item `local_id` fetches as number i. *_K_MAJOR: neighbours fetch neighbours along k.
#ifdef A_M_MAJOR
#define GROUP_A_M(i) ((local_id + (i)*THREADS) % TILE_M)
#define GROUP_A_K(i) ((local_id + (i)*THREADS) / TILE_M)
#else
#define GROUP_A_M(i) ((local_id + (i)*THREADS) / TILE_K)
#define GROUP_A_K(i) ((local_id + (i)*THREADS) % TILE_K)
#endif
#ifdef B_K_MAJOR
#define GROUP_B_N(i) ((local_id + (i)*THREADS) / TILE_K)
#define GROUP_B_K(i) ((local_id + (i)*THREADS) % TILE_K)
#else
#define GROUP_B_N(i) ((local_id + (i)*THREADS) % TILE_N)
#define GROUP_B_K(i) ((local_id + (i)*THREADS) / TILE_N)
#endif

#ifdef GROUP_INTEGERS
#define STAGED int
#define STAGEDV CONCATENATE(int, VECTOR)
#define MULTIPLY_ADD(a, b, sum)                                                                                        \
    ((sum) + ((a)&255) * (((b) << 24) >> 24) + (((a) >> 8) & 255) * (((b) << 16) >> 24) +                              \
     (((a) >> 16) & 255) * (((b) << 8) >> 24) + (((a) >> 24) & 255) * ((b) >> 24))
#else
#define STAGED float
#define STAGEDV FLOATV
#define MULTIPLY_ADD(a, b, sum) fma(a, b, sum)
#endif
#if defined(GROUP_INTEGERS) && defined(W_ZERO)
#define ROW_SUMS_ZERO                                                                                                  \
    int row_sum[ITEM_M];                                                                                               \
    for (int i = 0; i < ITEM_M; ++i)                                                                                   \
        row_sum[i] = 0;
#define ROW_SUM_ADD(i, quad)                                                                                           \
    row_sum[i] += ((quad)&255) + (((quad) >> 8) & 255) + (((quad) >> 16) & 255) + (((quad) >> 24) & 255);
#else
#define ROW_SUMS_ZERO
#define ROW_SUM_ADD(i, quad)
#endif

#define GROUP_DECLARE                                                                                                  \
    __local STAGED stage_a[TILE_K * PITCH_A] __attribute__((aligned(16)));                                             \
    __local STAGED stage_b[TILE_K * TILE_N] __attribute__((aligned(16)));                                              \
    const int item_n = get_local_id(0), item_m = get_local_id(1);                                                      \
    const int local_id = item_m * GROUP_N + item_n;                                                                    \
    STAGED fetch_a[A_FETCHES], fetch_b[B_FETCHES];                                                                     \
    STAGEDV acc[ITEM_M][ITEM_N];                                                                                       \
    for (int i = 0; i < ITEM_M; ++i)                                                                                   \
        for (int j = 0; j < ITEM_N; ++j)                                                                               \
            acc[i][j] = (STAGEDV)(0);                                                                                  \
    ROW_SUMS_ZERO

#define GROUP_STAGE                                                                                                    \
    for (int i = 0; i < A_FETCHES; ++i)                                                                                \
        stage_a[GROUP_A_K(i) * PITCH_A + GROUP_A_M(i)] = fetch_a[i];                                                   \
    for (int i = 0; i < B_FETCHES; ++i)                                                                                \
        stage_b[GROUP_B_K(i) * TILE_N + GROUP_B_N(i)] = fetch_b[i];

#define GROUP_STEP                                                                                                     \
    for (int k = 0; k < TILE_K; ++k) {                                                                                 \
        STAGEDV b[ITEM_N];                                                                                             \
        for (int j = 0; j < ITEM_N; ++j)                                                                               \
            b[j] = LOAD_VECTOR(stage_b + k * TILE_N + (j * GROUP_N + item_n) * VECTOR);                                \
        for (int i = 0; i < ITEM_M; ++i) {                                                                             \
            const STAGEDV a = (STAGEDV)(stage_a[k * PITCH_A + item_m * ITEM_M + i]);                                   \
            for (int j = 0; j < ITEM_N; ++j)                                                                           \
                acc[i][j] = MULTIPLY_ADD(a, b[j], acc[i][j]);                                                          \
            ROW_SUM_ADD(i, stage_a[k * PITCH_A + item_m * ITEM_M + i])                                                 \
        }                                                                                                              \
    }

#define GROUP_MULTIPLY(depth)                                                                                          \
    GROUP_FETCH_A(0)                                                                                                   \
    GROUP_FETCH_B(0)                                                                                                   \
    for (int k0 = 0; k0 < (depth); k0 += TILE_K) {                                                                     \
        barrier(CLK_LOCAL_MEM_FENCE);                                                                                  \
        GROUP_STAGE                                                                                                    \
        barrier(CLK_LOCAL_MEM_FENCE);                                                                                  \
        if (k0 + TILE_K < (depth)) {                                                                                   \
            GROUP_FETCH_A(k0 + TILE_K)                                                                                 \
            GROUP_FETCH_B(k0 + TILE_K)                                                                                 \
        }                                                                                                              \
        GROUP_STEP                                                                                                     \
    }

// Applies the epilogue to row i of the work-item at output pixel (n, d, y, x) and stores it to `out`, the address of
// channel `first_c` + column 0 of the tile; columns from `valid` on are dropped.
#ifdef CHANNELS_PADDED
#define GROUP_VALID(valid) (((valid) + VECTOR - 1) / VECTOR * VECTOR)
#else
#define GROUP_VALID(valid) (valid)
#endif
#define GROUP_STORE_ROW(i, out, first_c, valid, n, d, y, x)                                                            \
    for (int j = 0; j < ITEM_N; ++j) {                                                                                 \
        const int column = (j * GROUP_N + item_n) * VECTOR;                                                            \
        if (column + VECTOR <= GROUP_VALID(valid)) {                                                                   \
            FLOATV v = acc[i][j];                                                                                      \
            EPILOGUE_ALL(FLOATV, LOAD_VECTOR, v, n, d, y, x, (first_c) + column)                                       \
            STORE_VECTOR_RESULT(v, (out) + column);                                                                    \
        } else if (column < (valid)) {                                                                                 \
            float lanes[VECTOR];                                                                                       \
            STORE_VECTOR(acc[i][j], lanes);                                                                            \
            for (int lane = 0; column + lane < (valid); ++lane) {                                                      \
                float v = lanes[lane];                                                                                 \
                EPILOGUE_ALL(float, LOAD_LANE, v, n, d, y, x, (first_c) + column + lane)                               \
                STORE_LANE_RESULT(v, (out) + column + lane);                                                           \
            }                                                                                                          \
        }                                                                                                              \
    }
