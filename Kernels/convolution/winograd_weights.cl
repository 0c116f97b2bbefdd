// Transforms and packs 3x3 weights for Winograd's convolution.
//
// weights  ONNX order [outputs][inputs][3][3]; contiguous.
// packed   [panel][position][inputs][panel_width], panels = ceil(outputs / panel_width), zero padded.
//
// Global size: (inputs, panels); any local size that divides it, best (1, 1). `panel_width` is the NR of the consumer,
// a multiple of VECTOR. Tunables: TILE (microkernel/winograd.cl), VECTOR, STORAGE_* (microkernel/lanes.cl); `packed`
// holds floats.
#include "microkernel/lanes.cl"
#include "microkernel/winograd.cl"
#define LINE FLOATV

#define KEEP_ROW(i, value) rows[(i)*3 + column] = value;
#define STORE_PACKED(i, value) STORE_VECTOR(value, to + (long)(row * SIDE + i) * step);

__kernel void winograd_weights(__global const ELEMENT *weights, long weights_offset, __global float *packed,
                               long packed_offset, int inputs, int outputs, int panel_width) {
    const int input = get_global_id(0), panel = get_global_id(1);
    const long step = (long)inputs * panel_width;
    for (int lane = 0; lane < panel_width; lane += VECTOR) {
        float taps[9 * VECTOR];
        for (int l = 0; l < VECTOR; ++l) {
            const int output = panel * panel_width + lane + l;
            __global const ELEMENT *from = weights + weights_offset + ((long)output * inputs + input) * 9;
            for (int tap = 0; tap < 9; ++tap)
                taps[tap * VECTOR + l] = output < outputs ? LOAD_LANE_ELEMENT(from + tap) : 0.0f;
        }
        __global float *to = packed + packed_offset + (long)panel * POSITIONS * step + (long)input * panel_width + lane;
        FLOATV rows[SIDE * 3];
        for (int column = 0; column < 3; ++column) {
            const FLOATV g0 = LOAD_VECTOR(taps + column * VECTOR), g1 = LOAD_VECTOR(taps + (3 + column) * VECTOR),
                         g2 = LOAD_VECTOR(taps + (6 + column) * VECTOR);
            WEIGHT_LINE(KEEP_ROW)
        }
        for (int row = 0; row < SIDE; ++row) {
            const FLOATV g0 = rows[row * 3], g1 = rows[row * 3 + 1], g2 = rows[row * 3 + 2];
            WEIGHT_LINE(STORE_PACKED)
        }
    }
}
