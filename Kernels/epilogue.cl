// The seam between a tile kernel and what is fused behind it.
//
// A kernel with an epilogue ends its parameter list with `BIAS_ARGUMENTS EPILOGUE_ARGUMENTS` and applies
// `EPILOGUE_ALL(T, LOAD, v, n, d, y, x, c)` to every result before it stores it. T is floatVECTOR for whole vectors and
// float for channel tails; v is a variable of type T, changed in place; LOAD(p) reads a T at p; (n, d, y, x, c) is the
// output element of the first lane: batch, depth, row, column, channel. Matrix products use n = batch, d = y = 0,
// x = row, c = column.
//
// Generated text stands before this file and defines both macros, or neither:
//     #define EPILOGUE_ARGUMENTS EPILOGUE_TENSOR(e0) EPILOGUE_CHANNEL(e1)
//     #define EPILOGUE(T, LOAD, v, n, d, y, x, c)
//         { T t0 = v + AT_TENSOR(LOAD, e0, n, d, y, x, c); v = fmax(t0 * AT_CHANNEL(LOAD, e1, c), (T)(0.0f)); }
// with builtins and operators that exist for vectors and scalars alike, and constants written as (T)(1.0f).
//
// Operand kinds: the parameters they add, and how the expression reads them
//     EPILOGUE_TENSOR(e)   const float *e, long e_offset, int e_pitch_n, _d, _h, _w   AT_TENSOR(LOAD, e, n, d, y, x, c)
//         channels-last with any pitches; pitch 0 broadcasts over that axis; may be the output itself
//     EPILOGUE_PIXEL(e)    the same parameters                                         AT_PIXEL(e, n, d, y, x)
//         one value a pixel, broadcast over channels
//     EPILOGUE_CHANNEL(e)  const float *e, long e_offset                               AT_CHANNEL(LOAD, e, c)
//     EPILOGUE_SCALAR(e)   const float *e, long e_offset                               AT_SCALAR(e)
//     EPILOGUE_VALUE(e)    float e                                                     e
//     TYPED_TENSOR(type, e), _PIXEL, _CHANNEL, _SCALAR   the same for half and ushort (bfloat16), read with LOAD##_HALF
//         and LOAD##_BFLOAT, and in the integer kernels for char and uchar, read with LOAD##_CHAR
//
// HAS_BIAS adds `const ELEMENT *bias, long bias_offset` before these; bias[c] is added first.
// CHANNELS_PADDED: output, tensor and channel operands and bias hold roundup(C, VECTOR) channels that may be read and
// written; otherwise channel tails are handled one by one.
// FLOAT_RESULT: results are stored as floats whatever ELEMENT is: RESULT in place of ELEMENT.
// EPILOGUE_LOOP: apply the epilogue in a loop over the tile instead of unrolled; for long expressions.
#include "microkernel/logistic.cl"

#ifdef FLOAT_RESULT
#define RESULT float
#define STORE_VECTOR_RESULT(v, p) STORE_VECTOR(v, p)
#define STORE_LANE_RESULT(v, p) STORE_LANE(v, p)
#else
#define RESULT ELEMENT
#define STORE_VECTOR_RESULT(v, p) STORE_VECTOR_ELEMENT(v, p)
#define STORE_LANE_RESULT(v, p) STORE_LANE_ELEMENT(v, p)
#endif

#ifdef HAS_BIAS
#define BIAS_ARGUMENTS , __global const ELEMENT *bias, long bias_offset
#define BIAS(LOAD, v, c) v += LOAD##_ELEMENT(bias + bias_offset + (c));
#else
#define BIAS_ARGUMENTS
#define BIAS(LOAD, v, c)
#endif

#define TYPED_TENSOR(type, e)                                                                                          \
    , __global const type *e, long e##_offset, int e##_pitch_n, int e##_pitch_d, int e##_pitch_h, int e##_pitch_w
#define TYPED_PIXEL(type, e) TYPED_TENSOR(type, e)
#define TYPED_CHANNEL(type, e) , __global const type *e, long e##_offset
#define TYPED_SCALAR(type, e) TYPED_CHANNEL(type, e)
#define EPILOGUE_TENSOR(e) TYPED_TENSOR(float, e)
#define EPILOGUE_PIXEL(e) TYPED_PIXEL(float, e)
#define EPILOGUE_CHANNEL(e) TYPED_CHANNEL(float, e)
#define EPILOGUE_SCALAR(e) TYPED_SCALAR(float, e)
#define EPILOGUE_VALUE(e) , float e

#define PIXEL_ADDRESS(e, n, d, y, x)                                                                                   \
    (e + e##_offset + (long)(n)*e##_pitch_n + (long)(d)*e##_pitch_d + (long)(y)*e##_pitch_h + (long)(x)*e##_pitch_w)
#define AT_TENSOR(LOAD, e, n, d, y, x, c) LOAD(PIXEL_ADDRESS(e, n, d, y, x) + (c))
#define AT_PIXEL(e, n, d, y, x) (*PIXEL_ADDRESS(e, n, d, y, x))
#define AT_CHANNEL(LOAD, e, c) LOAD(e + e##_offset + (c))
#define AT_SCALAR(e) (e[e##_offset])

#ifndef EPILOGUE_ARGUMENTS
#define EPILOGUE_ARGUMENTS
#define EPILOGUE(T, LOAD, v, n, d, y, x, c)
#endif

#define EPILOGUE_ALL(T, LOAD, v, n, d, y, x, c)                                                                        \
    BIAS(LOAD, v, c)                                                                                                   \
    EPILOGUE(T, LOAD, v, n, d, y, x, c)
