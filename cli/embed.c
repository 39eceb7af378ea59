/* carat embed - texts to vectors.
 *
 * A window of requests slides over the texts, the engine evaluates them together, and rows are written in the order of the texts. One
 * thread does it, which sleeps in poll(2) until the engine has something to say, there is another text for which there is a place, or
 * Ctrl-C is pressed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "commands.h"
#include "embed.h"
#include "engine.h"
#include "signals.h"
#include "term.h"

#define WINDOW   256 /* texts on the way: several steps' worth */
#define SESSIONS 8   /* of a model that is none for embeddings: texts at once, or what fits */

static struct {
    const char *jsonl, *file, *out, *task, *title;
    int64_t dims;
    bool truncates;
} opt;

/* clang-format off */
static const cli_option options[] = {
    { 0, "jsonl", NULL, CLI_TEXT, &opt.jsonl, "FILE", "texts are lines {\"text\": TEXT}, with \"title\" and \"id\" if they have one; - is stdin" },
    { 'f', "file", NULL, CLI_TEXT, &opt.file, "FILE", "a text a line, empty ones too; - is stdin" },
    { 'o', "output", NULL, CLI_TEXT, &opt.out, "FILE", "where vectors go, by its ending: .jsonl, .npy (NumPy) or .f32 (numbers alone)",
      .otherwise = "JSON lines on stdout" },
    { 0, "task", "prompt-name", CLI_TEXT, &opt.task, "NAME", "what vectors are for: query, document, Clustering ... (carat info lists them)",
      .otherwise = "the text alone" },
    { 0, "title", NULL, CLI_TEXT, &opt.title, "TEXT", "title of the texts, of the task document" },
    { 0, "dims", "dimensions", CLI_INT, &opt.dims, "N", "cut to the first N numbers, of length 1 again: EmbeddingGemma has 768, 512, 256, 128",
      .otherwise = "all", .min = 1, .max = 65536 },
    { 0, "truncate", NULL, CLI_FLAG, &opt.truncates, NULL, "leave out the end of a text that is too long, instead of ending with an error" },
};
/* clang-format on */
static const cli_table table = CLI_TABLE("texts and vectors", options);

typedef struct slot { /* a text on the way */
    carat_request *request;
    float *vector; /* once it is known */
    size_t n_dims;
    json_t *id;
    uint64_t number;
} slot;

typedef struct embed {
    carat_engine *e;
    carat_queue *queue;
    embed_texts texts;
    embed_out out;
    slot slots[WINDOW];      /* row i in slot i % WINDOW */
    uint64_t begun, written; /* rows */
    uint64_t n_tokens, n_cut;
    double start;
} embed;

/* ---- one text ---- */

/* Where it stood, for messages. */
static bool blame(const embed *b, uint64_t number, carat_err *err)
{
    return b->texts.args ? ct_fail_in(err, "text %" PRIu64, number)
                         : ct_fail_in(err, "%s:%" PRIu64, b->texts.lines.name, number);
}

static bool submit(embed *b, const embed_text *t, slot *s, carat_err *err)
{
    carat_prompt *p;
    size_t n;
    const carat_embedding_text text = { .struct_size = sizeof text,
                                        .text = t->len ? t->text : "",
                                        .text_len = t->len,
                                        .task = opt.task,
                                        .title = t->title ? t->title : opt.title,
                                        .truncates = opt.truncates };
    if (!carat_prompt_embedding(b->e, &text, &p, err))
        return blame(b, t->number, err);
    carat_prompt_tokens(p, &n);
    b->n_tokens += n;
    b->n_cut += carat_prompt_n_cut(p) > 0;
    const carat_request_options o = { .struct_size = sizeof o,
                                      .prompt = p,
                                      .wants_embedding = true,
                                      .omits_answers = true,
                                      .n_dims = (size_t)opt.dims,
                                      .queue = b->queue,
                                      .user = s };
    *s = (slot){ .id = json_incref((json_t *)(uintptr_t)t->id), .number = t->number };
    const bool ok = carat_request_submit(b->e, &o, &s->request, err) || blame(b, t->number, err);
    carat_prompt_free(p);
    return ok;
}

static void free_slot(slot *s)
{
    carat_request_free(s->request);
    json_decref(s->id);
    free(s->vector);
    *s = (slot){ 0 };
}

