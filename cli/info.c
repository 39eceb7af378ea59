/* carat info - what a model file is.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "commands.h"
#include "engine.h"
#include "info_compare.h"
#include "json_out.h"
#include "sampling.h"
#include "shared_options.h"
#include "term.h"

static struct {
    const char *compare;
    bool json;
} opt;

static const cli_option options[] = {
    CLI_OPTION_MODEL(&cli_model_values.path),
    { 0, "compare", NULL, CLI_TEXT, &opt.compare, "MODEL",
      "what another file of the same model differs by: of each tensor the error, as rmse, relative to the first, "
      "cosine, largest" },
    CLI_OPTION_JSON(&opt.json),
};
static const cli_table table = CLI_TABLE("options", options);

static void row(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void row(const char *name, const char *fmt, ...)
{
    va_list ap;
    printf("%s%-16s%s ", term_dim(1), name, term_reset(1));
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

static void print_vision(const carat_model_info *i)
{
    if (!i->has_vision) {
        row("vision", "none");
        return;
    }
    row("vision", "%zu layers of %zu, feed-forward %zu, %zu heads; %zu tokens from %zu x %zu pixels in patches of %zu",
        i->vision_layers, i->vision_hidden, i->vision_ffn, i->vision_heads, i->tokens_per_image, i->image_size,
        i->image_size, i->patch_size);
    row("", "%s, %.1f MB in memory and %.1f MB to encode an image", i->vision_types,
        (double)i->vision_weight_bytes / 1e6, (double)i->vision_work_bytes / 1e6);
    if (strcmp(i->vision_path, i->path) != 0)
        row("", "from %s", i->vision_path);
}

static void print_sampling(const carat_model_info *i)
{
    const carat_sampling *s = i->sampling;
    char names[128] = "";
    size_t n = 0;
    row("sampling", "temperature %g, top-k %d, top-p %g, min-p %g unless given", (double)s->temperature, s->top_k,
        (double)s->top_p, (double)s->min_p);
    if (s->repetition_penalty != 1.0f)
        row("", "repetition penalty %g over %d tokens", (double)s->repetition_penalty, s->penalty_window);
    for (unsigned f = 0; f < CLI_N_SAMPLING && n < sizeof names; f++)
        if (i->sampling_fields & 1u << f)
            n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "", cli_sampling_names[f]);
    if (n)
        row("", "from %s: %s; the others are built in", i->sampling_from, names);
}

/* Where each setting comes from. */
static json_t *sampling_origin(const carat_model_info *i)
{
    static const char *const keys[CLI_N_SAMPLING] = { "temperature",        "top_k",         "top_p", "min_p",
                                                      "repetition_penalty", "penalty_window" };
    json_t *o = json_object();
    for (unsigned f = 0; f < CLI_N_SAMPLING; f++)
        json_object_set_new(o, keys[f], json_string(i->sampling_fields & 1u << f ? i->sampling_from : "built-in"));
    return o;
}

static void print_template(const carat_model_info *i)
{
    char note[256];
    const char *is = strcmp(i->chat_template, "unknown") == 0 ? "not known to Carat" : i->chat_template;
    if (*i->chat_template)
        row("chat template", "%s", is);
    if (*i->chat_template_note)
        row(*i->chat_template ? "" : "chat template", "%s", term_printable(i->chat_template_note, note, sizeof note));
}

