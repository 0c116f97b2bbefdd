// What a device computes at best: independent chains of multiply-adds in registers.
//
// values   values[0] is the factor and values[1] the summand, 1 and 0 to keep numbers normal; the results go to
//          VECTOR floats an item from offset + VECTOR on. Every item runs count steps of 16 vector multiply-adds.
//
// Global size: any; any local size. Tunables: VECTOR (microkernel/lanes.cl).
#include "microkernel/lanes.cl"

#define CHAINS(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15)
#define START(i) FLOATV chain_##i = start + (FLOATV)(i);
#define STEP(i) chain_##i = fma(chain_##i, factor, summand);
#define SUM(i) sum += chain_##i;

__kernel void roof_multiply_add(__global float *values, long offset, int count) {
    const FLOATV factor = (FLOATV)(values[offset]), summand = (FLOATV)(values[offset + 1]);
    const FLOATV start = (FLOATV)(get_global_id(0));
    CHAINS(START)
    for (int i = 0; i < count; ++i) {
        CHAINS(STEP)
    }
    FLOATV sum = (FLOATV)(0.0f);
    CHAINS(SUM)
    STORE_VECTOR(sum, values + offset + VECTOR * (1 + get_global_id(0)));
}
