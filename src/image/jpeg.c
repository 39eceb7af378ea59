/* JPEG through libjpeg-turbo, with its defaults (accurate integer DCT, smooth chroma upsampling), which are Pillow's.
 *
 * libjpeg reports errors by a callback that must not return: it jumps back here.
 *
 * Cameras and streams lose a file's end marker, which costs no pixel: such a file is a picture if every scan was read
 * to its end. libjpeg then makes up an end marker, with a warning; whether a bit of a scan was missing it says with
 * another, and whether a scan was is_whole's question.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "image/decode.h"

#define KIND "JPEG"

/* Encoders write about ten scans. Each goes over the whole picture however few bytes it has: 2000 of them in 430 kB
 * kept a decoder of 62 million pixels busy for a minute and a half. So of large pictures fewer are read. */
#define MAX_SCANS   64
#define LEAST_SCANS 16
#define SCAN_PIXELS 4000000000u /* of all scans together */

/* A block of 64 samples takes at least a bit, and of some component there is a block for every 256 pixels. */
#define MAX_PER_BYTE 2048 /* pixels */

typedef struct session {
    struct jpeg_decompress_struct c;
    struct jpeg_error_mgr mgr;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    carat_err *err;
    bool is_cut;   /* the file ends without its end marker */
    uint8_t *line; /* one row of CMYK */
} session;

static void on_error(j_common_ptr c)
{
    session *s = c->client_data;
    char text[JMSG_LENGTH_MAX] = "cut off: pixels are missing";
    if (!s->is_cut) /* what else is wrong is what was made up */
        c->err->format_message(c, text);
    ct_fail(s->err, CARAT_EFORMAT, CARAT_NOWHERE, KIND ": %s", text);
    longjmp(s->back, 1);
}

/* Warnings that mean missing or invented pixels are errors here: half a gray picture is worse than a message. The
 * others (stray bytes between markers, an odd version number) come from real cameras and cost no pixel. An arithmetic
 * decoder takes what is missing for zeros and warns of nothing else. */
static void on_message(j_common_ptr c, int level)
{
    session *s = c->client_data;
    int code = c->err->msg_code;
    if (level >= 0)
        return;
    s->is_cut = s->is_cut || code == JWRN_JPEG_EOF;
    if (code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_ARITH_BAD_CODE ||
        code == JWRN_MUST_RESYNC || (code == JWRN_JPEG_EOF && s->c.arith_code))
        on_error(c);
}

/* Of a file without its end marker: was there a scan of every component, and of a progressive file's every coefficient
 * the last bit? */
static bool is_whole(const struct jpeg_decompress_struct *c)
{
    for (int i = 0; i < c->num_components; i++) {
        if (!c->comp_info[i].quant_table) /* taken over at a component's first scan */
            return false;
        for (int k = 0; c->progressive_mode && k < DCTSIZE2; k++)
            if (c->coef_bits[i][k] != 0)
                return false;
    }
    return true;
}

/* Called for every row of blocks, also while libjpeg gathers the scans of a progressive file. */
static void on_progress(j_common_ptr c)
{
    session *s = c->client_data;
    uint64_t most = SCAN_PIXELS / ((uint64_t)s->c.image_width * s->c.image_height + 1);
    most = most > MAX_SCANS ? MAX_SCANS : most < LEAST_SCANS ? LEAST_SCANS : most;
    if (s->c.input_scan_number <= (int)most)
        return;
    ct_fail(s->err, CARAT_ELIMIT, CARAT_NOWHERE, KIND " of more than %d scans", (int)most);
    longjmp(s->back, 1);
}

/* ---- orientation ---- */

#define IN_APP1(m, name) ((m)->data_length >= sizeof(name) && memcmp((m)->data, name, sizeof(name)) == 0)
#define EXIF             "Exif\0" /* and the literal's own NUL */
#define XMP              "http://ns.adobe.com/xap/1.0/"

/* EXIF of several segments is one block, as Pillow has it: the segments' contents one after another, of which any but
 * the last may be empty. */
static bool exif_orientation(session *s, int *orientation)
{
    size_t len = 0, n = 0;
    for (const struct jpeg_marker_struct *m = s->c.marker_list; m; m = m->next)
        if (IN_APP1(m, EXIF))
            len += m->data_length - sizeof EXIF, n++;
    uint8_t *all = len ? malloc(len) : NULL;
    if (len && !all)
        return ct_fail(s->err, CARAT_ENOMEM, CARAT_NOWHERE, KIND ": no memory for %zu segments of EXIF", n);
    len = 0;
    for (const struct jpeg_marker_struct *m = s->c.marker_list; m; m = m->next)
        if (IN_APP1(m, EXIF) && m->data_length > sizeof EXIF) {
            memcpy(all + len, m->data + sizeof EXIF, m->data_length - sizeof EXIF);
            len += m->data_length - sizeof EXIF;
        }
    *orientation = all ? ct_exif_orientation(all, len) : 0;
    free(all);
    return true;
}

