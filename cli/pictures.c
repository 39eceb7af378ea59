/* Images on the command line: loads the files and puts them at their marks in a text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "pictures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/map.h"
#include "term.h"

#define MAX_FILE ((size_t)64 << 20) /* of a picture: what carat_picture_load takes */

cli_list cli_image_paths;

static struct {
    int mode; /* carat_pan_scan_mode */
    double ratio;
    int64_t min_crop, max_crops;
} pan;

static const cli_word mode_words[] = {
    { "auto", CARAT_PAN_SCAN_AUTO }, { "off", CARAT_PAN_SCAN_OFF }, { "on", CARAT_PAN_SCAN_ON }, { NULL, 0 }
};

/* The defaults, as numbers and in the options below. */
#define RATIO      1.2
#define MIN_CROP   256
#define MAX_CROPS  4
#define WORD_OF(x) WORD(x)
#define WORD(x)    #x

/* clang-format off */
#define PAN_SCAN_OPTIONS \
    { 0, "pan-scan", NULL, CLI_WORD, &pan.mode, NULL, \
      "show long images in crops, too; auto: those beyond the ratio below", .deflt = "auto", .words = mode_words }, \
    { 0, "pan-scan-ratio", NULL, CLI_NUM, &pan.ratio, "X", "longer side over shorter side", \
      .deflt = WORD_OF(RATIO), .min = 1, .max = 1000 }, \
    { 0, "pan-scan-min", NULL, CLI_INT, &pan.min_crop, "N", "no crop with a side below N pixels", \
      .deflt = WORD_OF(MIN_CROP), .min = 1, .max = 1 << 20 }, \
    { 0, "pan-scan-max", NULL, CLI_INT, &pan.max_crops, "N", "most crops of an image", \
      .deflt = WORD_OF(MAX_CROPS), .min = 1, .max = 64 }
/* clang-format on */

static const cli_option picture_options[] = {
    { 0, "image", NULL, CLI_TEXTS, &cli_image_paths, "FILE",
      "an image (JPEG, PNG, WebP, GIF, BMP); repeatable. Images go where the prompt says <image>, or else in front of "
      "it" },
    PAN_SCAN_OPTIONS,
};
static const cli_option pan_scan_options[] = { PAN_SCAN_OPTIONS };
const cli_table cli_pictures_table = CLI_TABLE("images", picture_options);
const cli_table cli_pan_scan_table = CLI_TABLE("pan and scan", pan_scan_options);

carat_pan_scan cli_pan_scan(void)
{
    return (carat_pan_scan){ .struct_size = sizeof(carat_pan_scan),
                             .mode = (carat_pan_scan_mode)pan.mode,
                             .min_crop = (uint32_t)pan.min_crop,
                             .max_crops = (uint32_t)pan.max_crops,
                             .min_ratio = pan.ratio };
}

bool cli_pans(void)
{
    return pan.mode != CARAT_PAN_SCAN_AUTO || fabs(pan.ratio - RATIO) > 1e-12 || pan.min_crop != MIN_CROP ||
           pan.max_crops != MAX_CROPS;
}

static bool make_room(cli_pictures *p, size_t n, carat_err *err)
{
    *p = (cli_pictures){ .v = calloc(n + 1, sizeof *p->v), .files = calloc(n + 1, sizeof *p->files) };
    return (p->v && p->files) || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu images", n);
}

bool cli_pictures_load(const cli_list *paths, cli_pictures *out, carat_err *err)
{
    bool ok = make_room(out, paths->n, err);
    for (size_t i = 0; ok && i < paths->n; i++)
        if ((ok = carat_picture_load(paths->v[i], &out->v[i], err)))
            out->n++;
    if (!ok)
        cli_pictures_free(out);
    return ok;
}

bool cli_pictures_from_bytes(const char *name, const void *data, size_t len, cli_pictures *out, carat_err *err)
{
    bool ok = make_room(out, 1, err);
    if (ok && (ok = carat_picture_decode(data, len, &out->v[0], err) || ct_fail_in(err, "%s", name))) {
        out->n = 1;
        *out->files = (cli_picture_file){ .path = strdup(name), .data = malloc(len + 1), .len = len };
        ok = out->files->path && out->files->data;
        if (ok)
            memcpy(out->files->data, data, len);
        else
            ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory to keep %zu bytes", name, len);
    }
    if (!ok)
        cli_pictures_free(out);
    return ok;
}