static bool keep(const embed *b, const carat_event *event, carat_err *err)
{
    slot *s = event->user;
    if (event->kind == CARAT_EVENT_FAILED) {
        *err = *event->err;
        return blame(b, s->number, err);
    }
    if (event->kind != CARAT_EVENT_ANSWER)
        return true;
    s->n_dims = event->n_embedding;
    s->vector = malloc(s->n_dims * sizeof *s->vector);
    if (!s->vector)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a vector");
    memcpy(s->vector, event->embedding, s->n_dims * sizeof *s->vector);
    return true;
}

/* ---- all of them ---- */

static bool has_room(const embed *b)
{
    return b->begun - b->written < WINDOW;
}

static bool fill_window(embed *b, bool *at_end, carat_err *err)
{
    embed_text t;
    while (!*at_end && !cli_was_interrupted() && has_room(b) && embed_texts_ready(&b->texts)) {
        if (!embed_texts_next(&b->texts, &t, err)) {
            *at_end = true;
            return err->code == CARAT_OK;
        }
        if (!submit(b, &t, &b->slots[b->begun % WINDOW], err))
            return false;
        b->begun++;
    }
    return true;
}

static bool listen(embed *b, carat_err *err)
{
    const carat_event *event;
    while ((event = carat_queue_next(b->queue, 0))->kind != CARAT_EVENT_NONE)
        if (!keep(b, event, err))
            return false;
    return true;
}

/* Rows in the order of their texts, as far as they are known. */
static bool write_rows(embed *b, carat_err *err)
{
    const uint64_t before = b->written;
    for (slot *s; b->written < b->begun && (s = &b->slots[b->written % WINDOW])->vector; b->written++) {
        if (!embed_out_row(&b->out, s->id, s->vector, s->n_dims, err))
            return false;
        free_slot(s);
    }
    return b->written == before || embed_out_flush(&b->out, err);
}

static void wait_for_work(const embed *b, bool at_end)
{
    const bool wants_text = !at_end && has_room(b) && !b->texts.args;
    struct pollfd p[] = { { .fd = carat_queue_fd(b->queue), .events = POLLIN },
                          { .fd = cli_interrupt_fd(), .events = POLLIN },
                          { .fd = wants_text ? b->texts.lines.fd : -1, .events = POLLIN } };
    if (!wants_text || !embed_texts_ready(&b->texts))
        poll(p, sizeof p / sizeof *p, -1);
}

static void show_progress(const embed *b)
{
    char what[80];
    const double t = ct_now() - b->start;
    if (!b->texts.n_of || !b->written)
        return;
    snprintf(what, sizeof what, "%" PRIu64 " of %" PRIu64 ", %.1f texts/s", b->written, b->texts.n_of,
             (double)b->written / t);
    term_progress(what, b->written, b->texts.n_of);
}

static bool embed_all(embed *b, carat_err *err)
{
    bool at_end = false, ok = true;
    b->start = ct_now();
    while (ok && !cli_was_interrupted()) {
        ok = fill_window(b, &at_end, err);
        if (!ok || (at_end && b->written == b->begun))
            break;
        wait_for_work(b, at_end);
        ok = listen(b, err) && write_rows(b, err);
        show_progress(b);
    }
    term_progress_end();
    for (size_t i = 0; i < WINDOW; i++)
        free_slot(&b->slots[i]);
    return ok && (cli_was_interrupted() || embed_out_finish(&b->out, err));
}

/* ---- before and after ---- */

static void tell_end(const embed *b)
{
    const double t = ct_now() - b->start;
    if (!carat_engine_info(b->e)->is_embedding)
        term_tell("This is no embedding model: vectors are the mean of its last hidden states, for which it was not "
                  "trained.");
    if (b->texts.left_out[0]) {
        char names[sizeof b->texts.left_out];
        term_tell("Fields that were not read: %s", term_printable(b->texts.left_out, names, sizeof names));
    }
    if (b->n_cut)
        term_tell("%" PRIu64 " text%s longer than %zu tokens: the end was left out.", b->n_cut,
                  b->n_cut == 1 ? " was" : "s were", carat_engine_n_ctx(b->e));
    if (b->written > 1)
        term_note("%" PRIu64 " texts, %" PRIu64 " tokens in %.2f s: %.1f texts/s, %.0f tokens/s", b->written,
                  b->n_tokens, t, (double)b->written / t, (double)b->n_tokens / t);
}

