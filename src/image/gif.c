/* GIF: the first picture of the file, laid on its logical screen as Pillow does it. giflib reads the container; the
 * codes are unpacked here, because its DGifGetLine makes up pixels for invalid codes, and writes 16 KiB for each clear
 * code: 22 s for a file of 48 MB and 64 million pixels that takes 0.6 s here.
 *
 * The screen grows to hold a picture that reaches outside it. What the picture does not cover is transparent if the
 * file has a transparent colour, else colour 0; the background colour is ignored, as viewers do. Without a colour table
 * indices are gray values; indices beyond the end of a table are black.
 *
 * Source: CompuServe, Graphics Interchange Format, version 89a (31 July 1990); appendix F for the codes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <gif_lib.h>

#include "image/decode.h"

#define KIND      "GIF"
#define MAX_WIDTH 12 /* bits of a code */
#define MAX_CODES (1u << MAX_WIDTH)
#define NONE      UINT32_MAX
#define OPAQUE    (-1)

typedef struct reader {
    GifFileType *gif;
    ct_bytes in;
    size_t at;       /* how much of it is read */
    int transparent; /* colour index, or OPAQUE */

    /* A code is a string of indices: the string of the code prefix, then suffix. Codes below `clear` are an index each,
     * clear empties the table, clear + 1 ends the picture, the others are assigned in order as codes are read. */
    const uint8_t *block; /* what is left of the current block of codes */
    size_t left;
    uint32_t bits, n_bits;      /* read and not yet used, the lowest first */
    uint32_t index_bits, clear; /* clear = 2^index_bits */
    uint32_t next, before;      /* the code that the table gains next; the last one read, NONE after clear */
    uint32_t width;             /* bits of the next code */
    uint16_t prefix[MAX_CODES];
    uint8_t suffix[MAX_CODES];
    uint8_t string[MAX_CODES]; /* of the last code, backwards: the part that is not in a row yet */
    uint32_t n_string;

    uint8_t colours[256][3];
    uint8_t row[UINT16_MAX];
} reader;

/* What giflib reads through; gif_lib.h has the form. */
static int read_bytes(GifFileType *gif, GifByteType *to, int n)
{
    reader *r = gif->UserData;
    size_t left = r->in.len - r->at, k = (size_t)n < left ? (size_t)n : left;
    memcpy(to, r->in.data + r->at, k);
    r->at += k;
    return (int)k;
}

/* Reports giflib's error, missing bytes or no memory, while `what` was being read. */
static bool cut_off(const reader *r, int gif_error, const char *what, carat_err *err)
{
    bool has_bytes = r->at < r->in.len; /* a colour table without memory is "no screen descriptor" */
    if (gif_error == D_GIF_ERR_NOT_ENOUGH_MEM || (gif_error == D_GIF_ERR_NO_SCRN_DSCR && has_bytes))
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, KIND ": no memory for %s", what);
    return ct_fail(err, CARAT_EFORMAT, r->at, KIND ": cut off in %s, after %zu bytes", what, r->at);
}

/* ---- the container ---- */

static bool read_extension(reader *r, carat_err *err)
{
    int kind;
    GifByteType *block; /* its length, then its bytes */
    if (DGifGetExtension(r->gif, &kind, &block) != GIF_OK)
        return cut_off(r, r->gif->Error, "an extension", err);
    if (kind == GRAPHICS_EXT_FUNC_CODE && block) {
        if (block[0] < 4)
            return ct_fail(err, CARAT_EFORMAT, r->at, KIND ": a graphic control block of %u bytes, expected 4",
                           block[0]);
        if (block[1] & 1)
            r->transparent = block[4];
    }
    while (block)
        if (DGifGetExtensionNext(r->gif, &block) != GIF_OK)
            return cut_off(r, r->gif->Error, "an extension", err);
    return true;
}

