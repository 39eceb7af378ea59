/* PNG through libspng. Every kind of file is read as RGBA of eight bits: palette and tRNS expanded, 1 to 4 bits scaled
 * up, 16 bits by their high byte, gAMA left alone.
 *
 * libspng is given only the chunks that pixels are made of. It refuses a file for what is wrong in the others (0.7.3:
 * an empty eXIf is "reached chunk/cache limits"), and would keep them all in memory.
 *
 * A chunk: u32 length of the content, four letters (the first small: a picture can be shown without it), content, u32
 * CRC; numbers are big-endian. Source: PNG specification (third edition), 5.3 and 11.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <spng.h>

#include "base/size.h"
#include "image/decode.h"

#define KIND       "PNG"
#define SIGNATURE  8    /* bytes */
#define AROUND     12   /* bytes of a chunk around its content */
#define MAX_EXPAND 1032 /* bytes that one byte of deflate can become: RFC 1951, 258 bytes in two bits */

/* ---- chunks ---- */

typedef struct chunk {
    const uint8_t *name, *data;
    size_t len;
} chunk;

static uint32_t big32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The chunk at `at`; false where the file ends in it. */
static bool chunk_at(ct_bytes in, size_t at, chunk *c)
{
    if (!ct_inside(at, 8, in.len))
        return false;
    *c = (chunk){ in.data + at + 4, in.data + at + 8, big32(in.data + at) };
    return ct_inside(at, (uint64_t)c->len + AROUND, in.len);
}

static bool is_named(const chunk *c, const char *name)
{
    return memcmp(c->name, name, 4) == 0;
}

/* An iTXt chunk: keyword, NUL, u8 compressed, u8 method, language, NUL, keyword in it, NUL, text. A compressed packet is
 * not read. */
static int xmp_orientation(const chunk *c)
{
    static const char keyword[] = "XML:com.adobe.xmp";
    if (c->len < sizeof keyword + 2 || memcmp(c->data, keyword, sizeof keyword) != 0 || c->data[sizeof keyword])
        return 0;
    return ct_xmp_orientation(c->data + sizeof keyword, c->len - sizeof keyword);
}

/* Metadata may stand in front of the pixels or behind them. */
static int find_orientation(ct_bytes in)
{
    int exif = 0, xmp = 0;
    chunk c;
    for (size_t at = SIGNATURE; chunk_at(in, at, &c) && !is_named(&c, "IEND"); at += AROUND + c.len) {
        if (is_named(&c, "eXIf") && !exif)
            exif = ct_exif_orientation(c.data, c.len);
        if (is_named(&c, "iTXt") && !xmp)
            xmp = xmp_orientation(&c);
    }
    return ct_orientation(exif, xmp);
}

/* The file without the chunks that nothing is drawn from, as libspng reads it. */
typedef struct stream {
    ct_bytes in;
    size_t at, end; /* the bytes that are given out next; behind them a chunk begins */
} stream;

static int read_bytes(spng_ctx *ctx, void *user, void *to, size_t n)
{
    (void)ctx;
    stream *s = user;
    for (uint8_t *out = to; n > 0;) {
        chunk c;
        while (s->at == s->end && chunk_at(s->in, s->end, &c)) {
            s->end += AROUND + c.len;
            if (c.name[0] & 0x20 && !is_named(&c, "tRNS"))
                s->at = s->end;
        }
        if (s->at == s->end)
            s->end = s->in.len; /* the rest of a file that was cut off */
        size_t left = s->end - s->at, k = n < left ? n : left;
        if (k == 0)
            return SPNG_IO_EOF;
        memcpy(out, s->in.data + s->at, k);
        out += k, s->at += k, n -= k;
    }
    return 0;
}

/* ---- pixels ---- */

/* To libspng a zlib without memory is a damaged stream. So its memory comes from here, which remembers a refusal; of the
 * initial model, since others take memory at a thread's first access and abort where there is none. */
static _Thread_local bool was_refused __attribute__((tls_model("initial-exec")));

static void *noted(void *p)
{
    was_refused = was_refused || !p;
    return p;
}

static void *watched_malloc(size_t n)
{
    return noted(malloc(n));
}

