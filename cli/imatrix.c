/* carat imatrix - what the columns of a model's matrices are multiplied by, for quantising.
 *
 * A text is cut into chunks, each with <bos> in front; a conversation is a chunk of its own, and so is each line of a text that
 * an embedding model reads. Sums are saved as they grow,
 * so that an interrupted run is resumed where it stopped.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/json.h"
#include "commands.h"
#include "engine.h"
#include "input.h"
#include "shared_options.h"
#include "signals.h"
#include "term.h"

#define SAVE_EVERY 32 /* chunks */

static struct {
    const char *text, *chat, *out;
    int64_t chunk, n;
    bool resume;
} opt;

/* clang-format off */
static const cli_option options[] = {
    { 0, "text", NULL, CLI_TEXT, &opt.text, "FILE", "a text to read, by an embedding model line by line; - is stdin" },
    { 0, "chat", NULL, CLI_TEXT, &opt.chat, "FILE", "conversations to read: lines of {\"messages\": [{\"role\": ..., \"content\": ...}]}" },
    { 'o', "output", NULL, CLI_TEXT, &opt.out, "FILE", "where the importance matrix goes, in llama.cpp's form (GGUF)" },
    { 0, "chunk-size", NULL, CLI_INT, &opt.chunk, "N", "tokens of a chunk, <bos> among them; a longer conversation is cut", .deflt = "512", .min = 2, .max = 1 << 20 },
    { 0, "chunks", NULL, CLI_INT, &opt.n, "N", "at most so many chunks", .otherwise = "all there are", .min = 1, .max = 1e9 },
    { 0, "resume", NULL, CLI_FLAG, &opt.resume, NULL, "go on where the file of -o stands, if there is one" },
};
/* clang-format on */
static const cli_table table = CLI_TABLE("text and output", options);

static const char *input(void)
{
    return opt.text ? opt.text : opt.chat;
}

typedef struct reading {
    carat_engine *e;
    int32_t *ids; /* of the text */
    size_t n_ids;
    bool embeds; /* an embedding model: it reads a text's lines */
    char *lines; /* those, or of conversations */
    size_t len;
    size_t n, skipped; /* chunks there are; of them, those that the file has */
} reading;

/* ---- chunks ---- */

static bool evaluate(const reading *r, const int32_t *ids, size_t n, carat_err *err)
{
    carat_session *s = NULL;
    if (!carat_session_open(r->e, 0, &s, err))
        return false;
    cli_cancel_on_interrupt(s);
    bool ok = carat_session_append(s, ids, n, err);
    cli_cancel_on_interrupt(NULL);
    carat_session_close(s);
    return ok && (!cli_was_interrupted() || ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "interrupted"));
}

/* A line as the embedding model's text, as long as a chunk at most. */
static bool embed_line(const reading *r, const char *line, size_t len, carat_err *err)
{
    const carat_embedding_text text = { .struct_size = sizeof text, .text = line, .text_len = len, .truncates = true };
    carat_prompt *p = NULL;
    carat_request *q = NULL;
    const carat_event *event = NULL;
    if (!carat_prompt_embedding(r->e, &text, &p, err))
        return false;
    const carat_request_options o = {
        .struct_size = sizeof o, .prompt = p, .wants_embedding = true, .omits_answers = true
    };
    bool ok = carat_request_submit(r->e, &o, &q, err);
    for (bool goes_on = ok; goes_on; goes_on = event->kind != CARAT_EVENT_END) {
        event = carat_request_next(q, -1);
        if (event->kind == CARAT_EVENT_FAILED && ok) {
            ok = false;
            *err = *event->err;
        }
    }
    carat_request_free(q);
    carat_prompt_free(p);
    return ok && (!cli_was_interrupted() || ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "interrupted"));
}

static bool read_text_chunk(const reading *r, size_t i, carat_err *err)
{
    const size_t most = (size_t)opt.chunk - 1, at = i * most, left = r->n_ids - 1 - at, n = left < most ? left : most;
    int32_t *ids = malloc((n + 1) * sizeof *ids);
    if (!ids)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu tokens", n);
    ids[0] = r->ids[0]; /* <bos>: ids + 1 is the text */
    memcpy(ids + 1, r->ids + 1 + at, n * sizeof *ids);
    const bool ok = evaluate(r, ids, n + 1, err);
    free(ids);
    return ok;
}

