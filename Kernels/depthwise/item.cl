// What a work-item of the depthwise kernels computes: MR neighbouring pixels of row_block output rows x NR channels.
//
// DEPTHWISE_ITEM(T, U, channel), for inputs of T and outputs of U with the parameters of depthwise/direct.cl, declares
// the first channel c and the output pixels (n, d, y, x + 0 ..< MR) with first_y <= y < end_y; `origin`, the first
// pixel that the window of (n, d, 0, x) touches, at input channel `channel`; `out_plane`, output pixel (n, d, 0, x) at
// channel c; and the pitch of packed weights. The last tile of a row is shifted to end at output_w: its first
// `repeated` pixels belong to the tile before.
//
// KERNEL_H together with KERNEL_W, STRIDE_W together with DILATION_W: the sizes as constants, which unrolls the window;
// the arguments unless defined.
#if defined(KERNEL_H) && defined(KERNEL_W)
#define UNROLL_WINDOW _Pragma("unroll")
#else
#undef KERNEL_H
#undef KERNEL_W
#define KERNEL_H kernel_h
#define KERNEL_W kernel_w
#define UNROLL_WINDOW
#endif
#if !defined(STRIDE_W) || !defined(DILATION_W)
#undef STRIDE_W
#undef DILATION_W
#define STRIDE_W stride_w
#define DILATION_W dilation_w
#endif

#define DEPTHWISE_ITEM(T, U, channel)                                                                                  \
    const int c = get_global_id(0) * NR;                                                                               \
    const int blocks = (output_h + row_block - 1) / row_block;                                                         \
    const int plane = (int)get_global_id(2) / blocks;                                                                  \
    const int first_y = ((int)get_global_id(2) - plane * blocks) * row_block;                                          \
    const int end_y = min(first_y + row_block, output_h);                                                              \
    const int n = plane / output_d, d = plane - n * output_d;                                                          \
    const int tile = get_global_id(1), x = min(tile * MR, output_w - MR), repeated = tile * MR - x;                    \
    const int weight_pitch = (channels + NR - 1) / NR * NR;                                                            \
    __global const T *origin = input + input_offset + (long)n * input_pitch_n + (long)(d * stride_d) * input_pitch_d + \
                               (long)(x * stride_w) * input_pitch_w + (channel);                                       \
    __global U *out_plane =                                                                                            \
        output + output_offset + (long)n * output_pitch_n + (long)d * output_pitch_d + (long)x * output_pitch_w + c;
