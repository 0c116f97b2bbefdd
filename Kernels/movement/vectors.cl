// STORE16(v, p) stores 16 elements at any place; ELEMENT is their type.
#ifdef POCL_DEVICE_ADDRESS_BITS
// pocl's vstore16 becomes stores of 128 bits at most, of single bytes for bytes.
#define ELEMENT16_OF(type) type##16
#define ELEMENT16(type) ELEMENT16_OF(type)
typedef ELEMENT16(ELEMENT) __attribute__((aligned(sizeof(ELEMENT)), may_alias)) Elements;
#define STORE16(v, p) (*(__global Elements *)(p) = (v))
#else
#define STORE16(v, p) vstore16(v, 0, p)
#endif
