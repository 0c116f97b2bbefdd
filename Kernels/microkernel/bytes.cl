// Bytes in and results out of the integer kernels, whose tile defines VECTOR.
//
// Activations are bytes, read in quads along the axis that is summed; signed ones (X_SIGNED) are moved by 128, so that
// products are of unsigned by signed bytes. QUAD(p) is the quad at p.
//
// RESULT_VECTOR(factors, n, d, y, x, c) makes results of the int32 vector `sums` and stores them to p, RESULT_LANE
// those of the int `sum`: float(sum) * multiplier, the multipliers being at `factors`, then the epilogue for output
// element (n, d, y, x, c), stored as OUTPUT (char, uchar or float) to whose range the epilogue has clamped. SUMS_ONLY
// stores the int32 sums. REQUANTIZE (AVX-512 by inline assembly, VECTOR 16) instead of an epilogue: the int argument
// requantize_zero is added to the nearest integer and the sum saturated; results must stay below 2^31.
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
int integer_tail(__global const uchar *p, int n) {
    int quad = p[0];
    if (n > 1)
        quad |= (int)p[1] << 8;
    if (n > 2)
        quad |= (int)p[2] << 16;
    return MOVED(quad);
}

#ifdef REQUANTIZE
#define REQUANTIZE_ARGUMENTS , int requantize_zero
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
    const FLOATV v = CONVERT_FLOATS(sums) * LOAD_VECTOR(factors);                                                      \
    INTV q;                                                                                                            \
    __asm__("vcvtps2dq %1, %0" : "=v"(q) : "v"(v));                                                                    \
    q += requantize_zero;                                                                                              \
    CONCATENATE(OUTPUT, VECTOR) bytes;                                                                                 \
    SATURATED(bytes, q)                                                                                                \
    STORE_VECTOR(bytes, p);
#define RESULT_LANE(factors, n, d, y, x, c)                                                                            \
    const float v = (float)sum * *(factors);                                                                           \
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
    FLOATV v = CONVERT_FLOATS(sums) * LOAD_VECTOR(factors);                                                            \
    EPILOGUE_ALL(FLOATV, LOAD_VECTOR, v, n, d, y, x, c)                                                                \
    STORE_RESULT(v, p);
#define RESULT_LANE(factors, n, d, y, x, c)                                                                            \
    float v = (float)sum * *(factors);                                                                                 \
    EPILOGUE_ALL(float, LOAD_LANE, v, n, d, y, x, c)                                                                   \
    STORE_RESULT_LANE(v, p);
#endif
