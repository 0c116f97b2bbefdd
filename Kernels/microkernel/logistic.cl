// The logistic function 1 / (1 + e^-x) in arithmetic alone.
//
// LOGISTIC_SUM(T, x) is 1 + e^-x for T float or FLOATV, relative error below 3e-7; x counts as -87 below and 87 above,
// so that neither a denormal nor an infinity arises. NaN stays NaN.
#include "microkernel/lanes.cl"

#define LOGISTIC_SUM(T, x) CONCATENATE(logistic_sum_, T)(x)

// e^-x = 2^n e^-r with r = x + n log(2), n whole; e^-r by the polynomial of degree 5 with least relative error, 1e-7.
// Added to 1.5 * 2^23 + 127, a float is rounded to a whole number, which is then in the low bits as an exponent.
#define DEFINE_LOGISTIC_SUM(FLOATS, UINTS)                                                                             \
    static FLOATS CONCATENATE(logistic_sum_, FLOATS)(FLOATS x) {                                                       \
        x = select(x, (FLOATS)(-87.0f), x < (FLOATS)(-87.0f));                                                         \
        x = select(x, (FLOATS)(87.0f), x > (FLOATS)(87.0f));                                                           \
        const FLOATS shift = (FLOATS)(12583039.0f);                                                                    \
        const FLOATS shifted = fma(x, (FLOATS)(-1.44269504f), shift), n = shifted - shift;                             \
        const FLOATS r = fma(n, (FLOATS)(1.42860677e-6f), fma(n, (FLOATS)(0.693145752f), x));                          \
        FLOATS p = fma((FLOATS)(-8.29022e-3f), r, (FLOATS)(4.189843e-2f));                                             \
        p = fma(p, r, (FLOATS)(-1.666764e-1f));                                                                        \
        p = fma(p, r, (FLOATS)(4.9999146e-1f));                                                                        \
        p = fma(p, r, (FLOATS)(-9.9999971e-1f));                                                                       \
        p = fma(p, r, (FLOATS)(1.0f));                                                                                 \
        return fma(p, CONCATENATE(as_, FLOATS)(CONCATENATE(as_, UINTS)(shifted) << 23), (FLOATS)(1.0f));               \
    }
DEFINE_LOGISTIC_SUM(float, uint)
DEFINE_LOGISTIC_SUM(FLOATV, UINTV)
