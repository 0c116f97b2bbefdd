// Bytes in and results out of the integer kernels, whose tile defines VECTOR.
//
// Activations are bytes, read in quads along the axis that is summed; signed ones (X_SIGNED) are moved by 128, so that
// products are of unsigned by signed bytes. QUAD(p) is the quad at p.
//
// What of the input arrives during the run ends a parameter list as GIVEN_OPERANDS, which GIVEN_READ reads:
// X_ZERO_GIVEN its zero point, which STARTS(LOAD, p, width) takes from the parameters of outputs at p
// (integer/operands.cl), rows of `width`; SCALE_GIVEN its scale, by which multipliers are multiplied.
//
// RESULT_VECTOR(factors, n, d, y, x, c) makes results of the int32 vector `sums` and stores them to p, RESULT_LANE
// those of the int `sum`: float(sum) * multiplier, the multipliers being at `factors`, then the epilogue for output
// element (n, d, y, x, c), stored as OUTPUT (char, uchar or float) to whose range the epilogue has clamped. SUMS_ONLY
// stores the int32 sums. REQUANTIZE (AVX-512 by inline assembly, VECTOR 16) instead of an epilogue: the int argument
// requantize_zero is added to the nearest integer and the sum saturated; results must stay below 2^31.
// REQUANTIZE_FIRST: before that, float(sum) * multiplier becomes the nearest integer within first_low ... first_high
// times first_scale. RESIDUAL, char or uchar: before that, (element of the operand `residual` less residual_zero) *
// residual_scale is added.
#include "microkernel/lanes.cl"
#include "epilogue.cl"

#define INTV CONCATENATE(int, VECTOR)
#define CONVERT_FLOATS CONCATENATE(convert_float, VECTOR)
#define CONVERT_INTS CONCATENATE(convert_int, VECTOR)
#define LOAD_VECTOR_CHAR(p) CONVERT_FLOATS(CONCATENATE(vload, VECTOR)(0, p))
#define LOAD_LANE_CHAR(p) ((float)*(p))

#ifndef OUTPUT
#define OUTPUT int
#endif
#ifdef X_SIGNED
#define MOVED(quad) ((quad) ^ (int)0x80808080)
#else
#define MOVED(quad) (quad)
#endif
#define QUAD(p) MOVED(as_int(vload4(0, p)))

// The first n < 4 bytes at p as a quad; the others are not read.
static int integer_tail(__global const uchar *p, int n) {
    int quad = p[0];
    if (n > 1)
        quad |= (int)p[1] << 8;
    if (n > 2)
        quad |= (int)p[2] << 16;
    return MOVED(quad);
}

#ifndef BYTE_VALUE
#define BYTE_VALUE(byte) (MOVED((int)(byte)) & 255)
#endif
#ifdef X_ZERO_GIVEN
#define X_ZERO_OPERAND , __global const uchar *x_zero_value, long x_zero_offset
#define X_ZERO_READ const int given_zero = BYTE_VALUE(x_zero_value[x_zero_offset]);
#define STARTS(LOAD, p, width) (LOAD(p) - given_zero * LOAD((p) + 3 * (width)))
#else
#define X_ZERO_OPERAND
#define X_ZERO_READ
#define STARTS(LOAD, p, width) LOAD(p)
#endif
#ifdef SCALE_GIVEN
#define SCALE_OPERAND , __global const float *x_scale, long x_scale_offset
#define SCALE_READ const float given_scale = x_scale[x_scale_offset];
#define FACTOR(f) ((f)*given_scale)
#else
#define SCALE_OPERAND
#define SCALE_READ
#define FACTOR(f) (f)
#endif
#define GIVEN_OPERANDS X_ZERO_OPERAND SCALE_OPERAND
#define GIVEN_READ X_ZERO_READ SCALE_READ

#ifdef REQUANTIZE_FIRST
#define FIRST_ARGUMENTS , int first_low, int first_high, float first_scale
#define FIRST_QUANTIZED(v)                                                                                             \
    {                                                                                                                  \
        INTV first;                                                                                                    \
        __asm__("vcvtps2dq %1, %0" : "=v"(first) : "v"(v));                                                            \
        v = CONVERT_FLOATS(min(max(first, (INTV)(first_low)), (INTV)(first_high))) * first_scale;                      \
    }
