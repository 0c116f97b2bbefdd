// Normalizes rows of elements: (x - mean) / sqrt(variance + epsilon) * scale + bias, or x / sqrt(mean of squares +
// epsilon)
// * scale without CENTERS. Rows of `size` elements without gaps; scale and bias hold `size` elements; input and output
// may be the same memory if they hold the same type.
//
// normalization_rows: a work-item computes `rows_per_item` rows. Global size: rows / rows_per_item, rounded up.
// normalization_rows_group: a work-group of GROUP computes one row. Global size: rows * GROUP.
// FLOAT_INPUT, FLOAT_SCALE: the input, or scale and bias, are floats whatever ELEMENT is. FLOAT_COPY: results are
// stored a second time, as floats, to `copy`, which may be the memory of an input of floats. Tunables: VECTOR, lanes;
// CENTERS; HAS_BIAS; FLOAT_INPUT; FLOAT_SCALE; FLOAT_COPY; GROUP.
#include "microkernel/folds.cl"

#ifdef FLOAT_INPUT
#define INPUT float
#define INPUT_VECTOR(p) LOAD_VECTOR(p)
#define INPUT_LANE(p) LOAD_LANE(p)
#else
#define INPUT ELEMENT
#define INPUT_VECTOR(p) LOAD_VECTOR_ELEMENT(p)
#define INPUT_LANE(p) LOAD_LANE_ELEMENT(p)
#endif
#ifdef FLOAT_SCALE
#define SCALE float
#define SCALE_VECTOR(p) LOAD_VECTOR(p)
#define SCALE_LANE(p) LOAD_LANE(p)
#else
#define SCALE ELEMENT
#define SCALE_VECTOR(p) LOAD_VECTOR_ELEMENT(p)
#define SCALE_LANE(p) LOAD_LANE_ELEMENT(p)
#endif
#ifdef FLOAT_COPY
#define ROW_COPY , __global float *copy, long copy_offset
#define COPY(STORE, v, i) STORE(v, copy + copy_offset + (i));
#else
#define ROW_COPY
#define COPY(STORE, v, i)
#endif
#ifdef HAS_BIAS
#define ROW_BIAS , __global const SCALE *bias, long bias_offset
#define BIASED(LOAD, v, i) ((v) + LOAD(bias + bias_offset + (i)))
#else
#define ROW_BIAS
#define BIASED(LOAD, v, i) (v)
#endif

// The sum of MAP(x) over a row.
#define ROW_SUM(result, MAP)                                                                                           \
    {                                                                                                                  \
        int i = 0;                                                                                                     \
        while (i + VECTOR <= size) {                                                                                   \
            FLOATV block = (FLOATV)(0.0f);                                                                             \
            const int end = min(i + 64 * VECTOR, size);                                                                \
            for (; i + VECTOR <= end; i += VECTOR) {                                                                   \
                const FLOATV x = INPUT_VECTOR(p + i);                                                                  \
                block += MAP(x);                                                                                       \
            }                                                                                                          \
            result += sum_of_lanes(block);                                                                             \
        }                                                                                                              \
        for (; i < size; ++i) {                                                                                        \
            const float x = INPUT_LANE(p + i);                                                                         \
            result += MAP(x);                                                                                          \
        }                                                                                                              \
    }
#define ROW_VALUE(x) (x)
#define ROW_SQUARE(x) (((x)-mean) * ((x)-mean))

__kernel void normalization_rows(__global const INPUT *input, long input_offset, __global const SCALE *scale,
                                 long scale_offset ROW_BIAS, __global ELEMENT *output, long output_offset ROW_COPY,
                                 int size, int rows, int rows_per_item, float epsilon) {
    const int first = (int)get_global_id(0) * rows_per_item;
    const int last = min(first + rows_per_item, rows);
    __global const SCALE *s = scale + scale_offset;
    for (int row = first; row < last; ++row) {
        __global const INPUT *p = input + input_offset + (long)row * size;
        __global ELEMENT *q = output + output_offset + (long)row * size;
        float mean = 0.0f, squares = 0.0f;
#ifdef CENTERS
        ROW_SUM(mean, ROW_VALUE)
        mean /= (float)size;
#endif
        ROW_SUM(squares, ROW_SQUARE)
        const float factor = 1.0f / sqrt(squares / (float)size + epsilon);
        int i = 0;
        for (; i + VECTOR <= size; i += VECTOR) {
            const FLOATV v = (INPUT_VECTOR(p + i) - mean) * factor * SCALE_VECTOR(s + i);
            const FLOATV result = BIASED(SCALE_VECTOR, v, i);
            COPY(STORE_VECTOR, result, (long)row * size + i)
            STORE_VECTOR_ELEMENT(result, q + i);
        }
        for (; i < size; ++i) {
            const float v = (INPUT_LANE(p + i) - mean) * factor * SCALE_LANE(s + i);
            const float result = BIASED(SCALE_LANE, v, i);
            COPY(STORE_LANE, result, (long)row * size + i)
            STORE_LANE_ELEMENT(result, q + i);
        }
    }
}

#ifdef GROUP
static float rows_group_sum(float value, __local float *shared) {
    const int lane = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    shared[lane] = value;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int width = GROUP / 2; width > 0; width /= 2) {
        if (lane < width)
            shared[lane] += shared[lane + width];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    return shared[0];
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
normalization_rows_group(__global const INPUT *input, long input_offset, __global const SCALE *scale,
                         long scale_offset ROW_BIAS, __global ELEMENT *output, long output_offset ROW_COPY, int size,
                         float epsilon) {
    __local float shared[GROUP];
    const int lane = get_local_id(0);
    __global const INPUT *p = input + input_offset + (long)get_group_id(0) * size;
    __global ELEMENT *q = output + output_offset + (long)get_group_id(0) * size;
    float mean = 0.0f, squares = 0.0f;
#ifdef CENTERS
    for (int i = lane; i < size; i += GROUP)
        mean += INPUT_LANE(p + i);
    mean = rows_group_sum(mean, shared) / (float)size;
#endif
    for (int i = lane; i < size; i += GROUP)
        squares += ROW_SQUARE(INPUT_LANE(p + i));
    squares = rows_group_sum(squares, shared);
    const float factor = 1.0f / sqrt(squares / (float)size + epsilon);
    for (int i = lane; i < size; i += GROUP) {
        const float v = (INPUT_LANE(p + i) - mean) * factor * SCALE_LANE(scale + scale_offset + i);
        const float result = BIASED(SCALE_LANE, v, i);
        COPY(STORE_LANE, result, (long)get_group_id(0) * size + i)
        STORE_LANE_ELEMENT(result, q + i);
    }
}
#endif
