/// Decodes PNG and JPEG pictures through libpng's simplified interface and libturbojpeg.
///
/// Both libraries report errors by longjmp; none of it leaves this module.

#ifndef APUS_CIMAGE_H
#define APUS_CIMAGE_H

#include <stddef.h>

/// The largest width and height, in pixels.
#define APUS_IMAGE_MAX_SIDE 16384

/// The largest decoded picture, in bytes, counted with three channels.
#define APUS_IMAGE_MAX_BYTES ((size_t)256 << 20)

/// What `apus_image_decode` returns.
enum apus_image_status {
    APUS_IMAGE_OK = 0,
    /// An argument is wrong: `channels` is neither 1 nor 3, or `out` is NULL.
    APUS_IMAGE_BAD_ARGUMENT = 1,
    /// The bytes are neither PNG nor JPEG.
    APUS_IMAGE_UNKNOWN_FORMAT = 2,
    /// The file is damaged, cut short, or uses a feature that the library does not decode.
    APUS_IMAGE_DAMAGED = 3,
    /// The picture is larger than `APUS_IMAGE_MAX_SIDE` or `APUS_IMAGE_MAX_BYTES`.
    APUS_IMAGE_TOO_LARGE = 4,
    APUS_IMAGE_OUT_OF_MEMORY = 5,
};

/// A decoded picture: rows from top to bottom without padding, channels interleaved, one byte a sample.
typedef struct apus_image {
    int width;
    int height;
    /// 1 (grey) or 3 (red, green, blue).
    int channels;
    /// `width * height * channels` bytes, released by `apus_image_free`.
    unsigned char *pixels;
} apus_image;

/// Decodes a PNG or JPEG file held in memory to 8 bits a sample.
///
/// Colour becomes grey by the luma of ITU-R BT.601; grey becomes colour by repetition. Sixteen bits are reduced to eight,
/// palettes are expanded and transparent pixels are laid over white. The EXIF orientation is not applied. A JPEG file
/// that needed repair is refused, except where only superfluous bytes were skipped.
///
/// - channels: 1 for grey, 3 for red, green, blue.
/// - out: filled on success; zeroed otherwise.
/// - message: receives a sentence about the failure, cut to `message_size` bytes and ended by a zero; may be NULL.
/// - Returns: `APUS_IMAGE_OK` or the kind of failure. Safe to call from several threads at once.
int apus_image_decode(
    const unsigned char *data, size_t size, int channels, apus_image *out, char *message, size_t message_size);

/// Releases the pixels and zeroes the structure; a zeroed structure may be freed again.
void apus_image_free(apus_image *image);

#endif
