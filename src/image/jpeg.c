/* JPEG through libjpeg-turbo, with its defaults (accurate integer DCT, smooth chroma upsampling), which are Pillow's.
 *
 * libjpeg reports errors by a callback that must not return: it jumps back here.
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
 * kept a decoder of 62 million pixels busy for a minute and a half. */
#define MAX_SCANS 64

typedef struct session {
    struct jpeg_decompress_struct c;
    struct jpeg_error_mgr mgr;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    carat_err *err;
    uint8_t *line; /* one row of CMYK */
} session;

static void on_error(j_common_ptr c)
{
    session *s = c->client_data;
    char text[JMSG_LENGTH_MAX];
    c->err->format_message(c, text);
    ct_fail(s->err, CARAT_EFORMAT, CARAT_NOWHERE, KIND ": %s", text);
    longjmp(s->back, 1);
}

/* Warnings that mean missing or invented pixels are errors here: half a gray picture is worse than a message. The
 * others (stray bytes between markers, an odd version number) come from real cameras and cost no pixel. */
static void on_message(j_common_ptr c, int level)
{
    int code = c->err->msg_code;
    if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
                      code == JWRN_ARITH_BAD_CODE || code == JWRN_MUST_RESYNC))
        on_error(c);
}

/* Called for every row of blocks, also while libjpeg gathers the scans of a progressive file. */
static void on_progress(j_common_ptr c)
{
    session *s = c->client_data;
    if (s->c.input_scan_number <= MAX_SCANS)
        return;
    ct_fail(s->err, CARAT_ELIMIT, CARAT_NOWHERE, KIND " of more than %d scans", MAX_SCANS);
    longjmp(s->back, 1);
}

static int find_orientation(const struct jpeg_decompress_struct *c)
{
    for (const struct jpeg_marker_struct *m = c->marker_list; m; m = m->next)
        if (m->marker == JPEG_APP0 + 1 && m->data_length > 6 && memcmp(m->data, "Exif\0", 6) == 0)
            return ct_exif_orientation(m->data + 6, m->data_length - 6);
    return 1;
}

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

static bool run(session *s, ct_bytes in, const ct_image_limits *l, ct_image *out, int *orientation)
{
    if (setjmp(s->back))
        return false;
    jpeg_create_decompress(&s->c);
    s->c.client_data = s;
    s->progress.progress_monitor = on_progress;
    s->c.progress = &s->progress;
    jpeg_mem_src(&s->c, in.data, (unsigned long)in.len);
    jpeg_save_markers(&s->c, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&s->c, TRUE);
    *orientation = find_orientation(&s->c);
    bool is_cmyk = s->c.num_components == 4;
    s->c.out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
    if (!ct_image_begin(out, KIND, s->c.image_width, s->c.image_height, l, s->err))
        return false;
    s->line = is_cmyk ? malloc((size_t)out->width * 4) : NULL;
    if (is_cmyk && !s->line)
        return ct_fail(s->err, CARAT_ENOMEM, CARAT_NOWHERE, KIND ": no memory for a row");
    jpeg_start_decompress(&s->c);
    read_rows(s, out);
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
