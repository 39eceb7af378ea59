/* carat weigh - what a model needs, before it is bought or downloaded.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "weigh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "commands.h"
#include "common.h"
#include "term.h"

static struct {
    const char *quant, *kv, *gpu, *vram, *ram, *mmproj, *cpu, *prefix;
    int64_t ctx, sessions, shared, images, image_cache, chunk, threads;
    bool here, json, text_only, devices, exact;
    int64_t layers, hidden, ffn, heads, kv_heads, head_dim, vocab, window, context, pattern;
} opt = { .images = -1 };

static const cli_option options[] = {
    { 0, "quant", NULL, CLI_TEXT, &opt.quant, "Q",
      "bf16, q8_0, q6_k, q5_k_m, q4_k_m, q4_0, qat-q4_0, q3_k_m, q2_k ... (default: the grid of all)", 0, 0 },
    { 'c', "ctx", "ctx-size", CLI_INT, &opt.ctx, "N", "tokens of a session; 8k means 8192 (default: the grid of all)",
      1, 9e15 },
    { 0, "kv", NULL, CLI_TEXT, &opt.kv, "f16|q8_0", "type of keys and values (default: f16)", 0, 0 },
    { 'n', "parallel", NULL, CLI_INT, &opt.sessions, "N", "sessions at the same time (default: 1)", 1, 4096 },
    { 0, "shared", NULL, CLI_INT, &opt.shared, "N", "tokens that all sessions begin with (default: 0)", 0, 9e15 },
    { 0, "prefix-cache", NULL, CLI_TEXT, &opt.prefix, "SIZE|none",
      "memory for beginnings worth returning to (default: two windows)", 0, 0 },
    { 0, "images", NULL, CLI_INT, &opt.images, "N", "most images of a prompt; 0: text only (default: 1)", 0, 8192 },
    { 0, "image-cache", NULL, CLI_INT, &opt.image_cache, "N", "images remembered (default: 32)", 1, 8192 },
    { 0, "text-only", NULL, CLI_FLAG, &opt.text_only, NULL, "without the image tower", 0, 0 },
    { 0, "mmproj", NULL, CLI_TEXT, &opt.mmproj, "FILE", "the image tower of a GGUF file", 0, 0 },
    { 'b', "batch", "batch-size", CLI_INT, &opt.chunk, "N", "prompt tokens in one step (default: 512)", 1, 8192 },
    { 't', "threads", NULL, CLI_INT, &opt.threads, "N", "threads (default: the physical cores allowed)", 1, 512 },
    { 0, "cpu", NULL, CLI_TEXT, &opt.cpu, "LEVEL", "kernels: generic, avx2, avx512 ... (default: this CPU's best)", 0,
      0 },
    { 0, "exact", NULL, CLI_FLAG, &opt.exact, NULL, "float32 activations and cache, as with run --exact", 0, 0 },
    { 0, "json", NULL, CLI_FLAG, &opt.json, NULL, "print one JSON object", 0, 0 },
};
static const cli_option device_options[] = {
    { 0, "gpu", "device", CLI_TEXT, &opt.gpu, "NAME",
      "a card, computer, board or phone: \"RTX 4090\", \"Apple M4 Pro 48GB\"", 0, 0 },
    { 0, "vram", NULL, CLI_TEXT, &opt.vram, "SIZE", "a card of this memory: 8G", 0, 0 },
    { 0, "ram", NULL, CLI_TEXT, &opt.ram, "SIZE", "a computer of this memory: 16G", 0, 0 },
    { 0, "here", NULL, CLI_FLAG, &opt.here, NULL, "measure this machine (four seconds) and answer for it", 0, 0 },
    { 0, "devices", NULL, CLI_FLAG, &opt.devices, NULL, "list the devices known", 0, 0 },
};
static const cli_option shape_options[] = {
    { 0, "layers", NULL, CLI_INT, &opt.layers, "N", "layers", 1, 256 },
    { 0, "hidden", NULL, CLI_INT, &opt.hidden, "N", "width of the residual stream", 1, 65536 },
    { 0, "ffn", NULL, CLI_INT, &opt.ffn, "N", "width of the feed-forward", 1, 524288 },
    { 0, "heads", NULL, CLI_INT, &opt.heads, "N", "query heads", 1, 1024 },
    { 0, "kv-heads", NULL, CLI_INT, &opt.kv_heads, "N", "heads of keys and values", 1, 1024 },
    { 0, "head-dim", NULL, CLI_INT, &opt.head_dim, "N", "width of a head", 1, 512 },
    { 0, "vocab", NULL, CLI_INT, &opt.vocab, "N", "rows of the embedding", 1, 1 << 20 },
    { 0, "window", NULL, CLI_INT, &opt.window, "N", "window of the local layers", 1, 1 << 24 },
    { 0, "context", NULL, CLI_INT, &opt.context, "N", "context of the model", 1, 1 << 24 },
    { 0, "pattern", NULL, CLI_INT, &opt.pattern, "N", "every so many-th layer is global", 1, 256 },
};

/* ---- the question ---- */

