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
#include "engine.h"
#include "hub/store.h"
#include "json_out.h"
#include "shape.h"
#include "shared_options.h"
#include "term.h"

static struct {
    const char *quant, *gpu;
    uint64_t vram, ram;
    int64_t sessions, shared, images;
    bool here, json, devices;
} opt = { .images = -1 };

/* clang-format off */
static const cli_option options[] = {
    { 0, "quant", NULL, CLI_TEXT, &opt.quant, "Q",
      "bf16, q8_0, q6_k, q5_k_m, q4_k_m, q4_0, qat-q4_0, q3_k_m, q2_k ...", .otherwise = "a grid of all" },
    { 'n', "parallel", NULL, CLI_INT, &opt.sessions, "N", "sessions at the same time",
      .otherwise = "1", .min = 1, .max = 4096 },
    { 0, "shared", NULL, CLI_INT, &opt.shared, "N", "tokens that all sessions begin with", .deflt = "0", .max = 9e15 },
    { 0, "images", NULL, CLI_INT, &opt.images, "N", "most images in a prompt; 0: text only",
      .otherwise = "1", .max = 8192 },
    CLI_OPTION_JSON(&opt.json),
};
static const cli_table table = CLI_TABLE("what", options);
static const cli_option device_options[] = {
    { 0, "gpu", "device", CLI_TEXT, &opt.gpu, "NAME",
      "a card, computer, board or phone: \"RTX 4090\", \"Apple M4 Pro 48GB\"" },
    { 0, "vram", NULL, CLI_SIZE, &opt.vram, "SIZE", "a card with this much memory, like 8G" },
    { 0, "ram", NULL, CLI_SIZE, &opt.ram, "SIZE", "a computer with this much memory, like 16G" },
    { 0, "here", NULL, CLI_FLAG, &opt.here, NULL, "measure this machine (several seconds) and answer for it" },
    { 0, "devices", NULL, CLI_FLAG, &opt.devices, NULL, "list the known devices" },
};
/* clang-format on */
static const cli_table device_table = CLI_TABLE("where", device_options);

#define BUSY 0.5 /* load from which a measurement is of a part of the machine */

/* ---- the question ---- */

/* "sheet" is the specification sheet that circulates for the 4B: what it states where nothing else was asked for. */
static void apply_sheet(carat_shape *shape)
{
    shape->n_layer = 30;
    shape->hidden = 2048;
    shape->n_head = 32;
    shape->n_kv_head = 8;
}

/* The options are those that the model would be opened with. */
static void make_query(const char *model, carat_shape *shape, carat_options *opening, carat_weigh_query *q)
{
    bool is_sheet = model && strcasecmp(model, "sheet") == 0;
    *shape = (carat_shape){ .struct_size = sizeof(carat_shape) };
    if (is_sheet)
        apply_sheet(shape);
    bool has_shape = cli_shape(shape) || is_sheet;
    *q = (carat_weigh_query){
        .struct_size = sizeof(carat_weigh_query),
        .model = is_sheet ? "4b" : model,
        .shape = has_shape ? shape : NULL,
        .quant = opt.quant,
        .n_images = opt.images > 0 ? (size_t)opt.images : 0,
        .shared = (size_t)opt.shared,
        .options = opening,
    };
    cli_model_values.sessions = (size_t)opt.sessions;
    *opening = cli_engine_options(opt.images == 0 ? CARAT_VISION_OFF : CARAT_VISION_AUTO);
}

