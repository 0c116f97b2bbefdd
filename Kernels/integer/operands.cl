// The operands of the outputs of an integer product, where they are given, as parameters of the packing kernels.
//
// HAS_BIAS, HAS_MULTIPLIER, HAS_W_ZERO: which of them are given; multiplier_pitch and w_zero_pitch are 0 where one
// element serves all outputs. W_UNSIGNED: the weights are unsigned. OUTPUT_OPERANDS ends the parameter list of a
// kernel; OUTPUT_BIAS(c), OUTPUT_MULTIPLIER(c) (the bits of a float) and OUTPUT_W_ZERO(c) read those of output c as
// ints, 0 where they are not given.
//
// Parameters of outputs are four rows of ints: the bias less what the zero point of the input contributes, the
// multiplier, the zero point of the weights, and what the zero point contributes for each of its units. X_ZERO_GIVEN:
// that zero point arrives during the run, so that the first row is the bias alone.
#pragma OPENCL FP_CONTRACT OFF

#ifdef W_UNSIGNED
#define WEIGHT uchar
#else
#define WEIGHT char
#endif

#ifdef HAS_BIAS
#define BIAS_OPERAND , __global const int *bias, long bias_offset
#define OUTPUT_BIAS(c) bias[bias_offset + (c)]
#else
#define BIAS_OPERAND
#define OUTPUT_BIAS(c) 0
#endif
#ifdef HAS_MULTIPLIER
#define MULTIPLIER_OPERAND , __global const float *multiplier, long multiplier_offset, int multiplier_pitch
#define OUTPUT_MULTIPLIER(c) as_int(multiplier[multiplier_offset + (long)(c)*multiplier_pitch])
#else
#define MULTIPLIER_OPERAND
#define OUTPUT_MULTIPLIER(c) 0
#endif
#ifdef HAS_W_ZERO
#define W_ZERO_OPERAND , __global const WEIGHT *w_zero, long w_zero_offset, int w_zero_pitch
#define OUTPUT_W_ZERO(c) w_zero[w_zero_offset + (long)(c)*w_zero_pitch]
#else
#define W_ZERO_OPERAND
#define OUTPUT_W_ZERO(c) 0
#endif
#define OUTPUT_OPERANDS BIAS_OPERAND MULTIPLIER_OPERAND W_ZERO_OPERAND

#ifdef X_ZERO_GIVEN
#define OUTPUT_START(bias, x_zero, share) (bias)
#else
#define OUTPUT_START(bias, x_zero, share) ((bias) - (x_zero) * (share))
#endif