static bool has_shape(void)
{
    return opt.layers || opt.hidden || opt.ffn || opt.heads || opt.kv_heads || opt.head_dim || opt.vocab ||
           opt.window || opt.context || opt.pattern;
}

/* "sheet" is the specification sheet that circulates for the 4B: what it states where nothing else was asked for. */
static const char *apply_sheet(const char *model)
{
    if (!model || strcasecmp(model, "sheet") != 0)
        return model;
    opt.layers = opt.layers ? opt.layers : 30;
    opt.hidden = opt.hidden ? opt.hidden : 2048;
    opt.heads = opt.heads ? opt.heads : 32;
    opt.kv_heads = opt.kv_heads ? opt.kv_heads : 8;
    return "4b";
}

static bool make_query(const char *model, carat_shape *shape, carat_weigh_query *q)
{
    *shape = (carat_shape){
        .n_layer = (size_t)opt.layers,
        .hidden = (size_t)opt.hidden,
        .ffn = (size_t)opt.ffn,
        .n_head = (size_t)opt.heads,
        .n_kv_head = (size_t)opt.kv_heads,
        .head_dim = (size_t)opt.head_dim,
        .n_vocab = (size_t)opt.vocab,
        .window = (size_t)opt.window,
        .context = (size_t)opt.context,
        .pattern = (size_t)opt.pattern,
    };
    *q = (carat_weigh_query){
        .model = model,
        .shape = has_shape() ? shape : NULL,
        .quant = opt.quant,
        .n_images = opt.images > 0 ? (size_t)opt.images : 0,
        .shared = (size_t)opt.shared,
        .options = { .mmproj = opt.mmproj,
                     .vision = opt.text_only || opt.images == 0 ? CARAT_VISION_OFF : CARAT_VISION_AUTO,
                     .image_cache = (size_t)opt.image_cache,
                     .n_ctx = (size_t)opt.ctx,
                     .n_sessions = (size_t)opt.sessions,
                     .chunk = (size_t)opt.chunk,
                     .n_threads = (int)opt.threads,
                     .cpu = opt.cpu,
                     .is_exact = opt.exact },
    };
    if (opt.prefix && !cli_parse_prefix_cache(&cli_weigh, opt.prefix, &q->options.prefix_cache))
        return false;
    if (opt.kv && strcasecmp(opt.kv, "q8_0") == 0)
        q->options.cache = CARAT_CACHE_Q8_0;
    else if (opt.kv && strcasecmp(opt.kv, "f16") != 0) {
        cli_usage(&cli_weigh, "--kv is '%s', expected f16 or q8_0", opt.kv);
        return false;
    }
    return true;
}

/* The device asked for, if any. A size alone is a card or a laptop of that memory, nothing known of its speed. */
static bool find_device(const carat_device **out, int *code)
{
    static carat_device made;
    static carat_rates rates;
    carat_err err;
    uint64_t bytes;
    *out = NULL;
    *code = CLI_USAGE;
    if ((opt.gpu != NULL) + (opt.vram != NULL) + (opt.ram != NULL) + opt.here > 1) {
        cli_usage(&cli_weigh, "give one of --gpu, --vram, --ram and --here");
        return false;
    }
    if (opt.gpu && !carat_device_find(opt.gpu, out, &err)) {
        *code = term_error(&err);
        return false;
    }
    if (opt.here) {
        term_note("measuring this machine ...");
        if (!carat_weigh_here((int)opt.threads, opt.cpu, &rates, &made, &err)) {
            *code = term_error(&err);
            return false;
        }
        *out = &made;
    }
    if (opt.vram || opt.ram) {
        if (!cli_parse_size(&cli_weigh, opt.vram ? "vram" : "ram", opt.vram ? opt.vram : opt.ram, &bytes))
            return false;
        made = (carat_device){ .name = opt.vram ? "a card of this memory" : "a computer of this memory",
                               .kind = opt.vram ? "gpu" : "laptop",
                               .source = opt.vram ? "94 % of a card's memory" : "75 % of a computer's memory",
                               .memory_bytes = bytes,
                               .usable_bytes = bytes / 100 * (opt.vram ? 94 : 75) };
        *out = &made;
    }
    return true;
}

/* ---- the answers ---- */

