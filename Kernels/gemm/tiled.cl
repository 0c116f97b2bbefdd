// Matrix product C[M, N] = A[M, K] * B[K, N] over a two-level batch (n, d): one work-group computes TILE_M x TILE_N.
// For devices with local memory and many work-items; nothing is packed.
//
// a        element (m, k) at a_offset + n * a_pitch_n + d * a_pitch_d + m * a_pitch + k, or k * a_pitch + m with
//          A_TRANSPOSED. Batch pitch 0 shares the matrix.
// b        element (k, n) at b_offset + n * b_pitch_n + d * b_pitch_d + k * b_pitch + n, or n * b_pitch + k with
//          B_TRANSPOSED.
// c        element (m, n) at c_offset + n * c_pitch_n + d * c_pitch_d + m * c_pitch + n; may not alias a or b.
// batch_inner   extent of d. rows = M, columns = N, depth = K. Nothing outside the matrices is read.
//
// Global size: (ceil(N / TILE_N) * GROUP_N, ceil(M / TILE_M) * GROUP_M, batch), batch item = n * batch_inner + d; local
// size (GROUP_N, GROUP_M, 1). Alpha, beta and C of ONNX Gemm are the epilogue, in which x is the row and c the column.
// Tunables: microkernel/group.cl. Epilogue: epilogue.cl.
#ifdef A_TRANSPOSED
#define A_M_MAJOR
#endif
#ifdef B_TRANSPOSED
#define B_K_MAJOR
#endif
#include "microkernel/group.cl"

#ifdef A_TRANSPOSED
#define ELEMENT_A(m, k) LOAD_LANE_ELEMENT(a + (long)(k)*a_pitch + (m))
#else
#define ELEMENT_A(m, k) LOAD_LANE_ELEMENT(a + (long)(m)*a_pitch + (k))
#endif
#ifdef B_TRANSPOSED
#define ELEMENT_B(k, n) LOAD_LANE_ELEMENT(b + (long)(n)*b_pitch + (k))
#else
#define ELEMENT_B(k, n) LOAD_LANE_ELEMENT(b + (long)(k)*b_pitch + (n))
#endif

#define GROUP_FETCH_A(k0)                                                                                              \
    for (int i = 0; i < A_FETCHES; ++i) {                                                                              \
        const int m = first_m + GROUP_A_M(i), k = (k0) + GROUP_A_K(i);                                                 \
        fetch_a[i] = m < rows && k < depth ? ELEMENT_A(m, k) : 0.0f;                                                   \
    }
#define GROUP_FETCH_B(k0)                                                                                              \
    for (int i = 0; i < B_FETCHES; ++i) {                                                                              \
        const int column = first_n + GROUP_B_N(i), k = (k0) + GROUP_B_K(i);                                            \
        fetch_b[i] = column < columns && k < depth ? ELEMENT_B(k, column) : 0.0f;                                      \
    }

__kernel __attribute__((reqd_work_group_size(GROUP_N, GROUP_M, 1))) void
gemm_tiled(__global const ELEMENT *matrix_a, long a_offset, int a_pitch_n, int a_pitch_d, int a_pitch,
           __global const ELEMENT *matrix_b, long b_offset, int b_pitch_n, int b_pitch_d, int b_pitch,
           __global RESULT *matrix_c, long c_offset, int c_pitch_n, int c_pitch_d, int c_pitch, int batch_inner,
           int rows, int columns, int depth BIAS_ARGUMENTS EPILOGUE_ARGUMENTS) {
    GROUP_DECLARE
    const int first_n = get_group_id(0) * TILE_N, first_m = get_group_id(1) * TILE_M;
    const int n = (int)get_group_id(2) / batch_inner, d = (int)get_group_id(2) - n * batch_inner;
    __global const ELEMENT *a = matrix_a + a_offset + (long)n * a_pitch_n + (long)d * a_pitch_d;
    __global const ELEMENT *b = matrix_b + b_offset + (long)n * b_pitch_n + (long)d * b_pitch_d;

    GROUP_MULTIPLY(depth)

    __global RESULT *out = matrix_c + c_offset + (long)n * c_pitch_n + (long)d * c_pitch_d + first_n;
    for (int i = 0; i < ITEM_M; ++i) {
        const int x = first_m + item_m * ITEM_M + i;
        if (x < rows) {
            GROUP_STORE_ROW(i, out + (long)x * c_pitch, first_n, columns - first_n, n, d, 0, x)
        }
    }
}
