// Softmax or its logarithm along one axis of real tensors, computed in float; input and output may be the same memory.
//
// Row (i0, i1, i2, i3), i < n, holds `count` elements, `step_x` apart from input + sum i * px on, `step_y` apart from
// output + sum i * py on.
// reduction_softmax: a work-item computes `units_per_item` of `units`: segments of `segment` neighbours along i3.
// Global size: units / units_per_item, rounded up; any local size. reduction_softmax_group: a work-group of GROUP
// computes one row. Global size: rows * GROUP. Tunables: VECTOR, lanes; COLUMNS where px3 = py3 = 1; ROWS where step_x
// = step_y = 1; LOGARITHM; GROUP.
#include "microkernel/folds.cl"

// Elements of 16 bits do not hold the terms precisely enough: they are computed again.
#if defined(STORAGE_HALF) || defined(STORAGE_BFLOAT)
#define SOFTMAX_KEEP(statement)
#ifdef LOGARITHM
#define SOFTMAX_TERM(LOAD, p, q) (LOAD##_ELEMENT(p) - shift)
#else
#define SOFTMAX_TERM(LOAD, p, q) exp(LOAD##_ELEMENT(p) - shift)
#endif
#else
#define SOFTMAX_KEEP(statement) statement;
#define SOFTMAX_TERM(LOAD, p, q) LOAD(q)
#endif

#define SOFTMAX_PARAMETERS                                                                                             \
    __global const ELEMENT *input, long input_offset, __global ELEMENT *output, long output_offset, int n0, int n1,    \
        int n2, int n3, int px0, int px1, int px2, int px3, int py0, int py1, int py2, int py3, int count, int step_x, \
        int step_y

float softmax_larger(float a, float b) { return b > a || isnan(b) ? b : a; }

#ifdef ROWS
static void softmax_row(__global const ELEMENT *p, __global ELEMENT *q, int count, int step_x, int step_y) {
    FLOATV most = (FLOATV)(-INFINITY);
    int j = 0;
    for (; j + VECTOR <= count; j += VECTOR) {
        const FLOATV x = LOAD_VECTOR_ELEMENT(p + j);
        most = select(most, x, (x > most) | isnan(x));
    }
    float lanes[VECTOR];
    STORE_VECTOR(most, lanes);
    float shift = -INFINITY;
    for (int i = 0; i < VECTOR; ++i)
        shift = softmax_larger(shift, lanes[i]);
    for (; j < count; ++j)
        shift = softmax_larger(shift, LOAD_LANE_ELEMENT(p + j));
    float total = 0.0f;
    j = 0;
    while (j + VECTOR <= count) {
        FLOATV block = (FLOATV)(0.0f);
        const int end = min(j + 64 * VECTOR, count);
        for (; j + VECTOR <= end; j += VECTOR) {
#ifdef LOGARITHM
            const FLOATV x = LOAD_VECTOR_ELEMENT(p + j) - shift;
            block += exp(x);
#else
            const FLOATV x = exp(LOAD_VECTOR_ELEMENT(p + j) - shift);
            block += x;
#endif
            SOFTMAX_KEEP(STORE_VECTOR(x, q + j))
        }
        total += sum_of_lanes(block);
    }
    for (; j < count; ++j) {
#ifdef LOGARITHM
        const float x = LOAD_LANE_ELEMENT(p + j) - shift;
        total += exp(x);
#else
        const float x = exp(LOAD_LANE_ELEMENT(p + j) - shift);
        total += x;
#endif
        SOFTMAX_KEEP(q[j] = x)
    }
#ifdef LOGARITHM
    const float logarithm = log(total);
    for (j = 0; j + VECTOR <= count; j += VECTOR)
        STORE_VECTOR_ELEMENT(SOFTMAX_TERM(LOAD_VECTOR, p + j, q + j) - logarithm, q + j);
    for (; j < count; ++j)
        STORE_LANE_ELEMENT(SOFTMAX_TERM(LOAD_LANE, p + j, q + j) - logarithm, q + j);
#else
    for (j = 0; j + VECTOR <= count; j += VECTOR)
        STORE_VECTOR_ELEMENT(SOFTMAX_TERM(LOAD_VECTOR, p + j, q + j) / total, q + j);
    for (; j < count; ++j)
        STORE_LANE_ELEMENT(SOFTMAX_TERM(LOAD_LANE, p + j, q + j) / total, q + j);
#endif
}
#else
#define SOFTMAX_STRIDED(NAME, T, LOAD, STORE)                                                                          \
    void NAME(__global const ELEMENT *p, __global ELEMENT *q, int count, int step_x, int step_y) {                     \
        T shift = (T)(-INFINITY), total = (T)(0.0f), error = (T)(0.0f);                                                \
        for (int j = 0; j < count; ++j) {                                                                              \
            const T x = LOAD##_ELEMENT(p + (long)j * step_x);                                                          \
            shift = select(shift, x, (x > shift) | isnan(x));                                                          \
        }                                                                                                              \
        for (int j = 0; j < count; ++j) {                                                                              \
            const T x = LOAD##_ELEMENT(p + (long)j * step_x) - shift;                                                  \
            const T e = exp(x);                                                                                        \
            const T term = e - error, sum = total + term;                                                              \
            error = (sum - total) - term;                                                                              \
            total = sum;                                                                                               \
            SOFTMAX_KEEP(STORE(SOFTMAX_KEPT(x, e), q + (long)j * step_y))                                              \
        }                                                                                                              \
        const T divisor = SOFTMAX_DIVISOR(total);                                                                      \
        for (int j = 0; j < count; ++j) {                                                                              \
            const T x = SOFTMAX_TERM(LOAD, p + (long)j * step_x, q + (long)j * step_y);                                \
            STORE##_ELEMENT(SOFTMAX_RESULT(x, divisor), q + (long)j * step_y);                                         \
        }                                                                                                              \
    }
