// What the attention kernels leave out or change of the scores.
//
// mask     with MASK: element (b, h, s, key) at mask_offset + b * mask_pitch_b + h * mask_pitch_h + s * mask_pitch +
//          key; a float is added to the score, a byte (MASK_BOOL) of 0 masks the key out.
// valid    with VALID: the keys of each batch item that take part, a long each.
// columns  keys from here on are masked out. past: with CAUSAL query s sees the keys up to past + s.
// softcap  with SOFTCAP the bound of the scores.
//
// MASKED(score, element) is the score with a mask's element.
#ifdef MASK
#ifdef MASK_BOOL
#define MASK_ELEMENT uchar
#define MASKED(score, element) ((element) ? (score) : -INFINITY)
#else
#define MASK_ELEMENT float
#define MASKED(score, element) ((score) + (element))
#endif
#define MASK_ARGUMENTS                                                                                                 \
    , __global const MASK_ELEMENT *mask, long mask_offset, int mask_pitch_b, int mask_pitch_h, int mask_pitch
#else
#define MASK_ARGUMENTS
#endif
#ifdef VALID
#define VALID_ARGUMENTS , __global const long *valid, long valid_offset
#else
#define VALID_ARGUMENTS
#endif
#ifdef SOFTCAP
#define SOFTCAPPED(score) (tanh((score) / softcap) * softcap)
#else
#define SOFTCAPPED(score) (score)
#endif