/* Up to the first picture's codes: its place and colour table are in r->gif->Image. */
static bool find_picture(reader *r, carat_err *err)
{
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    while (type != IMAGE_DESC_RECORD_TYPE) {
        if (DGifGetRecordType(r->gif, &type) != GIF_OK) {
            if (r->gif->Error != D_GIF_ERR_WRONG_RECORD)
                return cut_off(r, r->gif->Error, "what comes before the first picture", err);
            type = UNDEFINED_RECORD_TYPE; /* some writers leave a zero too many between blocks */
        }
        if (type == TERMINATE_RECORD_TYPE)
            return ct_fail(err, CARAT_EFORMAT, r->at, KIND ": ends after %zu bytes without a picture", r->at);
        if (type == EXTENSION_RECORD_TYPE && !read_extension(r, err))
            return false;
    }
    r->gif->Error = D_GIF_SUCCEEDED;
    if (DGifGetImageDesc(r->gif) != GIF_OK) {
        if (r->gif->Error == D_GIF_ERR_READ_FAILED && r->at < r->in.len)
            return ct_fail(err, CARAT_EFORMAT, r->at - 1, KIND ": colour indices of %u bits, expected at most 8",
                           r->in.data[r->at - 1]);
        return cut_off(r, r->gif->Error, "the picture's header", err);
    }
    if (r->gif->Image.Width == 0 || r->gif->Image.Height == 0)
        return ct_fail(err, CARAT_EFORMAT, r->at, KIND ": a picture of %d x %d pixels", r->gif->Image.Width,
                       r->gif->Image.Height);
    return true;
}

static void set_colours(reader *r)
{
    const ColorMapObject *table = r->gif->Image.ColorMap ? r->gif->Image.ColorMap : r->gif->SColorMap;
    for (int i = 0; i < 256; i++)
        if (!table)
            memset(r->colours[i], i, 3);
        else if (i < table->ColorCount)
            memcpy(r->colours[i], (uint8_t[]){ table->Colors[i].Red, table->Colors[i].Green, table->Colors[i].Blue },
                   3);
    if (r->transparent != OPAQUE)
        memset(r->colours[r->transparent], 255, 3);
}

/* ---- the codes ---- */

static void empty_table(reader *r)
{
    r->next = r->clear + 2;
    r->before = NONE;
    r->width = r->index_bits + 1;
}

static bool too_few(const reader *r, carat_err *err)
{
    return ct_fail(err, CARAT_EFORMAT, r->at, KIND ": the codes end after %zu bytes, before the picture does", r->at);
}

static bool begin_codes(reader *r, carat_err *err)
{
    int bits;
    GifByteType *block; /* its length, then its bytes */
    if (DGifGetCode(r->gif, &bits, &block) != GIF_OK)
        return cut_off(r, r->gif->Error, "the picture", err);
    if (!block)
        return too_few(r, err);
    r->left = block[0], r->block = block + 1;
    r->index_bits = (uint32_t)bits;
    r->clear = 1u << bits;
    empty_table(r);
    return true;
}

static bool read_code(reader *r, uint32_t *code, carat_err *err)
{
    for (; r->n_bits < r->width; r->n_bits += 8, r->left--) {
        GifByteType *block;
        if (r->left == 0) {
            if (DGifGetCodeNext(r->gif, &block) != GIF_OK)
                return cut_off(r, r->gif->Error, "the picture", err);
            if (!block)
                return too_few(r, err);
            r->left = block[0], r->block = block + 1;
        }
        r->bits |= (uint32_t)*r->block++ << r->n_bits;
    }
    *code = r->bits & ((1u << r->width) - 1);
    r->bits >>= r->width;
    r->n_bits -= r->width;
    return true;
}

