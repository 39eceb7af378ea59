/* Options of the model, opening an engine with them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared_options.h"
#include "term.h"

cli_model cli_model_values;

static const cli_option model_options[] = {
    CLI_OPTION_MODEL(&cli_model_values.path),
    { 't', "threads", NULL, CLI_INT, &cli_model_values.threads, "N", "threads (default: the physical cores allowed)", 1,
      512 },
    { 'c', "ctx-size", "ctx", CLI_INT, &cli_model_values.ctx, "N",
      "most tokens of prompt and answer; 8k means 8192 (default: 8192 or the model's own if smaller)", 1, 9e15 },
    { 'b', "batch-size", "chunk batch", CLI_INT, &cli_model_values.chunk, "N",
      "prompt tokens in one step (default: 512)", 1, 8192 },
    { 0, "kv", "cache-type", CLI_TEXT, &cli_model_values.kv, "f16|q8_0",
      "how keys and values are kept; q8_0 takes half the memory (default: f16)", 0, 0 },
    { 0, "prefix-cache", NULL, CLI_TEXT, &cli_model_values.prefix, "SIZE|none",
      "memory for beginnings worth returning to, like 512M (default: two windows; none where a single prompt is run)",
      0, 0 },
    { 0, "image-cache", NULL, CLI_INT, &cli_model_values.image_cache, "N", "encoded images remembered (default: 32)", 1,
      8192 },
    { 0, "mmproj", NULL, CLI_TEXT, &cli_model_values.mmproj, "FILE",
      "vision weights of a GGUF model (default: the one mmproj file beside it)", 0, 0 },
    { 0, "no-vision", "text-only", CLI_FLAG, &cli_model_values.no_vision, NULL,
      "text only: read nothing of the vision tower", 0, 0 },
    { 0, "cpu", NULL, CLI_TEXT, &cli_model_values.cpu, "LEVEL",
      "kernels to use: generic, avx2, avx512 ... (default: the best this CPU has, or $CARAT_CPU)", 0, 0 },
    { 0, "exact", NULL, CLI_FLAG, &cli_model_values.exact, NULL,
      "float32 activations and cache: slow, for comparing with a reference", 0, 0 },
    { 0, "trust-header", NULL, CLI_FLAG, &cli_model_values.trust_header, NULL,
      "believe the file where it contradicts the published model", 0, 0 },
    CLI_OPTION_QUIET(&cli_model_values.quiet),
};
const cli_table cli_model_table = CLI_TABLE("model", model_options);

static const cli_option loading_options[] = {
    { 0, "max-memory", NULL, CLI_TEXT, &cli_model_values.max_memory, "SIZE",
      "refuse what needs more than this, like 6G (default: what machine, control group and ulimit leave)", 0, 0 },
    { 0, "embed-scale", NULL, CLI_TEXT, &cli_model_values.embed_scale, "exact|bf16",
      "sqrt(hidden) for input embeddings, as it is or rounded to bfloat16", 0, 0 },
};
const cli_table cli_loading_table = CLI_TABLE("loading", loading_options);

const char *cli_model_path(cli_list *args)
{
    if (cli_model_values.path)
        return cli_model_values.path;
    if (args->n == 0)
        return NULL;
    const char *path = args->v[0];
    memmove(args->v, args->v + 1, (args->n - 1) * sizeof *args->v);
    args->n--;
    return path;
}

/* ---- sizes ---- */

bool cli_parse_size(const cli_command *cmd, const char *name, const char *text, uint64_t *out)
{
    char *end;
    double v = strtod(text, &end), unit = 1;
    bool is_number = end != text && *text != '-' && *text != '+' && v > 0 && v < 0x1p50;
    while (*end == ' ')
        end++;
    const char *units = "MmGgTt", *u = *end ? strchr(units, *end) : NULL;
    if (u) {
        unit = u - units < 2 ? 0x1p20 : u - units < 4 ? 0x1p30 : 0x1p40;
        end++;
        if (strcasecmp(end, "b") == 0 || strcasecmp(end, "ib") == 0)
            end += strlen(end);
    }
    if (!is_number || *end || v * unit < (u ? 0x1p20 : 1e6) || v * unit > 0x1p50) {
        cli_usage(cmd, "--%s is '%s', expected a size like 8G, 512M or 1.5T", name, text);
        return false;
    }
    *out = (uint64_t)(v * unit);
    return true;
}

bool cli_parse_prefix_cache(const cli_command *cmd, const char *text, uint64_t *out)
{
    *out = CARAT_NO_PREFIX_CACHE;
    return strcasecmp(text, "none") == 0 || cli_parse_size(cmd, "prefix-cache", text, out);
}

/* ---- opening ---- */

bool cli_engine_options(const cli_command *cmd, carat_vision_use vision, carat_options *out, int *exit_code)
{
    const cli_model *v = &cli_model_values;
    carat_options o = {
        .struct_size = sizeof o,
        .n_threads = (int)v->threads,
        .cpu = v->cpu,
        .is_exact = v->exact,
        .trust_header = v->trust_header,
        .chunk = (size_t)v->chunk,
        .n_ctx = (size_t)v->ctx,
        .n_sessions = v->sessions,
        .n_queue = v->queue,
        .prefix_cache = v->prefix_cache,
        .image_cache = (size_t)v->image_cache,
        .vision = v->no_vision ? CARAT_VISION_OFF : vision,
        .mmproj = v->mmproj,
        .progress = term_progress,
    };
    bool ok = true;
    if (v->embed_scale && strcmp(v->embed_scale, "exact") == 0)
        o.embed_scale = CARAT_EMBED_SCALE_EXACT;
    else if (v->embed_scale && strcmp(v->embed_scale, "bf16") == 0)
        o.embed_scale = CARAT_EMBED_SCALE_BF16;
    else if (v->embed_scale)
        ok = cli_usage(cmd, "--embed-scale is '%s', expected exact or bf16", v->embed_scale) == CLI_OK;
    if (v->kv && strcasecmp(v->kv, "q8_0") == 0)
        o.cache = CARAT_CACHE_Q8_0;
    else if (ok && v->kv && strcasecmp(v->kv, "f16") != 0)
        ok = cli_usage(cmd, "--kv is '%s', expected f16 or q8_0", v->kv) == CLI_OK;
    ok = ok && (!v->prefix || cli_parse_prefix_cache(cmd, v->prefix, &o.prefix_cache)) &&
         (!v->max_memory || cli_parse_size(cmd, "max-memory", v->max_memory, &o.max_memory));
    *out = o;
    if (!ok)
        *exit_code = CLI_USAGE;
    return ok;
}

bool cli_open_engine(const cli_command *cmd, const char *path, carat_vision_use vision, carat_engine **out,
                     int *exit_code)
{
    carat_options o;
    carat_err err;
    if (!cli_engine_options(cmd, vision, &o, exit_code))
        return false;
    bool ok = carat_engine_open(path, &o, out, &err);
    term_progress_end();
    if (!ok)
        *exit_code = term_error(&err);
    return ok;
}
