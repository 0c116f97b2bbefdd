// Writes a constant into the halo of a channels-last tensor: every pixel outside the interior.
//
// Element (n, d, y, x, c) at offset + n * pitch_n + d * pitch_d + y * pitch_h + x * pitch_w + c, the offset being that
// of interior pixel (0, 0, 0). The halo has `front`, `back` planes, `top`, `bottom` rows, `left`, `right` columns round
// the interior of depth x height x width pixels; all `span` floats of a halo pixel are written (channels or pitch_w).
//
// Global size: (front + depth + back) * (top + height + bottom) rows in dimension 0, batch in dimension 1; local size 1
// or any divisor.
#pragma OPENCL FP_CONTRACT OFF

__kernel void halo_fill(__global float *tensor, long offset, int pitch_n, int pitch_d, int pitch_h, int pitch_w,
                        int depth, int height, int width, int front, int back, int top, int bottom, int left, int right,
                        int span, float value) {
    const int rows = top + height + bottom;
    const int plane = get_global_id(0) / rows;
    const int d = plane - front, y = (int)get_global_id(0) - plane * rows - top;
    __global float *row = tensor + offset + (long)get_global_id(1) * pitch_n + (long)d * pitch_d + (long)y * pitch_h;
    const int inside = d >= 0 && d < depth && y >= 0 && y < height;
    const int resume = inside ? width : 0;
    for (int x = -left; x < width + right; ++x) {
        if (inside && x == 0)
            x = resume;
        if (x >= width + right)
            break;
        for (int c = 0; c < span; ++c)
            row[(long)x * pitch_w + c] = value;
    }
}