static int print_json(json_t *o)
{
    json_dumpf(o, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(o);
    return CLI_OK;
}

/* Adds the comparison of a custom shape with its model: printed first, or put into o. */
static bool show_shape(const carat_weigh_query *q, json_t *o, carat_err *err)
{
    carat_weigh_query real = *q;
    carat_weight asked, published;
    real.shape = NULL;
    if (!q->shape)
        return true;
    if (!carat_weigh(q, &asked, err))
        return false;
    if (real.options.n_ctx > 131072)
        real.options.n_ctx = 0;
    if (!carat_weigh(&real, &published, err))
        return false;
    if (o)
        json_object_set_new(o, "shape", weigh_shape_json(&asked, &published));
    else
        weigh_shape_print(&asked, &published);
    return true;
}

static bool answer_grid(const carat_weigh_query *q, bool is_file, json_t *o, carat_err *err)
{
    static weigh_grid grid;
    if (!weigh_grid_fill(q, is_file, &grid, err))
        return false;
    if (o)
        json_object_set_new(o, "grid", weigh_grid_json(&grid));
    else
        weigh_grid_print(&grid);
    return true;
}

static bool answer_fits(const carat_weigh_query *q, bool is_file, const carat_device *d, json_t *o, carat_err *err)
{
    static weigh_fit fits[WEIGH_MAX_QUANTS];
    size_t n;
    if (!weigh_fits(q, is_file, d, fits, &n, err))
        return false;
    if (o)
        json_object_set_new(o, "fits", weigh_fits_json(fits, n));
    else
        weigh_fits_print(d, fits, n);
    return true;
}

static bool answer_point(const carat_weigh_query *q, const carat_device *d, json_t *o, carat_err *err)
{
    carat_weight w;
    carat_speed s;
    if (!carat_weigh(q, &w, err))
        return false;
    if (!o) {
        weigh_point_print(&w, d);
        return true;
    }
    const carat_device *card = weigh_smallest_card(&w), *on = d ? d : card;
    json_t *point = weigh_point_json(&w);
    json_object_set_new(point, "card", card ? json_string(card->name) : json_null());
    if (d)
        json_object_set_new(point, "fits", json_boolean(w.total <= d->usable_bytes));
    if (on) {
        carat_weigh_speed(&w, on, &s);
        json_object_set_new(point, "expected_on", json_string(on->name));
        json_object_set_new(point, "expected", weigh_speed_json(&s));
    }
    json_object_set_new(o, "point", point);
    return true;
}

static int answer(const carat_weigh_query *q, bool is_file, const carat_device *d)
{
    carat_err err;
    json_t *o = opt.json ? json_object() : NULL;
    bool is_point = q->options.n_ctx || ((q->quant || is_file) && !d);
    if (o && d)
        json_object_set_new(o, "device", weigh_device_json(d));
    bool ok = show_shape(q, o, &err);
    if (ok && is_point)
        ok = answer_point(q, d, o, &err);
    else if (ok && d)
        ok = answer_fits(q, is_file, d, o, &err);
    if (ok && !d && (!is_point || (is_file && !q->options.n_ctx))) {
        if (is_point && !o)
            putchar('\n');
        ok = answer_grid(q, is_file, o, &err);
    }
    if (!ok) {
        json_decref(o);
        return term_error(&err);
    }
    return o ? print_json(o) : CLI_OK;
}

static int run(int argc, char **argv)
{
    const cli_table tables[] = { CLI_TABLE("what", options), CLI_TABLE("where", device_options),
                                 CLI_TABLE("shape, where it differs from the model's", shape_options) };
    cli_list args = { 0 };
    carat_shape shape;
    carat_weigh_query q;
    const carat_device *device;
    struct stat st;
    int code;
    if (!cli_parse(&cli_weigh, tables, 3, argc, argv, &args))
        return CLI_USAGE;
    if (args.n > 1)
        return cli_usage(&cli_weigh, "expected at most one model, found '%s' and '%s'", args.v[0], args.v[1]);
    term_init(false);
    if (opt.devices) {
        weigh_devices_list();
        return CLI_OK;
    }
    const char *model = apply_sheet(args.n ? args.v[0] : NULL);
    if (!make_query(model, &shape, &q))
        return CLI_USAGE;
    if (!find_device(&device, &code))
        return code;
    term_init(true); /* contradictions in a header are told by `carat info` */
    return answer(&q, model && stat(model, &st) == 0, device);
}

const cli_command cli_weigh = {
    .name = "weigh",
    .usage = "[SIZE|FILE|FOLDER|NAME] [options]",
    .summary = "what a model needs: memory, card, expected speed",
    .text =
        "Says how much memory a model takes at a context, which card holds it, and what speed to expect. Downloads\n"
        "and loads nothing: for a file it reads the headers, for a name it knows the shapes. The figures are those\n"
        "that loading asks for.\n\n"
        "  carat weigh                                 a grid for the 4B\n"
        "  carat weigh 12b --gpu \"RTX 4090\"            what fits this card\n"
        "  carat weigh google/gemma-3-27b-it --quant q4_0 --ctx 32k\n"
        "  carat weigh model.gguf --here               on this machine\n"
        "  carat weigh sheet                           the numbers of the specification sheet, and the real 4B",
    .run = run,
};