static void *watched_realloc(void *p, size_t n)
{
    return noted(realloc(p, n));
}

static void *watched_calloc(size_t n, size_t size)
{
    return noted(calloc(n, size));
}

static bool wrong(int rc, carat_err *err)
{
    if (rc == SPNG_EMEM || was_refused)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, KIND ": no memory");
    if (rc == SPNG_IO_EOF)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, KIND ": cut off: pixels are missing");
    return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, KIND ": %s", spng_strerror(rc));
}

/* Could so few bytes hold the picture? Asked before memory is taken for it. */
static bool can_hold(ct_bytes in, const struct spng_ihdr *head, carat_err *err)
{
    static const uint8_t channels[8] = { [0] = 1, [2] = 3, [3] = 1, [4] = 2, [6] = 4 };
    uint64_t bits = (uint64_t)head->width * channels[head->color_type & 7] * head->bit_depth;
    if (bits / 8 <= UINT64_MAX / head->height && bits / 8 * head->height / MAX_EXPAND <= in.len)
        return true;
    return ct_fail(err, CARAT_EFORMAT, in.len, KIND ": %zu bytes do not hold %u x %u pixels", in.len, head->width,
                   head->height);
}

static bool read_interlaced(spng_ctx *c, ct_image *out, carat_err *err)
{
    uint8_t *rgba = ct_rgba_new(KIND, out->width, out->height, err);
    size_t size = (size_t)out->width * out->height;
    int rc = rgba ? spng_decode_image(c, rgba, 4 * size, SPNG_FMT_RGBA8, SPNG_DECODE_TRNS) : 0;
    if (rgba && !rc)
        ct_flatten(out->rgb, rgba, size);
    free(rgba);
    return rgba && (!rc || wrong(rc, err));
}

static bool read_rows(spng_ctx *c, ct_image *out, carat_err *err)
{
    uint8_t *rgba = ct_rgba_new(KIND, out->width, 1, err);
    int rc = rgba ? spng_decode_image(c, NULL, 0, SPNG_FMT_RGBA8, SPNG_DECODE_TRNS | SPNG_DECODE_PROGRESSIVE) : 0;
    for (uint32_t y = 0; rgba && !rc && y < out->height; y++) {
        rc = spng_decode_row(c, rgba, (size_t)out->width * 4);
        if (rc == SPNG_EOI && y + 1 == out->height) /* said with the last row */
            rc = 0;
        ct_flatten(out->rgb + (size_t)y * out->width * 3, rgba, rc ? 0 : out->width);
    }
    free(rgba);
    return rgba && (!rc || wrong(rc, err));
}

static bool run(spng_ctx *c, stream *s, const ct_image_limits *l, ct_image *out, int *orientation, carat_err *err)
{
    struct spng_ihdr head;
    size_t size;
    int rc = spng_set_png_stream(c, read_bytes, s);
    spng_set_chunk_limits(c, l->file_bytes, l->file_bytes);
    if (rc || (rc = spng_get_ihdr(c, &head)))
        return wrong(rc, err);
    *orientation = find_orientation(s->in);
    uint64_t rgba = head.interlace_method ? (uint64_t)head.width * head.height * 4 : 0;
    if (!can_hold(s->in, &head, err) || !ct_image_begin(out, KIND, head.width, head.height, *orientation, rgba, l, err))
        return false;
    rc = spng_decoded_image_size(c, SPNG_FMT_RGBA8, &size);
    if (!rc && size != (size_t)head.width * head.height * 4)
        rc = SPNG_EINTERNAL;
    if (rc)
        return wrong(rc, err);
    return head.interlace_method ? read_interlaced(c, out, err) : read_rows(c, out, err);
}

bool ct_png_decode(ct_bytes in, const ct_image_limits *l, ct_image *out, int *orientation, carat_err *err)
{
    struct spng_alloc alloc = { watched_malloc, watched_realloc, watched_calloc, free };
    was_refused = false;
    spng_ctx *c = spng_ctx_new2(&alloc, 0);
    if (!c)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, KIND ": no memory");
    stream s = { in, 0, in.len < SIGNATURE ? in.len : SIGNATURE };
    bool ok = run(c, &s, l, out, orientation, err);
    spng_ctx_free(c);
    return ok;
}
