#include "CImage.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

struct report {
    char *text;
    size_t size;
};

static int fail(struct report report, int status, const char *what, const char *detail) {
    if (report.text != NULL && report.size > 0) {
        snprintf(report.text, report.size, detail != NULL ? "%s: %s" : "%s", what, detail);
    }
    return status;
}

/// Checks the size against the limits and allocates `width * height * channels` zeroed bytes.
static int allocate(apus_image *image, size_t width, size_t height, int channels, struct report report) {
    if (width == 0 || height == 0) {
        return fail(report, APUS_IMAGE_DAMAGED, "the picture has no pixels", NULL);
    }
    if (width > APUS_IMAGE_MAX_SIDE || height > APUS_IMAGE_MAX_SIDE || width * height * 3 > APUS_IMAGE_MAX_BYTES) {
        char size[64];
        snprintf(size, sizeof size, "%zu x %zu pixels", width, height);
        return fail(report, APUS_IMAGE_TOO_LARGE, "the picture is too large", size);
    }
    image->pixels = calloc(width * height, (size_t)channels);
    if (image->pixels == NULL) {
        return fail(report, APUS_IMAGE_OUT_OF_MEMORY, "no memory for the picture", NULL);
    }
    image->width = (int)width;
    image->height = (int)height;
    image->channels = channels;
    return APUS_IMAGE_OK;
}

static int reduce_to_grey(apus_image *image, struct report report) {
    size_t count = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; i < count; i++) {
        const unsigned char *rgb = image->pixels + 3 * i;
        image->pixels[i] = (unsigned char)((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >> 16);
    }
    unsigned char *smaller = realloc(image->pixels, count);
    if (smaller == NULL) {
        return fail(report, APUS_IMAGE_OUT_OF_MEMORY, "no memory for the picture", NULL);
    }
    image->pixels = smaller;
    image->channels = 1;
    return APUS_IMAGE_OK;
}

static int decode_png(const unsigned char *data, size_t size, int channels, apus_image *out, struct report report) {
    png_image png;
    memset(&png, 0, sizeof png);
    png.version = PNG_IMAGE_VERSION;
    if (png_image_begin_read_from_memory(&png, data, size) == 0) {
        int status = fail(report, APUS_IMAGE_DAMAGED, "the PNG file cannot be decoded", png.message);
        png_image_free(&png);
        return status;
    }
    int source_channels = (png.format & PNG_FORMAT_FLAG_COLOR) != 0 ? 3 : 1;
    int decoded_channels = source_channels > channels ? source_channels : channels;
    png.format = decoded_channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
    int status = allocate(out, png.width, png.height, decoded_channels, report);
    if (status == APUS_IMAGE_OK) {
        png_color white = {255, 255, 255};
        if (png_image_finish_read(&png, &white, out->pixels, 0, NULL) == 0) {
            status = fail(report, APUS_IMAGE_DAMAGED, "the PNG file cannot be decoded", png.message);
        }
    }
    png_image_free(&png);
    if (status == APUS_IMAGE_OK && decoded_channels > channels) {
        status = reduce_to_grey(out, report);
    }
    return status;
}

static int harmless_jpeg_warning(tjhandle handle) {
    return tjGetErrorCode(handle) == TJERR_WARNING && strstr(tjGetErrorStr2(handle), "extraneous bytes") != NULL;
}

static int decode_jpeg(const unsigned char *data, size_t size, int channels, apus_image *out, struct report report) {
    tjhandle handle = tjInitDecompress();
    if (handle == NULL) {
        return fail(report, APUS_IMAGE_OUT_OF_MEMORY, "the JPEG decoder did not start", tjGetErrorStr2(NULL));
    }
    int width = 0, height = 0, subsampling = 0, colorspace = 0;
    int status = APUS_IMAGE_OK;
    if (tjDecompressHeader3(handle, data, size, &width, &height, &subsampling, &colorspace) != 0
        && !harmless_jpeg_warning(handle)) {
        status = fail(report, APUS_IMAGE_DAMAGED, "the JPEG file cannot be decoded", tjGetErrorStr2(handle));
    }
    if (status == APUS_IMAGE_OK) {
        size_t columns = width > 0 ? (size_t)width : 0, rows = height > 0 ? (size_t)height : 0;
        status = allocate(out, columns, rows, channels, report);
    }
    if (status == APUS_IMAGE_OK) {
        int format = channels == 3 ? TJPF_RGB : TJPF_GRAY;
        int flags = TJFLAG_LIMITSCANS | TJFLAG_ACCURATEDCT;
        if (tjDecompress2(handle, data, size, out->pixels, width, 0, height, format, flags) != 0
            && !harmless_jpeg_warning(handle)) {
            status = fail(report, APUS_IMAGE_DAMAGED, "the JPEG file cannot be decoded", tjGetErrorStr2(handle));
        }
    }
    tjDestroy(handle);
    return status;
}

int apus_image_decode(
    const unsigned char *data, size_t size, int channels, apus_image *out, char *message, size_t message_size) {
    static const unsigned char png_start[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    static const unsigned char jpeg_start[] = {0xFF, 0xD8, 0xFF};
    struct report report = {message, message_size};
    if (message != NULL && message_size > 0) {
        message[0] = 0;
    }
    if (out == NULL || (data == NULL && size > 0) || (channels != 1 && channels != 3)) {
        return fail(report, APUS_IMAGE_BAD_ARGUMENT, "channels must be 1 or 3, and data and out must be given", NULL);
    }
    memset(out, 0, sizeof *out);
    int status;
    if (size >= sizeof png_start && memcmp(data, png_start, sizeof png_start) == 0) {
        status = decode_png(data, size, channels, out, report);
    } else if (size >= sizeof jpeg_start && memcmp(data, jpeg_start, sizeof jpeg_start) == 0) {
        status = decode_jpeg(data, size, channels, out, report);
    } else {
        status = fail(report, APUS_IMAGE_UNKNOWN_FORMAT, "the file is neither PNG nor JPEG", NULL);
    }
    if (status != APUS_IMAGE_OK) {
        apus_image_free(out);
    }
    return status;
}

void apus_image_free(apus_image *image) {
    if (image != NULL) {
        free(image->pixels);
        memset(image, 0, sizeof *image);
    }
}
