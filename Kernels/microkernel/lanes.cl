// Vector type and memory access of the work-item tiles.
//
// FLOATV is floatVECTOR; LOAD_VECTOR(p) and STORE_VECTOR(v, p) move VECTOR floats at any alignment, LOAD_LANE(p) moves
// one. The names serve as the LOAD operand of an epilogue.
//
// Tunables: VECTOR, lanes of a vector: 16 (AVX-512), 8 (AVX2), 4 (SSE, NEON).
#pragma OPENCL FP_CONTRACT OFF

#ifndef VECTOR
#define VECTOR 16
#endif

#define CONCATENATE_(a, b) a##b
#define CONCATENATE(a, b) CONCATENATE_(a, b)
#define FLOATV CONCATENATE(float, VECTOR)
#define LOAD_VECTOR(p) CONCATENATE(vload, VECTOR)(0, p)
#define STORE_VECTOR(v, p) CONCATENATE(vstore, VECTOR)(v, 0, p)
#define LOAD_LANE(p) (*(p))
