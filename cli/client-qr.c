#include <config.h>

#include "cli/client-profile.h"

#include <errno.h>
#include <fcntl.h>
#include <png.h>
#include <qrencode.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "openvswitch/dynamic-string.h"
#include "util.h"

/* ISO/IEC 18004: four modules of light around the symbol. */
#define QUIET 4
/* Pixels per module of a picture. */
#define SCALE 6

static QRcode *
qr_encode(const char *text)
{
    return QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);
}

static void
qr_free(QRcode *qr)
{
    sodium_memzero(qr->data, (size_t) qr->width * qr->width);
    QRcode_free(qr);
}

static bool
is_dark(const QRcode *qr, int x, int y)
{
    return (x >= 0 && y >= 0 && x < qr->width && y < qr->width
            && (qr->data[y * qr->width + x] & 1));
}

char *
qr_format(const char *text, struct ds *ds)
{
    static const char *const blocks[] = { " ", "\u2580", "\u2584",
                                          "\u2588" };
    QRcode *qr = qr_encode(text);

    if (!qr) {
        return xasprintf("the profile does not fit a QR code: %s",
                         ovs_strerror(errno));
    }
    /* A character is two modules, one above the other. */
    for (int y = -QUIET; y < qr->width + QUIET; y += 2) {
        ds_put_cstr(ds, "\033[30;47m");
        for (int x = -QUIET; x < qr->width + QUIET; x++) {
            ds_put_cstr(ds, blocks[is_dark(qr, x, y)
                                   + 2 * is_dark(qr, x, y + 1)]);
        }
        ds_put_cstr(ds, "\033[0m\n");
    }
    qr_free(qr);
    return NULL;
}

/* 8-bit grey, rows of '*ret_side' pixels. */
static unsigned char *
qr_paint(const QRcode *qr, unsigned int *ret_side)
{
    unsigned int side = (qr->width + 2 * QUIET) * SCALE;
    unsigned char *pixels = xmalloc((size_t) side * side);

    for (unsigned int i = 0; i < side * side; i++) {
        int x = (int) (i % side) / SCALE - QUIET;
        int y = (int) (i / side) / SCALE - QUIET;

        pixels[i] = is_dark(qr, x, y) ? 0 : 255;
    }
    *ret_side = side;
    return pixels;
}

static char *
png_write(FILE *stream, const unsigned char *pixels, unsigned int side)
{
    png_image image;

    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.width = image.height = side;
    image.format = PNG_FORMAT_GRAY;
    return (png_image_write_to_stdio(&image, stream, 0, pixels, 0, NULL)
            && !fflush(stream)
            ? NULL : xstrdup(image.message[0] ? image.message
                             : ovs_strerror(errno)));
}

char *
qr_write_png(const char *text, const char *path)
{
    QRcode *qr = qr_encode(text);
    unsigned int side;
    char *error;

    if (!qr) {
        return xasprintf("the profile does not fit a QR code: %s",
                         ovs_strerror(errno));
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *stream = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (!stream) {
        error = xasprintf("%s: %s", path, ovs_strerror(errno));
        qr_free(qr);
        return error;
    }
    unsigned char *pixels = qr_paint(qr, &side);
    char *why = png_write(stream, pixels, side);
    error = why ? xasprintf("%s: %s", path, why) : NULL;
    if (error) {
        unlink(path);
    }
    free(why);
    fclose(stream);
    sodium_memzero(pixels, (size_t) side * side);
    free(pixels);
    qr_free(qr);
    return error;
}
