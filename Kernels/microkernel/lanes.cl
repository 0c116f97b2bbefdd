// Vector type and memory access of the tile kernels.
//
// FLOATV is floatVECTOR; LOAD_VECTOR(p) and STORE_VECTOR(v, p) move VECTOR floats at any alignment, LOAD_LANE(p) and
// STORE_LANE(v, p) move one. The names of the loads serve as the LOAD operand of an epilogue.
//
// The same names with _HALF and _BFLOAT move float16 elements (pointers to half) and bfloat16 elements (pointers to
// ushort) as floats, rounded to nearest even; those with _ELEMENT move ELEMENT, which the kernel's tensors hold.
//
// Tunables: VECTOR, lanes of a vector: 16 (AVX-512), 8 (AVX2), 4 (SSE, NEON). STORAGE_HALF, STORAGE_BFLOAT: what
// ELEMENT is; float without either. ASM_BF16 (x86 with avx512bf16, through a compiler that takes inline assembly):
// vectors of 16 become bfloat16 by vcvtneps2bf16, which takes denormals as 0.
#pragma OPENCL FP_CONTRACT OFF

#ifndef VECTOR
#define VECTOR 16
#endif

#define CONCATENATE_(a, b) a##b
#define CONCATENATE(a, b) CONCATENATE_(a, b)
#define FLOATV CONCATENATE(float, VECTOR)
#define LOAD_LANE(p) (*(p))
#define STORE_LANE(v, p) (*(p) = (v))

#ifdef POCL_DEVICE_ADDRESS_BITS
// pocl's vstore16 becomes four stores of 128 bits, its vload16 of private memory eight loads of 64.
#define DEFINE_STORE(T, SPACE)                                                                                         \
    static __attribute__((overloadable)) void store_vector(CONCATENATE(T, VECTOR) v, SPACE T *p) {                     \
        typedef CONCATENATE(T, VECTOR) __attribute__((aligned(sizeof(T)), may_alias)) Stored;                          \
        *(SPACE Stored *)p = v;                                                                                        \
    }
DEFINE_STORE(float, __global)
DEFINE_STORE(float, __local)
DEFINE_STORE(float, __private)
DEFINE_STORE(int, __global)
DEFINE_STORE(int, __private)
DEFINE_STORE(uint, __global)
DEFINE_STORE(ushort, __global)
DEFINE_STORE(ushort, __private)
DEFINE_STORE(char, __global)
DEFINE_STORE(uchar, __global)
#define STORE_VECTOR(v, p) store_vector(v, p)
#define DEFINE_LOAD(T, SPACE)                                                                                          \
    static __attribute__((overloadable)) CONCATENATE(T, VECTOR) load_vector(SPACE const T *p) {                        \
        typedef CONCATENATE(T, VECTOR) __attribute__((aligned(sizeof(T)), may_alias)) Stored;                          \
        return *(SPACE const Stored *)p;                                                                               \
    }
DEFINE_LOAD(float, __private)
DEFINE_LOAD(int, __private)
#define DEFINE_LOAD_AS_IS(T, SPACE)                                                                                    \
    static __attribute__((overloadable)) CONCATENATE(T, VECTOR) load_vector(SPACE const T *p) {                        \
        return CONCATENATE(vload, VECTOR)(0, p);                                                                       \
    }
DEFINE_LOAD_AS_IS(float, __global)
DEFINE_LOAD_AS_IS(float, __local)
DEFINE_LOAD_AS_IS(uint, __global)
DEFINE_LOAD_AS_IS(int, __global)
DEFINE_LOAD_AS_IS(int, __local)
DEFINE_LOAD_AS_IS(char, __global)
DEFINE_LOAD_AS_IS(uchar, __global)
#define LOAD_VECTOR(p) load_vector(p)
#else
#define STORE_VECTOR(v, p) CONCATENATE(vstore, VECTOR)(v, 0, p)
#define LOAD_VECTOR(p) CONCATENATE(vload, VECTOR)(0, p)
#endif

#define LOAD_VECTOR_HALF(p) CONCATENATE(vload_half, VECTOR)(0, p)
#define STORE_VECTOR_HALF(v, p) CONCATENATE(CONCATENATE(vstore_half, VECTOR), _rte)(v, 0, p)
#define LOAD_LANE_HALF(p) vload_half(0, p)
#define STORE_LANE_HALF(v, p) vstore_half_rte(v, 0, p)

#define UINTV CONCATENATE(uint, VECTOR)
#define LOAD_VECTOR_BFLOAT(p)                                                                                          \
    CONCATENATE(as_, FLOATV)(CONCATENATE(convert_, UINTV)(CONCATENATE(vload, VECTOR)(0, p)) << 16)
#define LOAD_LANE_BFLOAT(p) as_float((uint) * (p) << 16)

#if defined(STORAGE_HALF)
#define ELEMENT half
#define LOAD_VECTOR_ELEMENT(p) LOAD_VECTOR_HALF(p)
#define STORE_VECTOR_ELEMENT(v, p) STORE_VECTOR_HALF(v, p)
#define LOAD_LANE_ELEMENT(p) LOAD_LANE_HALF(p)
#define STORE_LANE_ELEMENT(v, p) STORE_LANE_HALF(v, p)
#elif defined(STORAGE_BFLOAT)
#define ELEMENT ushort
#define USHORTV CONCATENATE(ushort, VECTOR)
#if defined(ASM_BF16) && VECTOR == 16
static ushort16 lanes_to_bfloat(float16 v) {
    ushort16 rounded;
    __asm__("vcvtneps2bf16 %1, %0" : "=v"(rounded) : "v"(v));
    return rounded;
}
#else
static USHORTV lanes_to_bfloat(FLOATV v) {
    const UINTV bits = CONCATENATE(as_, UINTV)(v);
    const UINTV rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
    return CONCATENATE(convert_, USHORTV)(select(rounded, (UINTV)(0x7fc00000u), isnan(v)) >> 16);
}
#endif
static ushort lane_to_bfloat(float v) {
    const uint bits = as_uint(v);
    return isnan(v) ? 0x7fc0 : (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}
#define LOAD_VECTOR_ELEMENT(p) LOAD_VECTOR_BFLOAT(p)
#define STORE_VECTOR_ELEMENT(v, p) STORE_VECTOR(lanes_to_bfloat(v), p)
#define LOAD_LANE_ELEMENT(p) LOAD_LANE_BFLOAT(p)
#define STORE_LANE_ELEMENT(v, p) STORE_LANE(lane_to_bfloat(v), p)
#else
#ifndef ELEMENT
#define ELEMENT float
#endif
#define LOAD_VECTOR_ELEMENT(p) LOAD_VECTOR(p)
#define STORE_VECTOR_ELEMENT(v, p) STORE_VECTOR(v, p)
#define LOAD_LANE_ELEMENT(p) LOAD_LANE(p)
#define STORE_LANE_ELEMENT(v, p) STORE_LANE(v, p)
#endif
