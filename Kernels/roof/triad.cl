// What a device's memory moves at best: c = a + 1.5 b over vectors, two read and one written.
//
// Item i handles `count` vectors: number i * item_step + k * step for k in 0 ..< count.
// Global size: any; any local size. Tunables: VECTOR (microkernel/lanes.cl).
// Source: McCalpin, "Memory Bandwidth and Machine Balance in Current High Performance Computers", 1995.
#include "microkernel/lanes.cl"

__kernel void roof_triad(__global const float *a, long a_offset, __global const float *b, long b_offset,
                         __global float *c, long c_offset, int count, int item_step, int step) {
    long index = (long)get_global_id(0) * item_step;
    for (int k = 0; k < count; ++k) {
        const long at = index * VECTOR;
        STORE_VECTOR(fma(LOAD_VECTOR(b + b_offset + at), (FLOATV)(1.5f), LOAD_VECTOR(a + a_offset + at)),
                     c + c_offset + at);
        index += step;
    }
}
