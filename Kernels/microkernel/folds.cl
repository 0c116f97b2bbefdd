// The sum and the largest of a vector's lanes, combined in pairs.
#include "microkernel/lanes.cl"

#define FOLD_SUM(a, b) ((a) + (b))
#define FOLD_LARGEST(a, b) max(a, b)
#define DEFINE_FOLDS(NAME, COMBINE)                                                                                    \
    __attribute__((overloadable)) float NAME(float4 v) {                                                               \
        const float2 w = COMBINE(v.lo, v.hi);                                                                          \
        return COMBINE(w.x, w.y);                                                                                      \
    }                                                                                                                  \
    __attribute__((overloadable)) float NAME(float8 v) { return NAME(COMBINE(v.lo, v.hi)); }                           \
    __attribute__((overloadable)) float NAME(float16 v) { return NAME(COMBINE(v.lo, v.hi)); }
DEFINE_FOLDS(sum_of_lanes, FOLD_SUM)
DEFINE_FOLDS(largest_of_lanes, FOLD_LARGEST)