static bool messages_of(const json_t *list, carat_message *m, size_t n, carat_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *o = json_array_get(list, i);
        const char *role = json_string_value(json_object_get(o, "role")),
                   *content = json_string_value(json_object_get(o, "content"));
        if (!role || !content)
            return ct_fail(err, CARAT_EFORMAT, i, "message %zu has no role or no content that is a text", i + 1);
        m[i] = (carat_message){ .struct_size = sizeof *m,
                                .role = role,
                                .text = content,
                                .text_len = json_string_length(json_object_get(o, "content")) };
    }
    return true;
}

static bool read_chat(const reading *r, const json_t *messages, carat_err *err)
{
    const size_t n = json_array_size(messages);
    carat_message *m = calloc(n + 1, sizeof *m);
    carat_prompt *p = NULL;
    size_t n_ids = 0;
    bool ok = (m || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu messages", n)) &&
              messages_of(messages, m, n, err) && carat_prompt_chat(r->e, m, n, NULL, &p, err);
    if (ok) {
        const int32_t *ids = carat_prompt_tokens(p, &n_ids);
        ok = evaluate(r, ids, n_ids < (size_t)opt.chunk ? n_ids : (size_t)opt.chunk, err);
    }
    carat_prompt_free(p);
    free(m);
    return ok;
}

/* The next line that is not blank; *at moves behind it. NULL: there is none. */
static const char *next_line(const reading *r, size_t *at, size_t *len)
{
    while (*at < r->len) {
        const char *line = r->lines + *at, *end = memchr(line, '\n', r->len - *at);
        *len = end ? (size_t)(end - line) : r->len - *at;
        *at += *len + (end != NULL);
        if (strspn(line, " \t\r") < *len)
            return line;
    }
    return NULL;
}

static bool read_chat_line(const reading *r, const char *line, size_t len, size_t number, carat_err *err)
{
    json_t *o = NULL;
    bool ok = ct_json_parse(opt.chat, line, len, &o, err);
    const json_t *messages = json_object_get(o, "messages");
    if (ok && json_array_size(messages) == 0)
        ok = ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "no messages");
    ok = ok && read_chat(r, messages, err);
    json_decref(o);
    if (ok || (err && err->code == CARAT_ECANCELLED))
        return ok;
    return ct_fail_in(err, "%s, conversation %zu", opt.chat, number);
}

/* ---- all of them ---- */

static bool save(const reading *r, size_t done, carat_err *err)
{
    return carat_engine_write_importance(r->e, opt.out, input(), (size_t)opt.chunk, done, err);
}

static bool read_all(reading *r, carat_err *err)
{
    static char what[] = "reading";
    size_t at = 0, len = 0, done = 0;
    bool ok = true;
    for (; ok && done < r->n; done++) {
        const char *line = r->lines ? next_line(r, &at, &len) : NULL;
        if (done < r->skipped)
            continue;
        term_progress(what, done, r->n);
        ok = r->embeds  ? embed_line(r, line, len, err)
             : opt.chat ? read_chat_line(r, line, len, done + 1, err)
                        : read_text_chunk(r, done, err);
        if (!ok)
            break;
        if ((done + 1) % SAVE_EVERY == 0)
            ok = save(r, done + 1, err);
    }
    term_progress_end();
    return ok && save(r, r->n, err);
}

static bool count_chunks(reading *r, carat_err *err)
{
    size_t at = 0, len;
    if (r->lines)
        while (next_line(r, &at, &len))
            r->n++;
    else
        r->n = (r->n_ids - 1 + (size_t)opt.chunk - 2) / ((size_t)opt.chunk - 1);
    if (opt.n && r->n > (size_t)opt.n)
        r->n = (size_t)opt.n;
    return r->n > 0 || ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: there is nothing to read", input());
}