#ifdef LOGARITHM
#define SOFTMAX_KEPT(x, e) (x)
#define SOFTMAX_DIVISOR(total) log(total)
#define SOFTMAX_RESULT(x, divisor) ((x) - (divisor))
#else
#define SOFTMAX_KEPT(x, e) (e)
#define SOFTMAX_DIVISOR(total) (total)
#define SOFTMAX_RESULT(x, divisor) ((x) / (divisor))
#endif
SOFTMAX_STRIDED(softmax_row, float, LOAD_LANE, STORE_LANE)
#ifdef COLUMNS
SOFTMAX_STRIDED(softmax_columns, FLOATV, LOAD_VECTOR, STORE_VECTOR)
#endif
#endif

__kernel void reduction_softmax(SOFTMAX_PARAMETERS, int segment, int segments, int units, int units_per_item) {
    const int first = (int)get_global_id(0) * units_per_item;
    const int last = min(first + units_per_item, units);
    for (int unit = first; unit < last; ++unit) {
        const int row = unit / segments;
        int i = (unit - row * segments) * segment;
        const int end = min(i + segment, n3);
        const int i2 = row % n2, i1 = row / n2 % n1, i0 = row / n2 / n1;
        __global const ELEMENT *p = input + input_offset + (long)i0 * px0 + (long)i1 * px1 + (long)i2 * px2;
        __global ELEMENT *q = output + output_offset + (long)i0 * py0 + (long)i1 * py1 + (long)i2 * py2;
#ifdef COLUMNS
        for (; i + VECTOR <= end; i += VECTOR)
            softmax_columns(p + i, q + i, count, step_x, step_y);
#endif
        for (; i < end; ++i)
            softmax_row(p + (long)i * px3, q + (long)i * py3, count, step_x, step_y);
    }
}

#ifdef GROUP
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void reduction_softmax_group(SOFTMAX_PARAMETERS) {
    __local float shared[GROUP];
    const int lane = get_local_id(0);
    int row = get_group_id(0);
    const int i3 = row % n3, i2 = row / n3 % n2, i1 = row / n3 / n2 % n1, i0 = row / n3 / n2 / n1;
    __global const ELEMENT *p =
        input + input_offset + (long)i0 * px0 + (long)i1 * px1 + (long)i2 * px2 + (long)i3 * px3;
    __global ELEMENT *q = output + output_offset + (long)i0 * py0 + (long)i1 * py1 + (long)i2 * py2 + (long)i3 * py3;
    float shift = -INFINITY;
    for (int j = lane; j < count; j += GROUP)
        shift = softmax_larger(shift, LOAD_LANE_ELEMENT(p + j));
    shared[lane] = shift;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_size = GROUP / 2; half_size > 0; half_size /= 2) {
        if (lane < half_size)
            shared[lane] = softmax_larger(shared[lane], shared[lane + half_size]);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    shift = shared[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    float total = 0.0f;
    for (int j = lane; j < count; j += GROUP)
        total += exp(LOAD_LANE_ELEMENT(p + j) - shift);
    shared[lane] = total;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_size = GROUP / 2; half_size > 0; half_size /= 2) {
        if (lane < half_size)
            shared[lane] += shared[lane + half_size];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    total = shared[0];
#ifdef LOGARITHM
    total = log(total);
    for (int j = lane; j < count; j += GROUP)
        STORE_LANE_ELEMENT(LOAD_LANE_ELEMENT(p + j) - shift - total, q + j);
#else
    for (int j = lane; j < count; j += GROUP)
        STORE_LANE_ELEMENT(exp(LOAD_LANE_ELEMENT(p + j) - shift) / total, q + j);
#endif
}
#endif
