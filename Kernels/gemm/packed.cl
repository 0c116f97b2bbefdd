// Matrix product C[M, N] = A[M, K] * B[K, N] over a two-level batch (n, d): one work-item computes MR rows x NR
// columns.
//
// a        A at a_offset + n * a_pitch_n + d * a_pitch_d; its element (m, k) by mode:
//            (default)     m * a_pitch + k
//            A_TRANSPOSED  k * a_pitch + m
//            A_PACKED      packed by gemm_pack (width MR): [ceil(M / MR)][K][MR], a_pitch unused
//          Row pitches of a multiple of 4096 bytes, or few cache sets away from it, evict each other: pad or pack.
// b        B at b_offset + n * b_pitch_n + d * b_pitch_d; batch pitch 0 shares it.
//            (default)     packed by gemm_pack (width NR): [ceil(N / NR)][K][NR], offset a multiple of 16, b_pitch
//            unused B_ROWS        element (k, n) at k * b_pitch + n; roundup(N, NR) columns must be readable, of any
//            value
// c        element (m, n) at c_offset + n * c_pitch_n + d * c_pitch_d + m * c_pitch + n; may not alias a or b.
// batch_inner   extent of d. rows = M (>= MR unless A_PACKED), columns = N, depth = K.
//
// Global size, local size (1, 1, 1): dimension 0 = ceil(M / MR); dimension panel_axis (1 or 2) = ceil(N / NR); the
// other of 1 and 2 = batch (n * batch_inner + d). panel_axis 2 suits a shared B, 1 a B of its own for each batch item.
//
// Unless A_PACKED the last tile is shifted to end at M; rows are stored once. Alpha, beta and C of ONNX Gemm are the
// epilogue, in which x is the row and c the column.
// Tunables: MR, NR, VECTOR (microkernel/tile.cl); epilogue: epilogue.cl.
#include "microkernel/tile.cl"

#if defined(A_PACKED)
#define TILE_A(r) a[r]
#define A_STEP MR
#elif defined(A_TRANSPOSED)
#define TILE_A(r) a[r]
#define A_STEP a_pitch
#else
#define TILE_A(r) a[(long)(r)*a_pitch]
#define A_STEP 1
#endif

#ifdef B_ROWS
#define B_STEP b_pitch
#else
#define B_STEP NR
#endif

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
gemm_packed(__global const float *matrix_a, long a_offset, int a_pitch_n, int a_pitch_d, int a_pitch,
            __global const float *matrix_b, long b_offset, int b_pitch_n, int b_pitch_d, int b_pitch,
            __global ELEMENT *matrix_c, long c_offset, int c_pitch_n, int c_pitch_d, int c_pitch, int batch_inner,
            int rows, int columns, int depth, int panel_axis BIAS_ARGUMENTS EPILOGUE_ARGUMENTS) {
    const int panel = get_global_id(panel_axis);
    const int batch = get_global_id(3 - panel_axis);
    const int tile = get_global_id(0);
    const int n = batch / batch_inner, d = batch - n * batch_inner;

    __global const float *a = matrix_a + a_offset + (long)n * a_pitch_n + (long)d * a_pitch_d;
    __global const float *b = matrix_b + b_offset + (long)n * b_pitch_n + (long)d * b_pitch_d;
#ifdef A_PACKED
    const int x = tile * MR, first = 0, end = min(MR, rows - x);
    a += (long)x * depth;
#else
    const int x = min(tile * MR, rows - MR), first = tile * MR - x, end = MR;
#ifdef A_TRANSPOSED
    a += x;
#else
    a += (long)x * a_pitch;
#endif
#endif
#ifdef B_ROWS
    b += panel * NR;
#else
    b += (long)panel * NR * depth;
#endif

    TILE_ZERO
    int k = 0;
    for (; k + 4 <= depth; k += 4) {
        TILE_STEP(b)
        a += A_STEP;
        TILE_STEP(b + B_STEP)
        a += A_STEP;
        TILE_STEP(b + 2 * B_STEP)
        a += A_STEP;
        TILE_STEP(b + 3 * B_STEP)
        a += A_STEP;
        b += 4 * B_STEP;
    }
    for (; k < depth; ++k) {
        TILE_STEP(b)
        a += A_STEP;
        b += B_STEP;
    }

    const int c = panel * NR;
    __global ELEMENT *out = matrix_c + c_offset + (long)n * c_pitch_n + (long)d * c_pitch_d + (long)x * c_pitch + c;
    TILE_STORE(out, c_pitch, first, end, columns - c, n, d, 0, x, c)
}