/* Of a model that is none for embeddings each text at work takes a session's memory: as many as fit. */
static bool open_engine(embed *b, const char *model, carat_err *err)
{
    cli_model_values.queue = 2 * WINDOW;
    if (!cli_model_values.prefix_cache)
        cli_model_values.prefix_cache = CLI_NO_PREFIX_CACHE; /* all of every text is computed */
    for (cli_model_values.sessions = SESSIONS; !cli_try_engine(model, CARAT_VISION_OFF, &b->e, err);
         cli_model_values.sessions /= 2)
        if (err->code != CARAT_ENOMEM || cli_model_values.sessions == 1)
            return false;
    return true;
}

static int embed_texts_of(embed *b, const char *model)
{
    carat_err err;
    bool ok = cli_spares_inputs(opt.out, model, opt.jsonl ? opt.jsonl : opt.file, &err) &&
              embed_out_open(&b->out, opt.out, &err) && open_engine(b, model, &err) &&
              carat_queue_open(&b->queue, &err);
    if (ok) {
        b->out.n_dims = opt.dims ? (size_t)opt.dims : carat_engine_info(b->e)->hidden; /* where there is no text, too */
        cli_signals(CLI_SIGNALS_NOTED);
        ok = embed_all(b, &err);
    }
    if (ok)
        tell_end(b);
    carat_queue_close(b->queue);
    carat_engine_close(b->e);
    embed_out_close(&b->out);
    return !ok ? term_error(&err) : cli_was_interrupted() ? CLI_INTERRUPTED : CLI_OK;
}

static int check_usage(const cli_list *args, const char *model)
{
    if (!model)
        return cli_usage(&cli_embed, "expected a model");
    if ((args->n > 0) + (opt.jsonl != NULL) + (opt.file != NULL) > 1)
        return cli_usage(&cli_embed, "texts are given in one way: as arguments, --jsonl or --file");
    if (!args->n && !opt.jsonl && !opt.file && isatty(0))
        return cli_usage(&cli_embed, "expected texts: as arguments, --jsonl, --file or lines of stdin");
    if (cli_is_stream(&cli_embed, "output", opt.out))
        return CLI_USAGE;
    return CLI_OK;
}

static int run(int argc, char **argv)
{
    static embed b;
    cli_list args = { 0 };
    carat_err err;
    if (!cli_parse(&cli_embed, argc, argv, &args))
        return CLI_USAGE;
    const char *model = cli_model_path(&args);
    int code = check_usage(&args, model);
    if (code != CLI_OK)
        return code;
    term_init(cli_model_values.quiet);
    if (args.n)
        b.texts = (embed_texts){ .args = &args, .n_of = args.n };
    else if (!embed_texts_open(&b.texts, opt.jsonl ? opt.jsonl : opt.file ? opt.file : "-", opt.jsonl != NULL, &err))
        return term_error(&err);
    code = embed_texts_of(&b, model);
    embed_texts_close(&b.texts);
    return code;
}

const cli_command cli_embed = {
    .name = "embed",
    .usage = "MODEL [TEXT...] [options]",
    .summary = "texts to vectors, for search and clustering",
    .text = "Turns texts into vectors whose dot product says how near they are in meaning: with EmbeddingGemma, or "
            "with any\n"
            "other model, of which it is the mean of the last hidden states. Rows come in the order of the texts; a "
            "row is the\n"
            "same whatever stands beside it.\n\n"
            "  carat embed embeddinggemma-300m/ --task query \"Which planet is red?\"\n"
            "  carat embed embeddinggemma-300m.gguf --task document --jsonl docs.jsonl -o docs.npy\n"
            "  carat embed embeddinggemma-300m.gguf --dims 256 < lines.txt > vectors.jsonl\n\n"
            "Questions and what they search in are put behind different prompts: --task query and --task document. "
            "Without\n"
            "arguments, --jsonl and --file each line of stdin is a text. -o writes a file that appears when it is "
            "whole: .npy for\n"
            "NumPy, .f32 (little-endian float32, row after row), .jsonl ({\"index\", \"id\", \"embedding\"}). A text "
            "that is too\n"
            "long ends the work with an error that names it, unless --truncate says to leave out its end.",
    .tables = { &table, &cli_model_table, &cli_loading_table },
    .run = run,
};