/* The last part of a path: the text may lie elsewhere by now. */
static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* What is there must be the beginning of what is asked for: chunks are left out by their number. */
static bool check_resumed(reading *r, carat_err *err)
{
    size_t chunk;
    const char *text = carat_engine_importance_dataset(r->e, &chunk);
    r->skipped = carat_engine_importance_chunks(r->e);
    if (!cli_model_values.importance[0])
        return true;
    if (!r->skipped || !text || !chunk)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "%s: does not say what it was made of, so that it cannot be gone on with", opt.out);
    if (chunk != (size_t)opt.chunk)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: its chunks have %zu tokens, those to come %zu", opt.out,
                       chunk, (size_t)opt.chunk);
    if (strcmp(name_of(text), name_of(input())) != 0)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: it was made of '%.80s', not of %s", opt.out, text,
                       input());
    if (r->skipped < r->n)
        term_note("%s: %zu chunks are there, going on", opt.out, r->skipped);
    return true;
}

static bool read_inputs(reading *r, carat_err *err)
{
    const char *from = opt.chat ? opt.chat : opt.text;
    char *text = NULL;
    size_t len = 0;
    r->embeds = carat_engine_info(r->e)->is_embedding;
    if (r->embeds && opt.chat)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "--chat: an embedding model has no conversations, expected --text");
    if (!cli_read_text(from, &text, &len, err))
        return false;
    if (opt.chat || r->embeds) {
        r->lines = text;
        r->len = len;
        return count_chunks(r, err) && check_resumed(r, err);
    }
    const bool ok =
        carat_tokenizer_encode(carat_engine_tokenizer(r->e), text, len, CARAT_TOK_BOS, &r->ids, &r->n_ids, err);
    free(text);
    return ok && count_chunks(r, err) && check_resumed(r, err);
}

static int work(const char *path)
{
    reading r = { 0 };
    carat_err err;
    int code = CLI_OK;
    const bool goes_on = opt.resume && access(opt.out, F_OK) == 0;
    cli_model_values.importance = goes_on ? opt.out : "";
    cli_model_values.prefix_cache = CLI_NO_PREFIX_CACHE; /* what is kept is not multiplied again */
    if (!cli_model_values.ctx)
        cli_model_values.ctx = opt.chunk;
    if (!cli_spares_inputs(opt.out, path, input(), &err))
        return term_error(&err);
    if (!cli_open_engine(path, CARAT_VISION_OFF, &r.e, &code))
        return code;
    cli_signals(CLI_SIGNALS_NOTED);
    const bool ok = read_inputs(&r, &err) && (r.skipped >= r.n || read_all(&r, &err));
    if (ok && r.skipped >= r.n)
        term_note("%s: %zu chunks are there, and no more are asked for", opt.out, r.skipped);
    else if (ok)
        term_note("%s: %zu chunks", opt.out, r.n);
    else
        code = err.code == CARAT_ECANCELLED ? CLI_INTERRUPTED : term_error(&err);
    carat_free(r.ids);
    free(r.lines);
    carat_engine_close(r.e);
    return code;
}

static int run(int argc, char **argv)
{
    cli_list args = { 0 };
    if (!cli_parse(&cli_imatrix, argc, argv, &args))
        return CLI_USAGE;
    const char *path = cli_model_path(&args);
    if (!path || args.n || !opt.out || !opt.text == !opt.chat)
        return cli_usage(&cli_imatrix, "needs a model, -o FILE, and one of --text and --chat");
    if (cli_is_stream(&cli_imatrix, "output", opt.out))
        return CLI_USAGE;
    term_init(cli_model_values.quiet);
    return work(path);
}

const cli_command cli_imatrix = {
    .name = "imatrix",
    .usage = "MODEL --text FILE -o FILE [options]",
    .summary = "write an importance matrix, with which carat quantize loses less",
    .text =
        "Reads a text, or conversations in the model's chat template, and writes for each matrix of the layers the "
        "mean "
        "squares\nof what its columns were multiplied by. Some ten thousand tokens of what the model will be used for "
        "are enough; take\nthe model in the best type that this machine holds.\n\n"
        "  carat imatrix gemma-3-4b-it-bf16.gguf --text corpus.txt -o imatrix.gguf\n"
        "  carat imatrix gemma-3-4b-it-bf16.gguf --chat talks.jsonl -o imatrix.gguf --resume",
    .tables = { &table, &cli_model_table, &cli_loading_table },
    .run = run,
};
