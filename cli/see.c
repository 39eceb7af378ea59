/* carat see - an image as the model is shown it, for a person to look at.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/inputs.h"
#include "base/json.h"
#include "commands.h"
#include "json_out.h"
#include "pictures.h"
#include "shared_options.h"
#include "term.h"

#define MAX_PREFIX 4000 /* bytes of --output */

static struct {
    const char *out;
    int64_t size;
    bool json;
} opt;

/* clang-format off */
static const cli_option options[] = {
    { 'o', "output", NULL, CLI_TEXT, &opt.out, "PREFIX", "write PREFIX-0.png (the whole image), PREFIX-1.png ...",
      .otherwise = "the file's name without its extension" },
    { 0, "size", NULL, CLI_INT, &opt.size, "N", "pixels along a side, as the model takes them",
      .deflt = "896", .min = 1, .max = 16384 },
    CLI_OPTION_JSON(&opt.json),
};
/* clang-format on */
static const cli_table table = CLI_TABLE("options", options);

static void prefix_of(const char *path, ct_buf *out)
{
    const char *name = strrchr(path, '/'), *dot;
    name = name ? name + 1 : path;
    dot = strrchr(name, '.');
    ct_buf_add(out, name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
}

static bool write_view(const carat_picture *p, const carat_pan_scan *pan, size_t i, const char *path, carat_err *err)
{
    uint32_t size = (uint32_t)opt.size;
    uint8_t *rgb = malloc((size_t)size * size * 3);
    bool ok = rgb || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a view of %u x %u", size, size);
    ok = ok && carat_picture_view(p, pan, i, size, rgb, err) && carat_write_png(path, rgb, size, size, err);
    free(rgb);
    return ok;
}

static int see(const char *path, const carat_pan_scan *pan)
{
    carat_err err;
    carat_picture *p;
    if (opt.out && (!*opt.out || strlen(opt.out) > MAX_PREFIX)) {
        ct_fail(&err, CARAT_EARG, CARAT_NOWHERE, "--output has %zu bytes, expected 1 to %d", strlen(opt.out),
                MAX_PREFIX);
        return term_error(&err);
    }
    if (!carat_picture_load(path, &p, &err))
        return term_error(&err);
    ct_buf prefix, name;
    ct_buf_init(&prefix, MAX_PREFIX + 1), ct_buf_init(&name, MAX_PREFIX + 100);
    if (opt.out)
        ct_buf_str(&prefix, opt.out);
    else
        prefix_of(path, &prefix);
    json_t *files = json_array();
    int code = CLI_OK;
    size_t n;
    if (!carat_picture_n_views(p, pan, &n, &err))
        code = term_error(&err);
    for (size_t i = 0; i < n && code == CLI_OK; i++) {
        ct_buf_clear(&name);
        ct_buf_fmt(&name, "%s-%zu.png", prefix.data ? prefix.data : "", i);
        bool ok = !prefix.failed && !name.failed;
        if (!ok)
            ct_fail(&err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the name of a file");
        if (!ok || !ct_inputs_stay(name.data, &path, 1, &err) || !write_view(p, pan, i, name.data, &err)) {
            code = term_error(&err);
            break;
        }
        json_array_append_new(files, ct_json_from_str(name.data));
        if (!opt.json)
            printf("%s  %s\n", name.data, i ? "crop" : "the whole image");
    }
    if (code == CLI_OK && opt.json) {
        json_t *o = json_pack("{s:o, s:I, s:I, s:O}", "path", ct_json_from_str(path), "width",
                              (json_int_t)carat_picture_width(p), "height", (json_int_t)carat_picture_height(p),
                              "views", files);
        cli_json_print(o, 0);
        putchar('\n');
    } else if (code == CLI_OK) {
        term_note("%u x %u pixels, shown as %zu image%s", carat_picture_width(p), carat_picture_height(p), n,
                  n == 1 ? "" : "s");
    }
    json_decref(files);
    ct_buf_deinit(&prefix), ct_buf_deinit(&name);
    carat_picture_free(p);
    return code;
}

static int run(int argc, char **argv)
{
    cli_list args = { 0 };
    if (!cli_parse(&cli_see, argc, argv, &args))
        return CLI_USAGE;
    const carat_pan_scan pan = cli_pan_scan();
    if (args.n != 1)
        return cli_usage(&cli_see, "expected one image");
    term_init(false);
    return see(args.v[0], &pan);
}

const cli_command cli_see = {
    .name = "see",
    .usage = "IMAGE [options]",
    .summary = "write an image as the model is shown it, as PNG files",
    .text = "Decodes an image as the model is shown it: upright, on white, resized to a square; a long one also\n"
            "in crops (pan and scan). Needs no model.\n\n"
            "  carat see receipt.jpg\n"
            "  carat see page.png --pan-scan on --pan-scan-max 6 -o /tmp/page",
    .tables = { &table, &cli_pan_scan_table },
    .run = run,
};