/* The next code's string, and the code that the table gains: the string before and the first index of this one. */
static bool read_string(reader *r, carat_err *err)
{
    uint32_t code = 0, n = 0;
    do {
        if (!read_code(r, &code, err))
            return false;
        if (code == r->clear)
            empty_table(r);
    } while (code == r->clear);
    if (code == r->clear + 1)
        return too_few(r, err);
    uint32_t last = r->before == NONE ? r->clear - 1 : r->next;
    if (code > last)
        return ct_fail(err, CARAT_EFORMAT, r->at, KIND ": code %u after %zu bytes, expected at most %u", code, r->at,
                       last);
    /* A code that the table is about to gain: the string before and that string's first index. */
    uint32_t at = code == r->next ? r->before : code;
    n += code == r->next;
    for (; at > r->clear; at = r->prefix[at]) /* always less than at, so this ends and fits */
        r->string[n++] = r->suffix[at];
    r->string[n++] = (uint8_t)at;
    if (code == r->next)
        r->string[0] = (uint8_t)at;
    if (r->before != NONE && r->next < MAX_CODES) {
        r->prefix[r->next] = (uint16_t)r->before;
        r->suffix[r->next] = (uint8_t)at;
        r->next++;
        r->width += r->next == 1u << r->width && r->width < MAX_WIDTH;
    }
    r->before = code;
    r->n_string = n;
    return true;
}

static bool read_row(reader *r, size_t n, carat_err *err)
{
    for (size_t i = 0; i < n;) {
        if (r->n_string == 0 && !read_string(r, err))
            return false;
        while (i < n && r->n_string > 0)
            r->row[i++] = r->string[--r->n_string];
    }
    return true;
}

/* ---- the picture ---- */

static bool draw(reader *r, ct_image *out, carat_err *err)
{
    static const struct {
        int first, step;
    } passes[] = { { 0, 8 }, { 4, 8 }, { 2, 4 }, { 1, 2 }, { 0, 1 } }; /* four interlaced, or the last alone */
    const GifImageDesc *d = &r->gif->Image;
    const uint8_t *open = r->colours[r->transparent == OPAQUE ? 0 : r->transparent];
    for (size_t i = 0, n = (size_t)out->width * out->height; i < n; i++)
        memcpy(out->rgb + 3 * i, open, 3);
    for (int pass = d->Interlace ? 0 : 4; pass < (d->Interlace ? 4 : 5); pass++)
        for (int y = passes[pass].first; y < d->Height; y += passes[pass].step) {
            if (!read_row(r, (size_t)d->Width, err))
                return false;
            uint8_t *to = out->rgb + ((size_t)(d->Top + y) * out->width + (size_t)d->Left) * 3;
            for (int x = 0; x < d->Width; x++)
                memcpy(to + 3 * x, r->colours[r->row[x]], 3);
        }
    return true;
}

static bool run(reader *r, const ct_image_limits *l, ct_image *out, carat_err *err)
{
    int gif_error = D_GIF_SUCCEEDED;
    r->gif = DGifOpen(r, read_bytes, &gif_error);
    if (!r->gif)
        return cut_off(r, gif_error, "the header", err);
    if (!find_picture(r, err))
        return false;
    const GifImageDesc *d = &r->gif->Image;
    int right = d->Left + d->Width, bottom = d->Top + d->Height;
    int width = right > r->gif->SWidth ? right : r->gif->SWidth;
    int height = bottom > r->gif->SHeight ? bottom : r->gif->SHeight;
    if (!ct_image_begin(out, KIND, (uint64_t)width, (uint64_t)height, 1, 0, l, err))
        return false;
    set_colours(r);
    return begin_codes(r, err) && draw(r, out, err);
}

bool ct_gif_decode(ct_bytes in, const ct_image_limits *l, ct_image *out, carat_err *err)
{
    reader *r = calloc(1, sizeof *r);
    if (!r)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, KIND ": no memory");
    r->in = in;
    r->transparent = OPAQUE;
    bool ok = run(r, l, out, err);
    DGifCloseFile(r->gif, NULL); /* takes NULL */
    free(r);
    return ok;
}
