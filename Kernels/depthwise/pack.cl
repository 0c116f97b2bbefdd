// Packs depthwise weights for depthwise_direct.
//
// weights  ONNX order [channels][1][taps], taps = kernel_d * kernel_h * kernel_w; contiguous.
// packed   [tap][width], width = roundup(channels, NR) of the consumer, zero padded. With CHANNEL_PAIRS each NR = 2 *
//          VECTOR channels are stored as the even ones, then the odd ones.
//
// Global size: (width, taps); any local size that divides it.
// Tunables: STORAGE_* (microkernel/lanes.cl); `packed` holds floats.
#include "microkernel/lanes.cl"

__kernel void depthwise_pack(__global const ELEMENT *weights, long weights_offset, __global float *packed,
                             long packed_offset, int channels, int taps) {
    const int place = get_global_id(0), tap = get_global_id(1);
#ifdef CHANNEL_PAIRS
    const int lane = place % (2 * VECTOR);
    const int c = place - lane + (lane < VECTOR ? 2 * lane : 2 * (lane - VECTOR) + 1);
#else
    const int c = place;
#endif
    packed[packed_offset + (long)tap * get_global_size(0) + place] =
        c < channels ? LOAD_LANE_ELEMENT(weights + weights_offset + (long)c * taps + tap) : 0.0f;
}