#define FIRST_QUANTIZED_LANE(v) v = (float)min(max((int)rint(v), first_low), first_high) * first_scale;
#else
#define FIRST_ARGUMENTS
#define FIRST_QUANTIZED(v)
#define FIRST_QUANTIZED_LANE(v)
#endif
#ifdef RESIDUAL
#define RESIDUAL_ARGUMENTS , int residual_zero, float residual_scale TYPED_TENSOR(RESIDUAL, residual)
#define RESIDUAL_IS_char "vpmovsxbd %1, %0"
#define RESIDUAL_IS_uchar "vpmovzxbd %1, %0"
#define RESIDUAL_ADDED(v, n, d, y, x, c)                                                                               \
    {                                                                                                                  \
        const CONCATENATE(RESIDUAL, VECTOR) bytes = AT_TENSOR(LOAD_VECTOR, residual, n, d, y, x, c);                   \
        INTV other;                                                                                                    \
        __asm__(CONCATENATE(RESIDUAL_IS_, RESIDUAL) : "=v"(other) : "v"(bytes));                                       \
        v += CONVERT_FLOATS(other - residual_zero) * residual_scale;                                                   \
    }
#define RESIDUAL_ADDED_LANE(v, n, d, y, x, c)                                                                          \
    v += (float)(AT_TENSOR(LOAD_LANE, residual, n, d, y, x, c) - residual_zero) * residual_scale;
#else
#define RESIDUAL_ARGUMENTS
#define RESIDUAL_ADDED(v, n, d, y, x, c)
#define RESIDUAL_ADDED_LANE(v, n, d, y, x, c)
#endif
#ifdef REQUANTIZE
#define REQUANTIZE_ARGUMENTS , int requantize_zero FIRST_ARGUMENTS RESIDUAL_ARGUMENTS
#else
#define REQUANTIZE_ARGUMENTS
#endif

#define CONVERT_OUTPUT(v) CONCATENATE(CONCATENATE(convert_, OUTPUT), VECTOR)(v)
#ifdef SUMS_ONLY
#define RESULT_VECTOR(factors, n, d, y, x, c) STORE_VECTOR(sums, p);
#define RESULT_LANE(factors, n, d, y, x, c) *p = sum;
#elif defined(REQUANTIZE)
#ifdef OUTPUT_SIGNED
#define SATURATED(bytes, q) __asm__("vpmovsdb %1, %0" : "=v"(bytes) : "v"(q));
#define SATURATED_LANE(q) convert_char_sat(q)
#else
#define SATURATED(bytes, q) __asm__("vpmovusdb %1, %0" : "=v"(bytes) : "v"(max(q, (INTV)(0))));
#define SATURATED_LANE(q) convert_uchar_sat(q)
#endif
#define RESULT_VECTOR(factors, n, d, y, x, c)                                                                          \
    FLOATV v = CONVERT_FLOATS(sums) * FACTOR(LOAD_VECTOR(factors));                                                    \
    FIRST_QUANTIZED(v)                                                                                                 \
    RESIDUAL_ADDED(v, n, d, y, x, c)                                                                                   \
    INTV q;                                                                                                            \
    __asm__("vcvtps2dq %1, %0" : "=v"(q) : "v"(v));                                                                    \
    q += requantize_zero;                                                                                              \
    CONCATENATE(OUTPUT, VECTOR) bytes;                                                                                 \
    SATURATED(bytes, q)                                                                                                \
    STORE_VECTOR(bytes, p);
#define RESULT_LANE(factors, n, d, y, x, c)                                                                            \
    float v = (float)sum * FACTOR(*(factors));                                                                         \
    FIRST_QUANTIZED_LANE(v)                                                                                            \
    RESIDUAL_ADDED_LANE(v, n, d, y, x, c)                                                                              \
    *p = SATURATED_LANE((int)rint(v) + requantize_zero);
#else
#ifdef OUTPUT_FLOAT
#define STORE_RESULT(v, p) STORE_VECTOR(v, p)
#define STORE_RESULT_LANE(v, p) *(p) = (v)
#else
#define STORE_RESULT(v, p) STORE_VECTOR(CONVERT_OUTPUT(CONVERT_INTS(v)), p)
#define STORE_RESULT_LANE(v, p) *(p) = (OUTPUT)(int)(v)
#endif
#define RESULT_VECTOR(factors, n, d, y, x, c)                                                                          \
    FLOATV v = CONVERT_FLOATS(sums) * FACTOR(LOAD_VECTOR(factors));                                                    \
    EPILOGUE_ALL(FLOATV, LOAD_VECTOR, v, n, d, y, x, c)                                                                \
    STORE_RESULT(v, p);
#define RESULT_LANE(factors, n, d, y, x, c)                                                                            \
    float v = (float)sum * FACTOR(*(factors));                                                                         \
    EPILOGUE_ALL(float, LOAD_LANE, v, n, d, y, x, c)                                                                   \
    STORE_RESULT_LANE(v, p);
#endif
