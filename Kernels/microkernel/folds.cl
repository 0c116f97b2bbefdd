// sum_of_lanes(v) and largest_of_lanes(v) of a FLOATV, combined in pairs.
#include "microkernel/lanes.cl"

#define FOLD_SUM(a, b) ((a) + (b))
#define FOLD_LARGEST(a, b) max(a, b)
#define DEFINE_FOLDS(NAME, COMBINE)                                                                                    \
    static float NAME##4(float4 v) {                                                                                   \
        const float2 w = COMBINE(v.lo, v.hi);                                                                          \
        return COMBINE(w.x, w.y);                                                                                      \
    }                                                                                                                  \
    static float NAME##8(float8 v) { return NAME##4(COMBINE(v.lo, v.hi)); }                                            \
    static float NAME##16(float16 v) { return NAME##8(COMBINE(v.lo, v.hi)); }
DEFINE_FOLDS(fold_sum_, FOLD_SUM)
DEFINE_FOLDS(fold_largest_, FOLD_LARGEST)
#define sum_of_lanes(v) CONCATENATE(fold_sum_, VECTOR)(v)
#define largest_of_lanes(v) CONCATENATE(fold_largest_, VECTOR)(v)
