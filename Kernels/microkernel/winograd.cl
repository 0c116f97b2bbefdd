// The transforms of Winograd's convolution F(TILE x TILE, 3 x 3): SIDE x SIDE products give TILE x TILE outputs.
//
// INPUT_LINE(STORE), WEIGHT_LINE(STORE) and OUTPUT_LINE(STORE) transform one line of values of type LINE, which stand
// in variables d0 ... d5, g0 ... g2 and m0 ... m5; STORE(i, value) receives result i. A square is transformed line by
// line along both axes.
//
// TILE 4 interpolates at 0, +-5/8, +-3/2 and infinity, TILE 2 at 0, +-1 and infinity. All constants of the input and
// output transforms are exact in float. With these points the error of TILE 4 is about twice that of a direct sum and
// that of TILE 2 is no larger, where 0, +-1, +-2 cost four times the error.
// Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015; Alam et al., "Winograd Convolution
// for Deep Neural Networks: Efficient Point Selection", 2022 (the points).
//
// Tunables: TILE, 2 or 4.
#ifndef TILE
#define TILE 4
#endif
#define SIDE (TILE + 2)
#define POSITIONS (SIDE * SIDE)

#if TILE == 4
#define POINT_A 0.625f
#define POINT_B 1.5f
#define A2 (POINT_A * POINT_A)
#define B2 (POINT_B * POINT_B)
#define SCALE_A (1.0f / (2.0f * A2 * (A2 - B2)))
#define SCALE_B (1.0f / (2.0f * B2 * (B2 - A2)))

#define INPUT_LINE(STORE)                                                                                              \
    {                                                                                                                  \
        const LINE even_a = fma((LINE)(-B2), d2, d4), odd_a = fma((LINE)(-B2), d1, d3);                                \
        const LINE even_b = fma((LINE)(-A2), d2, d4), odd_b = fma((LINE)(-A2), d1, d3);                                \
        STORE(0, fma((LINE)(A2 * B2), d0, fma((LINE)(-A2 - B2), d2, d4)))                                              \
        STORE(1, fma((LINE)(POINT_A), odd_a, even_a))                                                                  \
        STORE(2, fma((LINE)(-POINT_A), odd_a, even_a))                                                                 \
        STORE(3, fma((LINE)(POINT_B), odd_b, even_b))                                                                  \
        STORE(4, fma((LINE)(-POINT_B), odd_b, even_b))                                                                 \
        STORE(5, fma((LINE)(A2 * B2), d1, fma((LINE)(-A2 - B2), d3, d5)))                                              \
    }
#define WEIGHT_LINE(STORE)                                                                                             \
    {                                                                                                                  \
        const LINE even_a = fma((LINE)(A2), g2, g0), odd_a = g1 * (LINE)(POINT_A);                                     \
        const LINE even_b = fma((LINE)(B2), g2, g0), odd_b = g1 * (LINE)(POINT_B);                                     \
        STORE(0, g0 *(LINE)(1.0f / (A2 * B2)))                                                                         \
        STORE(1, (even_a + odd_a) * (LINE)(SCALE_A))                                                                   \
        STORE(2, (even_a - odd_a) * (LINE)(SCALE_A))                                                                   \
        STORE(3, (even_b + odd_b) * (LINE)(SCALE_B))                                                                   \
        STORE(4, (even_b - odd_b) * (LINE)(SCALE_B))                                                                   \
        STORE(5, g2)                                                                                                   \
    }
#define OUTPUT_LINE(STORE)                                                                                             \
    {                                                                                                                  \
        const LINE even_a = m1 + m2, odd_a = m1 - m2, even_b = m3 + m4, odd_b = m3 - m4;                               \
        STORE(0, m0 + even_a + even_b)                                                                                 \
        STORE(1, fma((LINE)(POINT_B), odd_b, odd_a *(LINE)(POINT_A)))                                                  \
        STORE(2, fma((LINE)(B2), even_b, even_a *(LINE)(A2)))                                                          \
        STORE(3, fma((LINE)(B2 * POINT_B), odd_b, fma((LINE)(A2 * POINT_A), odd_a, m5)))                               \
    }
#define LINE_OF(GET) GET(0) GET(1) GET(2) GET(3) GET(4) GET(5)
#elif TILE == 2
#define INPUT_LINE(STORE) STORE(0, d2 - d0) STORE(1, d1 + d2) STORE(2, d2 - d1) STORE(3, d3 - d1)
#define WEIGHT_LINE(STORE)                                                                                             \
    STORE(0, -g0)                                                                                                      \
    STORE(1, (g0 + g2 + g1) * (LINE)(0.5f)) STORE(2, (g0 + g2 - g1) * (LINE)(0.5f)) STORE(3, g2)
#define OUTPUT_LINE(STORE) STORE(0, m0 + m1 + m2) STORE(1, m1 - m2 + m3)
#define LINE_OF(GET) GET(0) GET(1) GET(2) GET(3)
#else
#error TILE must be 2 or 4
#endif