/* The device asked for, if any. A size alone is a card or a laptop of that memory, nothing known of its speed. */
static bool find_device(const carat_options *o, const carat_device **out, int *code)
{
    static carat_device made = { .struct_size = sizeof made };
    static carat_rates rates = { .struct_size = sizeof rates };
    carat_err err;
    *out = NULL;
    *code = CLI_USAGE;
    if ((opt.gpu != NULL) + (opt.vram != 0) + (opt.ram != 0) + opt.here > 1) {
        cli_usage(&cli_weigh, "give one of --gpu, --vram, --ram and --here");
        return false;
    }
    if (opt.gpu && !carat_device_find(opt.gpu, out, &err)) {
        *code = term_error(&err);
        return false;
    }
    if (opt.here) {
        double load;
        if (getloadavg(&load, 1) == 1 && load >= BUSY)
            term_note("measuring this machine; its load is %.1f: the figures are for what other work leaves of it",
                      load);
        else
            term_note("measuring this machine ...");
        if (!carat_weigh_here(o->n_threads, o->cpu, &rates, &made, &err)) {
            *code = term_error(&err);
            return false;
        }
        *out = &made;
    }
    if (opt.vram || opt.ram) {
        uint64_t bytes = opt.vram ? opt.vram : opt.ram;
        made = (carat_device){ .struct_size = sizeof(carat_device),
                               .name = opt.vram ? "a card of this memory" : "a computer of this memory",
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
    cli_json_print(o, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    return CLI_OK;
}

/* Adds the comparison of a custom shape with its model: printed first, or put into o. */
static bool show_shape(const carat_weigh_query *q, json_t *o, carat_err *err)
{
    carat_weigh_query real = *q;
    carat_estimate_result asked = { .struct_size = sizeof asked }, published = { .struct_size = sizeof published };
    real.shape = NULL;
    if (!q->shape)
        return true;
    if (!carat_weigh(q, &asked, err))
        return false;
    carat_options o_real = *q->options;
    real.options = &o_real;
    if (o_real.n_ctx > 131072)
        o_real.n_ctx = 0;
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
    static planner_grid grid;
    if (!planner_grid_fill(q, is_file, &grid, err))
        return false;
    if (o)
        json_object_set_new(o, "grid", planner_grid_json(&grid));
    else
        weigh_grid_print(&grid);
    return true;
}

static bool answer_fits(const carat_weigh_query *q, bool is_file, const carat_device *d, json_t *o, carat_err *err)
{
    static planner_fit fits[PLANNER_MAX_QUANTS];
    size_t n;
    if (!planner_fits(q, is_file, d, fits, &n, err))
        return false;
    if (o)
        json_object_set_new(o, "fits", planner_fits_json(fits, n));
    else
        weigh_fits_print(d, fits, n);
    return true;
}

static bool answer_point(const carat_weigh_query *q, const carat_device *d, json_t *o, carat_err *err)
{
    carat_estimate_result w = { .struct_size = sizeof w };
    carat_speed s = { .struct_size = sizeof s };
    if (!carat_weigh(q, &w, err))
        return false;
    if (!o) {
        weigh_point_print(&w, d);
        return true;
    }
    const carat_device *card = planner_smallest_card(&w), *on = d ? d : card;
    json_t *point = planner_point_json(&w);
    json_object_set_new(point, "card", card ? json_string(card->name) : json_null());
    if (d)
        json_object_set_new(point, "fits", json_boolean(w.total <= d->usable_bytes));
    if (on && carat_weigh_speed(&w, on, &s, NULL)) {
        json_object_set_new(point, "expected_on", json_string(on->name));
        json_object_set_new(point, "expected", planner_speed_json(&s));
    }
    json_object_set_new(o, "point", point);
    return true;
}

static int answer(const carat_weigh_query *q, bool is_file, const carat_device *d)
{
    carat_err err;
    json_t *o = opt.json ? json_object() : NULL;
    bool is_point = q->options->n_ctx || ((q->quant || is_file) && !d);
    if (o && d)
        json_object_set_new(o, "device", planner_device_json(d));
    bool ok = show_shape(q, o, &err);
    if (ok && is_point)
        ok = answer_point(q, d, o, &err);
    else if (ok && d)
        ok = answer_fits(q, is_file, d, o, &err);
    if (ok && !d && (!is_point || (is_file && !q->options->n_ctx))) {
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

/* The file of a model that was pulled under this name, the caller's; NULL: it is a path, or a published model's name, as it also
 * is where another quantisation or shape than the file's is asked about. */
static char *find_pulled(const carat_weigh_query *q)
{
    struct stat st;
    char *path;
    if (!q->model || q->quant || q->shape || stat(q->model, &st) == 0 || !ct_store_find(q->model, &path, NULL))
        return NULL;
    return path;
}

static int run(int argc, char **argv)
{
    cli_list args = { 0 };
    carat_shape shape;
    carat_options opening;
    carat_weigh_query q;
    const carat_device *device;
    struct stat st;
    int code;
    if (!cli_parse(&cli_weigh, argc, argv, &args))
        return CLI_USAGE;
    const char *model = cli_model_path(&args);
    if (args.n)
        return cli_usage(&cli_weigh, "expected at most one model, found '%s' and '%s'", model, args.v[0]);
    term_init(cli_model_values.quiet);
    if (opt.devices) {
        weigh_devices_list();
        return CLI_OK;
    }
    make_query(model, &shape, &opening, &q);
    if (!find_device(&opening, &device, &code))
        return code;
    char *pulled = find_pulled(&q);
    if (pulled)
        q.model = pulled;
    term_init(true); /* contradictions in a header are reported by `carat info` */
    code = answer(&q, q.model && stat(q.model, &st) == 0, device);
    free(pulled);
    return code;
}

const cli_command cli_weigh = {
    .name = "weigh",
    .usage = "[SIZE|FILE|FOLDER|NAME] [options]",
    .summary = "what a model needs: memory, card, expected speed",
    .text =
        "Reports how much memory a model needs at a context, which card holds it, and what speed to expect. Downloads\n"
        "and loads nothing: for a file it reads the headers, for a name it knows the shapes. The figures are those\n"
        "that loading with the same options asks for. Without --ctx-size several contexts are shown: a grid of\n"
        "quantisations, or the largest that fits a device.\n\n"
        "  carat weigh                                 a grid for the 4B\n"
        "  carat weigh 12b --gpu \"RTX 4090\"            what fits this card\n"
        "  carat weigh google/gemma-3-27b-it --quant q4_0 --ctx 32k\n"
        "  carat weigh model.gguf --here               on this machine\n"
        "  carat weigh sheet                           the numbers of the specification sheet, and the real 4B",
    .tables = { &table, &device_table, &cli_model_table, &cli_guess_table, &cli_shape_table },
    .run = run,
};