static void print_embedding(const carat_model_info *i)
{
    char name[128], prompt[256], list[64] = "";
    if (!i->is_embedding)
        return;
    for (size_t k = 0; k < i->n_embedding_dims; k++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%zu", k ? ", " : "", i->embedding_dims[k]);
    if (*list)
        row("vectors", "of %s numbers", list);
    else
        row("vectors", "of %zu numbers", i->hidden);
    for (size_t k = 0; k < i->n_tasks; k++)
        row(k ? "" : "tasks", "%s \"%s\"", term_printable(i->tasks[k].name, name, sizeof name),
            term_printable(i->tasks[k].prompt, prompt, sizeof prompt));
}

static void print_text(const carat_model_info *i)
{
    char name[512];
    row("file", "%s (%s, %.1f MB)", i->path, i->container, (double)i->file_bytes / 1e6);
    if (*i->name)
        row("name", "%s", term_printable(i->name, name, sizeof name));
    row("model", "%s, %s",
        *i->published     ? i->published
        : i->is_embedding ? "EmbeddingGemma's architecture, not the published size"
                          : "Gemma 3, not one of the published sizes",
        i->is_embedding           ? "an embedding model: it makes vectors and writes no text"
        : i->is_instruction_tuned ? "instruction-tuned (has a chat template)"
                                  : "pre-trained (no chat template)");
    for (const char *w = i->family; *w;) {
        size_t n = strcspn(w, "\n");
        row(w == i->family ? "family" : "", "%.*s", (int)n, w);
        w += n + (w[n] == '\n');
    }
    print_template(i);
    row("parameters", "%.1f million in the text model, %.1f MB in memory", (double)i->n_params / 1e6,
        (double)i->weight_bytes / 1e6);
    row("tensor types", "%s", i->weight_types);
    row("layers", "%zu: %zu local with a window of %zu%s, %zu global", i->n_layer, i->n_layer - i->n_global, i->window,
        i->is_embedding ? ", half of it to each side" : "", i->n_global);
    row("width", "%zu, feed-forward %zu", i->hidden, i->ffn);
    row("heads", "%zu of %zu, %zu for keys and values, query scale %.6g", i->n_head, i->head_dim, i->n_kv_head,
        i->query_scale);
    row("rope", "base %.6g global (positions / %g), %.6g local", i->rope_base_global, i->rope_factor,
        i->rope_base_local);
    row("vocabulary", "%zu rows, %zu tokens", i->n_vocab, i->n_pieces);
    row("context", "%zu tokens", i->context);
    print_embedding(i);
    print_vision(i);
    if (!i->is_embedding)
        print_sampling(i);
    for (const char *w = i->warnings; *w;) {
        size_t n = strcspn(w, "\n");
        row("contradiction", "%.*s", (int)n, w);
        w += n + (w[n] == '\n');
    }
}

static json_t *lines(const char *text)
{
    json_t *a = json_array();
    while (*text) {
        size_t n = strcspn(text, "\n");
        json_array_append_new(a, ct_json_from_bytes(text, n));
        text += n + (text[n] == '\n');
    }
    return a;
}

static json_t *embedding_json(const carat_model_info *i)
{
    json_t *dims = json_array(), *tasks = json_object();
    for (size_t k = 0; k < i->n_embedding_dims; k++)
        json_array_append_new(dims, json_integer((json_int_t)i->embedding_dims[k]));
    for (size_t k = 0; k < i->n_tasks; k++)
        json_object_set_new(tasks, i->tasks[k].name, ct_json_from_str(i->tasks[k].prompt));
    return json_pack("{s:o, s:o}", "dimensions", dims, "tasks", tasks);
}

static void print_json(const carat_model_info *i)
{
    json_t *o = json_object();
    json_object_set_new(o, "path", ct_json_from_str(i->path));
    json_object_set_new(o, "container", ct_json_from_str(i->container));
    json_object_set_new(o, "name", ct_json_from_str(i->name));
    json_object_set_new(o, "published", *i->published ? json_string(i->published) : json_null());
    json_object_set_new(o, "family", lines(i->family));
    json_object_set_new(o, "instruction_tuned", json_boolean(i->is_instruction_tuned));
    json_object_set_new(o, "chat_template", *i->chat_template ? json_string(i->chat_template) : json_null());
    json_object_set_new(o, "chat_template_note",
                        *i->chat_template_note ? ct_json_from_str(i->chat_template_note) : json_null());
    json_object_set_new(o, "vision", json_boolean(i->has_vision));
    json_object_set_new(o, "vision_path", i->has_vision ? ct_json_from_str(i->vision_path) : json_null());
    json_object_set_new(o, "vision_types", ct_json_from_str(i->vision_types));
    json_object_set_new(o, "tensor_types", ct_json_from_str(i->weight_types));
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {
        { "parameters", i->n_params },
        { "file_bytes", i->file_bytes },
        { "weight_bytes", i->weight_bytes },
        { "layers", i->n_layer },
        { "global_layers", i->n_global },
        { "hidden", i->hidden },
        { "ffn", i->ffn },
        { "heads", i->n_head },
        { "kv_heads", i->n_kv_head },
        { "head_dim", i->head_dim },
        { "vocabulary_rows", i->n_vocab },
        { "tokens", i->n_pieces },
        { "window", i->window },
        { "context", i->context },
        { "tokens_per_image", i->tokens_per_image },
        { "image_size", i->image_size },
        { "patch_size", i->patch_size },
        { "vision_layers", i->vision_layers },
        { "vision_hidden", i->vision_hidden },
        { "vision_ffn", i->vision_ffn },
        { "vision_heads", i->vision_heads },
        { "vision_weight_bytes", i->vision_weight_bytes },
        { "vision_work_bytes", i->vision_work_bytes },
    };
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
        json_object_set_new(o, counts[k].name, json_integer((json_int_t)counts[k].value));
    json_object_set_new(o, "norm_eps", json_real(i->eps));
    json_object_set_new(o, "query_scale", json_real(i->query_scale));
    json_object_set_new(o, "rope_base_global", json_real(i->rope_base_global));
    json_object_set_new(o, "rope_base_local", json_real(i->rope_base_local));
    json_object_set_new(o, "rope_factor_global", json_real(i->rope_factor));
    const carat_sampling *s = i->sampling;
    json_object_set_new(o, "sampling",
                        json_pack("{s:f, s:i, s:f, s:f, s:f, s:i}", "temperature", (double)s->temperature, "top_k",
                                  s->top_k, "top_p", (double)s->top_p, "min_p", (double)s->min_p, "repetition_penalty",
                                  (double)s->repetition_penalty, "penalty_window", s->penalty_window));
    json_object_set_new(o, "sampling_from", sampling_origin(i));
    json_object_set_new(o, "embedding", i->is_embedding ? embedding_json(i) : json_null());
    json_object_set_new(o, "contradictions", lines(i->warnings));
    cli_json_print(o, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
}

static int compare(const char *name)
{
    carat_err err;
    char *a = NULL, *b = NULL;
    const bool ok = cli_find_model(name, &a, &err) && cli_find_model(opt.compare, &b, &err) &&
                    cli_info_compare(a, b, opt.json, &err);
    free(a);
    free(b);
    if (!ok && err.code == CARAT_ECANCELLED)
        return CLI_INTERRUPTED;
    return ok ? CLI_OK : term_error(&err);
}

static int run(int argc, char **argv)
{
    cli_list args = { 0 };
    if (!cli_parse(&cli_info, argc, argv, &args))
        return CLI_USAGE;
    const char *name = cli_model_path(&args);
    if (!name || args.n)
        return cli_usage(&cli_info, "expected one model");
    term_init(true); /* the contradictions are part of the answer here */
    if (opt.compare)
        return compare(name);
    carat_model_info *info;
    carat_err err;
    char *path;
    if (!cli_find_model(name, &path, &err))
        return term_error(&err);
    const bool ok = carat_model_describe(path, &info, &err);
    free(path);
    if (!ok)
        return term_error(&err);
    if (opt.json)
        print_json(info);
    else
        print_text(info);
    carat_model_info_free(info);
    return CLI_OK;
}

const cli_command cli_info = {
    .name = "info",
    .usage = "MODEL [--compare MODEL] [--json]",
    .summary = "what a model file is: shapes, types, vocabulary, context",
    .text =
        "Reads a model's headers and reports what it is, which published model it matches, and which of its figures\n"
        "contradict that model. No weights are read, except to compare an output head with the embedding table.\n\n"
        "  carat info gemma-3-4b-it-q4_0.gguf\n"
        "  carat info gemma-3-4b-it-bf16.gguf --compare gemma-3-4b-it-q4_0.gguf",
    .tables = { &table },
    .run = run,
};
