// Matrix product C[M, N] = A[M, K] * B[K, N] over a two-level batch (n, d): one work-item computes rows_per_item rows x
// NR columns, MR rows at a time and what is left by fewer.
//
// a        A at a_offset + n * a_pitch_n + d * a_pitch_d; its element (m, k) by mode:
//            (default)     m * a_pitch + k
//            A_PACKED      packed by gemm_pack (width MR): [ceil(M / MR)][K][MR], a_pitch unused
//          floats; with BF16_PAIRS (microkernel/tile.cl) bfloat16, never packed.
// b        B at b_offset + n * b_pitch_n + d * b_pitch_d, packed by gemm_pack (width NR): [ceil(N / NR)][K][NR], with
//          BF16_PAIRS by gemm_pack_pairs; batch pitch 0 shares it.
// c        element (m, n) at c_offset + n * c_pitch_n + d * c_pitch_d + m * c_pitch + n; may not alias a or b.
// batch_inner   extent of d. rows = M, columns = N, depth = K. rows_per_item is a multiple of MR.
// ahead    with PREFETCH: elements (pairs) of the next panel of B to ask for in four steps of the K loop.
//
// Global size, local size (1, 1, 1): dimension 0 = ceil(M / rows_per_item); dimension panel_axis (1 or 2) = ceil(N /
// NR); the other of 1 and 2 = batch (n * batch_inner + d). panel_axis 2 suits a shared B, 1 a B of its own for each
// batch item.
//
// Alpha, beta and C of ONNX Gemm are the epilogue, in which x is the row and c the column.
// Tunables: MR, NR, VECTOR (microkernel/tile.cl), PREFETCH for compilers of the GCC family; epilogue: epilogue.cl.
#ifndef BF16_PAIRS
#define TILE_FLOATS
#endif
#include "microkernel/tile.cl"

#ifdef A_PACKED
enum { packed_width = MR };
#define A_STEP packed_width
#define A_PITCH 1
#else
#define A_STEP K_STEP
#define A_PITCH a_pitch
#endif

#ifdef PREFETCH
#define ASK_AHEAD                                                                                                      \
    __builtin_prefetch((const void *)(size_t)next, 0, 2);                                                              \
    next += ahead;
#else
#define ASK_AHEAD
#endif

#ifdef BF16_PAIRS
#define LAST_STEP(a, b)                                                                                                \
    if (k < depth)                                                                                                     \
    TILE_LAST(a, b)
#else
#define LAST_STEP(a, b)
#endif

// Rows x ..< x + MR of the panel.
#define PRODUCT(STORE)                                                                                                 \
    {                                                                                                                  \
        __global const TILE_ELEMENT *a = first_a + (long)x * A_ROW;                                                    \
        __global const TILE_WEIGHT *b = panel_b;                                                                       \
        TILE_ZERO                                                                                                      \
        int k = 0;                                                                                                     \
        for (; k + 4 * K_STEP <= depth; k += 4 * K_STEP) {                                                             \
            ASK_AHEAD                                                                                                  \
            TILE_STEP(a, b)                                                                                            \
            a += A_STEP;                                                                                               \
            TILE_STEP(a, b + NR)                                                                                       \
            a += A_STEP;                                                                                               \
            TILE_STEP(a, b + 2 * NR)                                                                                   \
            a += A_STEP;                                                                                               \
            TILE_STEP(a, b + 3 * NR)                                                                                   \
            a += A_STEP;                                                                                               \
            b += 4 * NR;                                                                                               \
        }                                                                                                              \
        for (; k + K_STEP <= depth; k += K_STEP) {                                                                     \
            TILE_STEP(a, b)                                                                                            \
            a += A_STEP;                                                                                               \
            b += NR;                                                                                                   \
        }                                                                                                              \
        LAST_STEP(a, b)                                                                                                \
        STORE(out + (long)x * c_pitch, c_pitch, 0, min(MR, end - x), columns - c, n, d, 0, x, c)                       \
    }

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
gemm_packed(__global const TILE_ELEMENT *matrix_a, long a_offset, int a_pitch_n, int a_pitch_d, int a_pitch,
            __global const TILE_WEIGHT *matrix_b, long b_offset, int b_pitch_n, int b_pitch_d,
            __global RESULT *matrix_c, long c_offset, int c_pitch_n, int c_pitch_d, int c_pitch, int batch_inner,
            int rows, int columns, int depth, int rows_per_item, int ahead,
            int panel_axis BIAS_ARGUMENTS EPILOGUE_ARGUMENTS) {
    const int panel = get_global_id(panel_axis);
    const int batch = get_global_id(3 - panel_axis);
    const int n = batch / batch_inner, d = batch - n * batch_inner;
    const int c = panel * NR;
    __global const TILE_ELEMENT *first_a = matrix_a + a_offset + (long)n * a_pitch_n + (long)d * a_pitch_d;
    const int steps = (depth + K_STEP - 1) / K_STEP;
    __global const TILE_WEIGHT *panel_b =
        matrix_b + b_offset + (long)n * b_pitch_n + (long)d * b_pitch_d + (long)panel * NR * steps;
    __global RESULT *out = matrix_c + c_offset + (long)n * c_pitch_n + (long)d * c_pitch_d + c;
    TILE_ROWS(A_PITCH)
    int x = (int)get_global_id(0) * rows_per_item;
    const int end = min(x + rows_per_item, rows);
#ifdef PREFETCH
    __global const TILE_WEIGHT *next =
        panel_b + (c + NR < columns ? (long)NR * steps : 0) + (long)(x / MR) * (depth / (4 * K_STEP)) * ahead;
#endif
#ifdef A_PACKED
#define A_ROW depth
    for (; x < end; x += MR)
        PRODUCT(TILE_STORE)
#else
#define A_ROW a_pitch
    for (; x + MR <= end; x += MR)
        PRODUCT(TILE_STORE)
#if MR > 4
#undef MR
#define MR 4
    for (; x + MR <= end; x += MR)
        PRODUCT(TILE_STORE_LOOP)
#endif
#undef MR
#define MR 1
    for (; x < end; ++x)
        PRODUCT(TILE_STORE_LOOP)
#endif
}
