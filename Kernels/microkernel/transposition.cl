// Transposition of 16 vectors of 16 uint in registers.
//
// EACH(M) expands M(name, index) for the 16 vectors X0 ... Xf; STAGE(Y, X) declares the vectors Y0 ... Yf that
// interleave the halves of X. Four stages exchange rows and columns. INTERLEAVE_LOW(a, b) and _HIGH take the elements
// of two vectors in turn.
#define INTERLEAVE_LOW(a, b)                                                                                           \
    (uint16)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3, a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7)
#define INTERLEAVE_HIGH(a, b)                                                                                          \
    (uint16)(a.s8, b.s8, a.s9, b.s9, a.sa, b.sa, a.sb, b.sb, a.sc, b.sc, a.sd, b.sd, a.se, b.se, a.sf, b.sf)
#define STAGE(to, from)                                                                                                \
    const uint16 to##0 = INTERLEAVE_LOW(from##0, from##8), to##1 = INTERLEAVE_HIGH(from##0, from##8);                  \
    const uint16 to##2 = INTERLEAVE_LOW(from##1, from##9), to##3 = INTERLEAVE_HIGH(from##1, from##9);                  \
    const uint16 to##4 = INTERLEAVE_LOW(from##2, from##a), to##5 = INTERLEAVE_HIGH(from##2, from##a);                  \
    const uint16 to##6 = INTERLEAVE_LOW(from##3, from##b), to##7 = INTERLEAVE_HIGH(from##3, from##b);                  \
    const uint16 to##8 = INTERLEAVE_LOW(from##4, from##c), to##9 = INTERLEAVE_HIGH(from##4, from##c);                  \
    const uint16 to##a = INTERLEAVE_LOW(from##5, from##d), to##b = INTERLEAVE_HIGH(from##5, from##d);                  \
    const uint16 to##c = INTERLEAVE_LOW(from##6, from##e), to##d = INTERLEAVE_HIGH(from##6, from##e);                  \
    const uint16 to##e = INTERLEAVE_LOW(from##7, from##f), to##f = INTERLEAVE_HIGH(from##7, from##f);
#define EACH(M)                                                                                                        \
    M(0, 0)                                                                                                            \
    M(1, 1)                                                                                                            \
    M(2, 2)                                                                                                            \
    M(3, 3) M(4, 4) M(5, 5) M(6, 6) M(7, 7) M(8, 8) M(9, 9) M(a, 10) M(b, 11) M(c, 12) M(d, 13) M(e, 14) M(f, 15)