static bool find_orientation(session *s, int *orientation)
{
    if (!exif_orientation(s, orientation))
        return false;
    for (const struct jpeg_marker_struct *m = s->c.marker_list; m && !*orientation; m = m->next)
        if (IN_APP1(m, XMP))
            *orientation = ct_xmp_orientation(m->data, m->data_length);
    *orientation = *orientation ? *orientation : 1;
    return true;
}

/* ---- pixels ---- */

/* Adobe writes CMYK inverted: each sample is 255 minus the ink. Ink over white as Pillow computes it, with /255
 * rounded. */
static void cmyk_to_rgb(const uint8_t *in, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++, in += 4, out += 3)
        for (int k = 0; k < 3; k++) {
            uint32_t t = (255u - in[k]) * in[3] + 128, part = ((t >> 8) + t) >> 8;
            out[k] = (uint8_t)(in[3] > part ? in[3] - part : 0);
        }
}

static void read_rows(session *s, ct_image *out)
{
    size_t row = (size_t)out->width * 3;
    while (s->c.output_scanline < s->c.output_height) {
        uint8_t *to = out->rgb + s->c.output_scanline * row, *at = s->line ? s->line : to;
        jpeg_read_scanlines(&s->c, &at, 1);
        if (s->line)
            cmyk_to_rgb(s->line, to, out->width);
    }
}

/* The length without zeros at the end: memory that a writer took and never filled, which would be decoded as if it were
 * codes. A zero behind 0xff is part of it. */
static size_t without_fill(ct_bytes in)
{
    size_t n = in.len;
    while (n > 0 && in.data[n - 1] == 0)
        n--;
    return n > 0 && n < in.len && in.data[n - 1] == 0xff ? n + 1 : n;
}

/* Checks the header against file and limits, and takes memory for the pixels. The coefficients of all blocks are held
 * at once where they come in several scans. */
static bool begin(session *s, ct_bytes in, const ct_image_limits *l, ct_image *out, int orientation)
{
    uint64_t width = s->c.image_width, height = s->c.image_height, coefficients = 0;
    if (!s->c.arith_code && width * height / MAX_PER_BYTE > in.len) /* sides of at most 65535 */
        return ct_fail(s->err, CARAT_EFORMAT, in.len, KIND ": %zu bytes do not hold %llu x %llu pixels", in.len,
                       (unsigned long long)width, (unsigned long long)height);
    for (int i = 0; jpeg_has_multiple_scans(&s->c) && i < s->c.num_components; i++)
        coefficients += (uint64_t)s->c.comp_info[i].width_in_blocks * s->c.comp_info[i].height_in_blocks * DCTSIZE2;
    return ct_image_begin(out, KIND, width, height, orientation, coefficients * sizeof(JCOEF), l, s->err);
}

static bool run(session *s, ct_bytes in, const ct_image_limits *l, ct_image *out, int *orientation)
{
    if (setjmp(s->back))
        return false;
    jpeg_create_decompress(&s->c);
    s->c.client_data = s;
    s->progress.progress_monitor = on_progress;
    s->c.progress = &s->progress;
    jpeg_mem_src(&s->c, in.data, (unsigned long)without_fill(in));
    jpeg_save_markers(&s->c, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&s->c, TRUE);
    if (!find_orientation(s, orientation))
        return false;
    bool is_cmyk = s->c.num_components == 4;
    s->c.out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
    if (!begin(s, in, l, out, *orientation))
        return false;
    s->line = is_cmyk ? malloc((size_t)out->width * 4) : NULL;
    if (is_cmyk && !s->line)
        return ct_fail(s->err, CARAT_ENOMEM, CARAT_NOWHERE, KIND ": no memory for a row");
    jpeg_start_decompress(&s->c);
    read_rows(s, out);
    if (s->is_cut && !is_whole(&s->c))
        return ct_fail(s->err, CARAT_EFORMAT, CARAT_NOWHERE, KIND ": cut off: pixels are missing");
    jpeg_finish_decompress(&s->c);
    return true;
}

bool ct_jpeg_decode(ct_bytes in, const ct_image_limits *l, ct_image *out, int *orientation, carat_err *err)
{
    session *s = calloc(1, sizeof *s);
    if (!s)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, KIND ": no memory");
    s->err = err;
    s->c.err = jpeg_std_error(&s->mgr);
    s->mgr.error_exit = on_error;
    s->mgr.emit_message = on_message;
    s->c.client_data = s;
    bool ok = run(s, in, l, out, orientation);
    jpeg_destroy_decompress(&s->c);
    free(s->line);
    free(s);
    return ok;
}