bool cli_pictures_keep(const char *path, cli_pictures *out, carat_err *err)
{
    ct_map m;
    *out = (cli_pictures){ 0 };
    if (!ct_map_read(&m, path, MAX_FILE, err))
        return false;
    char *full = realpath(path, NULL);
    bool ok = cli_pictures_from_bytes(full ? full : path, m.data, m.size, out, err);
    free(full);
    ct_map_close(&m);
    return ok;
}

bool cli_pictures_join(cli_pictures *to, cli_pictures *from)
{
    size_t n = to->n + from->n;
    carat_picture **v = realloc(to->v, (n + 1) * sizeof *v);
    to->v = v ? v : to->v;
    cli_picture_file *files = v ? realloc(to->files, (n + 1) * sizeof *files) : NULL;
    to->files = files ? files : to->files;
    if (!files)
        return false;
    if (from->n) {
        memcpy(v + to->n, from->v, from->n * sizeof *v);
        memcpy(files + to->n, from->files, from->n * sizeof *files);
    }
    to->n = n;
    free(from->v), free(from->files);
    *from = (cli_pictures){ 0 };
    return true;
}

void cli_pictures_free(cli_pictures *p)
{
    for (size_t i = 0; i < p->n; i++) {
        carat_picture_free(p->v[i]);
        free(p->files[i].path);
        free(p->files[i].data);
    }
    free(p->v);
    free(p->files);
    *p = (cli_pictures){ 0 };
}

static const char *find_mark(const char *text, const char *end)
{
    return memmem(text, (size_t)(end - text), CLI_IMAGE_MARK, strlen(CLI_IMAGE_MARK));
}

static size_t count_marks(const char *text, const char *end)
{
    size_t n = 0;
    for (const char *mark; (mark = find_mark(text, end)); text = mark + strlen(CLI_IMAGE_MARK))
        n++;
    return n;
}

static void add_text(carat_content *c, size_t *n, const char *text, const char *end)
{
    if (text < end)
        c[(*n)++] = (carat_content){ .struct_size = sizeof *c, .text = text, .text_len = (size_t)(end - text) };
}

bool cli_place_pictures(const char *text, size_t len, const carat_picture *const *pictures, size_t n_pictures,
                        carat_content **content, size_t *n, bool *is_inline, carat_err *err)
{
    const char *end = text + len;
    size_t n_marks = n_pictures ? count_marks(text, end) : 0; /* without pictures a mark is text like any other */
    *n = 0;
    *content = NULL;
    *is_inline = n_marks > 0;
    if (n_marks && n_marks != n_pictures)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu image%s for %zu mark%s '" CLI_IMAGE_MARK "' in the text",
                       n_pictures, n_pictures == 1 ? "" : "s", n_marks, n_marks == 1 ? "" : "s");
    carat_content *c = calloc(2 * n_pictures + 1, sizeof *c);
    if (!c)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu images", n_pictures);
    *content = c;
    for (size_t i = 0; i < n_pictures; i++) {
        const char *mark = n_marks ? find_mark(text, end) : text;
        add_text(c, n, text, mark);
        c[(*n)++] = (carat_content){ .struct_size = sizeof *c, .picture = pictures[i] };
        text = mark + (n_marks ? strlen(CLI_IMAGE_MARK) : 0);
    }
    add_text(c, n, text, end);
    if (*n == 0)
        c[(*n)++] = (carat_content){ .struct_size = sizeof *c, .text = "" };
    return true;
}

bool cli_prompt_progress(void *arg, carat_phase phase, uint64_t done, uint64_t total)
{
    (void)arg;
    static carat_phase last;
    if (phase != last)
        term_progress_end();
    last = phase;
    term_progress((void *)(uintptr_t)(phase == CARAT_PHASE_IMAGE ? "encoding" : "reading"), done, total);
    if (done == total)
        term_progress_end();
    return true;
}
