// The products and the output transform of one register tile of Winograd's convolution: MR tiles of one image or more
// x NR output channels.
//
// WINOGRAD_MULTIPLY(products, v, step, pitch, u, depth) fills products [position][MR][NR]: element (position, row,
// channel of the input) of the transformed input at v + position * step + row * pitch + channel, the transformed
// weights [position][depth][NR] at u. WINOGRAD_STORE(products, step, first) transforms the products of MR tiles, whose
// first is tile `first`, and stores their outputs behind the epilogue; the products of two positions are `step`
// elements apart. It reads the names rows (the tiles of all images), tiles_h, tiles_w, output, output_offset,
// output_pitch_n, _h, _w, output_h, output_w, outputs, panel.
//
// Tunables: TILE, MR, NR, VECTOR; PREFETCH, for compilers of the GCC family: how many weights ahead to ask for;
// epilogue: epilogue.cl.
#define TILE_SPACE WINOGRAD_SPACE
#define TILE_FLOATS
#include "microkernel/tile.cl"
#include "microkernel/winograd.cl"
#undef LINE
#define LINE FLOATV

#ifndef CHUNKS
#define CHUNKS 1
#endif
#define PRODUCT_STEP (CHUNKS * MR * NR)

#ifdef PREFETCH
#define ASK_WEIGHTS(b)                                                                                                 \
    for (int ask = 0; ask < 4 * NR; ask += 16)                                                                         \
        __builtin_prefetch((const void *)(size_t)((b) + PREFETCH + ask), 0, 2);
#else
#define ASK_WEIGHTS(b)
#endif

#define WINOGRAD_MULTIPLY(products, v, pitch, u, depth)                                                                \
    {                                                                                                                  \
        const int a_pitch = (pitch);                                                                                   \
        TILE_ROWS(a_pitch)                                                                                             \
        for (int position = 0; position < POSITIONS; ++position) {                                                     \
            for (int chunk = 0; chunk < CHUNKS; ++chunk) {                                                             \
                WINOGRAD_SPACE const float *a = (v) + (position * CHUNKS + chunk) * MR * a_pitch;                      \
                __global const float *b = (u) + (long)position * (depth)*NR;                                           \
                float *tile_lanes = (products) + (position * CHUNKS + chunk) * MR * NR;                                \
                TILE_ZERO                                                                                              \
                int k = 0;                                                                                             \
                for (; k + 4 <= (depth); k += 4) {                                                                     \
                    ASK_WEIGHTS(b)                                                                                     \
                    TILE_STEP(a, b)                                                                                    \
                    a += 1;                                                                                            \
                    TILE_STEP(a, b + NR)                                                                               \
                    a += 1;                                                                                            \
                    TILE_STEP(a, b + 2 * NR)                                                                           \
                    a += 1;                                                                                            \
                    TILE_STEP(a, b + 3 * NR)                                                                           \
                    a += 1;                                                                                            \
                    b += 4 * NR;                                                                                       \
                }                                                                                                      \
                for (; k < (depth); ++k) {                                                                             \
                    TILE_STEP(a, b)                                                                                    \
                    a += 1;                                                                                            \
                    b += NR;                                                                                           \
                }                                                                                                      \
                ROWS(SPILL_ROW)                                                                                        \
            }                                                                                                          \
        }                                                                                                              \
    }

#define READ_PRODUCT(i) const FLOATV m##i = LOAD_VECTOR(product + (i)*SIDE * PRODUCT_STEP);
#define KEEP_PRODUCT(i, value) lines[(i)*SIDE + column] = value;
#define READ_SUM(i) const FLOATV m##i = lines[line * SIDE + i];
#define KEEP_RESULT(i, value) results[i] = value;
#define WINOGRAD_STORE(products, first)                                                                                \
    for (int row = 0; row < CHUNKS * MR && (first) + row < rows; ++row) {                                              \
        const int tile = (first) + row, tile_line = tile / tiles_w, n = tile_line / tiles_h;                           \
        const int y = (tile_line - n * tiles_h) * TILE, x = (tile - tile_line * tiles_w) * TILE;                       \
        const int end_y = min(TILE, output_h - y), end_x = min(TILE, output_w - x);                                    \
        const int tile_valid = TILE_VALID(outputs - panel * NR);                                                       \
        for (int lane = 0; lane < tile_valid; lane += VECTOR) {                                                        \
            const int c = panel * NR + lane;                                                                           \
            const float *product = (products) + row * NR + lane;                                                       \
            FLOATV lines[TILE * SIDE], results[TILE];                                                                  \
            for (int column = 0; column < SIDE; ++column) {                                                            \
                LINE_OF(READ_PRODUCT)                                                                                  \
                OUTPUT_LINE(KEEP_PRODUCT)                                                                              \
                product += PRODUCT_STEP;                                                                               \
            }                                                                                                          \
            for (int line = 0; line < end_y; ++line) {                                                                 \
                LINE_OF(READ_SUM)                                                                                      \
                OUTPUT_LINE(KEEP_RESULT)                                                                               \
                __global ELEMENT *out = output + output_offset + (long)n * output_pitch_n +                            \
                                        (long)(y + line) * output_pitch_h + (long)x * output_pitch_w + c;              \
                if (lane + VECTOR <= tile_valid) {                                                                     \
                    for (int i = 0; i < end_x; ++i) {                                                                  \
                        FLOATV value = results[i];                                                                     \
                        EPILOGUE_ALL(FLOATV, LOAD_VECTOR, value, n, 0, y + line, x + i, c)                             \
                        STORE_VECTOR_ELEMENT(value, out + (long)i * output_pitch_w);                                   \
                    }                                                                                                  \
                } else {                                                                                               \
                    float lanes[TILE * VECTOR];                                                                        \
                    for (int i = 0; i < TILE; ++i)                                                                     \
                        STORE_VECTOR(results[i], lanes + i * VECTOR);                                                  \
                    for (int i = 0; i < end_x; ++i) {                                                                  \
                        for (int l = 0; l < tile_valid - lane; ++l) {                                                  \
                            float value = lanes[i * VECTOR + l];                                                       \
                            EPILOGUE_ALL(float, LOAD_LANE, value, n, 0, y + line, x + i, c + l)                        \
                            STORE_LANE_ELEMENT(value, out + (long)i * output_pitch_w + l);                             \
                        }                                                                                              \
                    }                                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }
