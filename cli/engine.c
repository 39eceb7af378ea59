/* Options of the model, opening an engine with them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/err.h"
#include "base/inputs.h"
#include "hub/store.h"
#include "input.h"
#include "lora.h"
#include "shared_options.h"
#include "term.h"

#define MAX_TEMPLATE ((size_t)16 << 20)

cli_model cli_model_values;

static const cli_word cache_words[] = { { "f16", CARAT_CACHE_F16 }, { "q8_0", CARAT_CACHE_Q8_0 }, { NULL, 0 } };
static const cli_word prefix_words[] = { { "none", CLI_NO_PREFIX_CACHE }, { NULL, 0 } };
static const cli_word scale_words[] = { { "exact", CARAT_EMBED_SCALE_EXACT },
                                        { "bf16", CARAT_EMBED_SCALE_BF16 },
                                        { NULL, 0 } };

static const cli_word lookup_words[] = { { "auto", CLI_LOOKUP_AUTO }, { "off", CLI_LOOKUP_OFF }, { NULL, 0 } };

#define V cli_model_values
/* clang-format off */
static const cli_option model_options[] = {
    CLI_OPTION_MODEL(&V.path),
    { 't', "threads", NULL, CLI_INT, &V.threads, "N", "threads",
      .otherwise = "the physical cores allowed", .min = 1, .max = 512 },
    { 'c', "ctx-size", "ctx", CLI_INT, &V.ctx, "N", "most tokens of prompt and answer; 8k means 8192",
      .otherwise = "8192, or the model's own if smaller", .min = 1, .max = 9e15 },
    { 'b', "batch-size", "chunk batch", CLI_INT, &V.chunk, "N", "prompt tokens in one step",
      .otherwise = "512", .min = 1, .max = 8192 },
    { 0, "kv", "cache-type", CLI_WORD, &V.cache, NULL, "type of cached keys and values; q8_0 takes half the memory",
      .deflt = "f16", .words = cache_words },
    { 0, "prefix-cache", NULL, CLI_SIZE, &V.prefix_cache, "SIZE",
      "memory for prompt prefixes kept for reuse, like 512M",
      .otherwise = "two windows; none where a single prompt is run", .words = prefix_words },
    { 0, "image-cache", NULL, CLI_INT, &V.image_cache, "N", "encoded images kept for reuse",
      .otherwise = "32", .min = 1, .max = 8192 },
    { 0, "mmproj", NULL, CLI_TEXT, &V.mmproj, "FILE", "vision weights of a GGUF model",
      .otherwise = "the mmproj file beside it that fits" },
    { 0, "lora", NULL, CLI_TEXTS, &V.adapters, "FILE[=SCALE]",
      "a LoRA adapter: a GGUF file or a PEFT folder; SCALE 0 loads it for later; NAME=FILE names it; repeatable" },
    { 0, "no-vision", "text-only", CLI_FLAG, &V.no_vision, NULL, "text only: do not read the vision tower" },
    { 0, "cpu", NULL, CLI_TEXT, &V.cpu, "LEVEL", "kernels to use: generic, avx2, avx512 ...",
      .otherwise = "the best this CPU has, or $CARAT_CPU" },
    { 0, "exact", NULL, CLI_FLAG, &V.exact, NULL,
      "float32 activations and cache: slow, for comparing with a reference" },
    { 0, "trust-header", NULL, CLI_FLAG, &V.trust_header, NULL,
      "believe the file where it contradicts the published model" },
    CLI_OPTION_QUIET(&V.quiet),
};

static const cli_option loading_options[] = {
    { 0, "max-memory", NULL, CLI_SIZE, &V.max_memory, "SIZE",
      "refuse a model that needs more memory than this, like 6G",
      .otherwise = "what the machine, its control group and ulimit allow" },
    { 0, "embed-scale", NULL, CLI_WORD, &V.embed_scale, NULL,
      "sqrt(hidden) for input embeddings, exact or rounded to bfloat16",
      .otherwise = "bf16 for the published sizes", .words = scale_words },
};

static const cli_option guess_options[] = {
    { 0, "lookup", NULL, CLI_INT, &V.lookup, "N",
      "guess up to N tokens a step from what prompt and answer said before; auto: as many as make it faster",
      .deflt = "auto", .min = 0, .max = 15, .words = lookup_words },
    { 0, "draft", "model-draft", CLI_TEXT, &V.draft, "MODEL",
      "a smaller model of the same vocabulary that guesses where nothing is looked up" },
};
/* clang-format on */
#undef V
const cli_table cli_model_table = CLI_TABLE("model", model_options);
const cli_table cli_loading_table = CLI_TABLE("loading", loading_options);
const cli_table cli_guess_table = CLI_TABLE("guesses, which change nothing but the time", guess_options);

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

/* Is it a file's name? The formats' names are none, even where there is such a file. */
static bool names_file(const char *v)
{
    static const char *const names[] = { "gemma", "chatml", "functiongemma", "translategemma", "none" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(v, names[i]) == 0)
            return false;
    return *v && !strchr(v, '{') && (strpbrk(v, "./") || access(v, R_OK) == 0);
}

/* A file holds a template: not nothing, which would mean that the model has none, and not a format's name. */
static bool check_template(const char *text, size_t len, carat_err *err)
{
    const char *nul = memchr(text, '\0', len);
    if (nul)
        return ct_fail(err, CARAT_EFORMAT, (uint64_t)(nul - text), "not a chat template: a NUL character at byte %td",
                       nul - text);
    if (!memchr(text, '{', len))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s, expected a Jinja template",
                       text[strspn(text, " \t\r\n")] ? "not a chat template" : "an empty chat template");
    return true;
}

/* The option's value, or what is in the file that it names; *file: its name, NULL: it names none. */
static bool read_template(const char **out, const char **file, carat_err *err)
{
    static char *text;
    size_t len;
    const char *v = cli_model_values.chat_template;
    *file = v && names_file(v) ? v : NULL;
    *out = *file ? text : v;
    if (!*file || text)
        return true;
    if (!cli_read_utf8(v, MAX_TEMPLATE, &text, &len, err))
        return false;
    if (!check_template(text, len, err)) {
        free(text);
        text = NULL;
        return ct_fail_in(err, "%s", v);
    }
    *out = text;
    return true;
}

bool cli_template_is_readable(carat_err *err)
{
    const char *text, *file;
    return read_template(&text, &file, err);
}

/* The file that --draft means; a name that means none is left as it is, and reported where the engine is opened. */
static const char *draft_path(void)
{
    static char *path;
    carat_err err;
    const char *name = cli_model_values.draft;
    if (!name || path || cli_find_model(name, &path, &err))
        return path;
    return name;
}

carat_options cli_engine_options(carat_vision_use vision)
{
    const cli_model *v = &cli_model_values;
    const char *chat_template, *file;
    carat_err err;
    size_t n_adapters;
    read_template(&chat_template, &file, &err); /* an error is reported where the engine is opened */
    const carat_adapter_file *adapters = cli_lora_files(&v->adapters, &n_adapters);
    return (carat_options){
        .struct_size = sizeof(carat_options),
        .n_threads = (int)v->threads,
        .cpu = v->cpu,
        .is_exact = v->exact,
        .trusts_header = v->trust_header,
        .embed_scale = (carat_embed_scale)v->embed_scale,
        .chunk = (size_t)v->chunk,
        .vision = v->no_vision ? CARAT_VISION_OFF : vision,
        .mmproj = v->mmproj,
        .image_cache = (size_t)v->image_cache,
        .n_ctx = (size_t)v->ctx,
        .n_sessions = v->sessions,
        .cache = (carat_cache_type)v->cache,
        .prefix_cache = v->prefix_cache == CLI_NO_PREFIX_CACHE ? 0 : v->prefix_cache,
        .importance = v->importance,
        .omits_prefix_cache = v->prefix_cache == CLI_NO_PREFIX_CACHE,
        .max_memory = v->max_memory,
        .n_queue = v->queue,
        .progress = term_progress,
        .chat_template = chat_template,
        .lookup = v->lookup == CLI_LOOKUP_AUTO  ? CARAT_LOOKUP_AUTO
                  : v->lookup == CLI_LOOKUP_OFF ? CARAT_LOOKUP_OFF
                                                : CARAT_LOOKUP_ALWAYS,
        .n_guesses = v->lookup > 0 ? (int)v->lookup : 0,
        .draft = draft_path(),
        .adapters = adapters,
        .n_adapters = n_adapters,
    };
}

bool cli_find_model(const char *name, char **path, carat_err *err)
{
    return ct_store_resolve(name, path, err);
}

bool cli_spares_inputs(const char *out, const char *model, const char *text, carat_err *err)
{
    size_t n_adapters;
    const carat_adapter_file *adapters = cli_lora_files(&cli_model_values.adapters, &n_adapters);
    char *path = NULL;
    carat_err why;
    if (!out)
        return true;
    const bool is_found = cli_find_model(model, &path, &why); /* what is not is reported where it is opened */
    const char *const inputs[] = { is_found ? path : model, text, cli_model_values.mmproj, draft_path() };
    bool ok = ct_inputs_stay(out, inputs, sizeof inputs / sizeof *inputs, err);
    for (size_t i = 0; ok && adapters && i < n_adapters; i++)
        ok = ct_inputs_stay(out, &adapters[i].path, 1, err);
    free(path);
    return ok;
}

bool cli_try_engine(const char *name, carat_vision_use vision, carat_engine **out, carat_err *err)
{
    char *path;
    if (!cli_find_model(name, &path, err))
        return false;
    const carat_options o = cli_engine_options(vision);
    const char *chat_template, *file;
    bool ok = read_template(&chat_template, &file, err);
    if (ok && !carat_engine_open(path, &o, out, err))
        ok = file && strncmp(err->msg, "the chat template ", 18) == 0 ? ct_fail_in(err, "%s", file) : false;
    term_progress_end();
    free(path);
    return ok;
}

bool cli_open_engine(const char *name, carat_vision_use vision, carat_engine **out, int *exit_code)
{
    carat_err err;
    bool ok = cli_try_engine(name, vision, out, &err);
    if (!ok)
        *exit_code = term_error(&err);
    return ok;
}

bool cli_open_engine_once(const char *name, bool has_pictures, carat_engine **out, int *exit_code)
{
    if (!cli_model_values.prefix_cache)
        cli_model_values.prefix_cache = CLI_NO_PREFIX_CACHE;
    return cli_open_engine(name, has_pictures ? CARAT_VISION_REQUIRED : CARAT_VISION_OFF, out, exit_code);
}
