// The input transform of one tile of Winograd's convolution, for whole vectors of channels.
//
// image    channels-last pixels, interior pixel (0, 0) of one image; height x width of them count, others as 0.
// y, x     the first pixel of the tile, which may lie outside.
// v        receives element (position, c) at position * pitch + c; roundup(channels, VECTOR) channels are readable in
//          the input, of any value, and writable here.
//
// The image holds ELEMENT, v floats. WINOGRAD_SPACE is the address space of v. Tunables: TILE
// (microkernel/winograd.cl), VECTOR (microkernel/lanes.cl).
#include "microkernel/winograd.cl"
#undef LINE
#define LINE FLOATV

#define PIXEL_INSIDE(i) const FLOATV d##i = LOAD_VECTOR_ELEMENT(pixel + (long)(i)*pitch_h);
#define PIXEL_CHECKED(i)                                                                                               \
    const FLOATV d##i = i >= top && i < bottom ? LOAD_VECTOR_ELEMENT(pixel + (long)(i)*pitch_h) : (FLOATV)(0.0f);
#define KEEP_COLUMN(i, value) lines[(i)*SIDE + column] = value;
#define READ_LINE(i) const FLOATV d##i = lines[line * SIDE + i];
#define STORE_POSITION(i, value) STORE_VECTOR(value, v + (long)(line * SIDE + i) * pitch + c);

static void winograd_input_tile(__global const ELEMENT *image, int pitch_h, int pitch_w, int height, int width, int y,
                                int x, int channels, WINOGRAD_SPACE float *v, int pitch) {
    const int top = -y, bottom = height - y, left = -x, right = width - x;
    const int is_inside = top <= 0 && left <= 0 && bottom >= SIDE && right >= SIDE;
    __global const ELEMENT *corner = image + (long)y * pitch_h + (long)x * pitch_w;
    FLOATV lines[SIDE * SIDE];
    for (int c = 0; c < channels; c += VECTOR) {
        __global const ELEMENT *pixel = corner + c;
        if (is_inside) {
            for (int column = 0; column < SIDE; ++column) {
                LINE_OF(PIXEL_INSIDE)
                INPUT_LINE(KEEP_COLUMN)
                pixel += pitch_w;
            }
        } else {
            for (int column = 0; column < SIDE; ++column) {
                if (column >= left && column < right) {
                    LINE_OF(PIXEL_CHECKED)
                    INPUT_LINE(KEEP_COLUMN)
                } else {
                    for (int line = 0; line < SIDE; ++line)
                        lines[line * SIDE + column] = (FLOATV)(0.0f);
                }
                pixel += pitch_w;
            }
        }
        for (int line = 0; line < SIDE; ++line) {
            LINE_OF(READ_LINE)
            INPUT_LINE(STORE_POSITION)
        }
    }
}
