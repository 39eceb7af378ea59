/* carat run - one prompt, one answer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "batch.h"
#include "commands.h"
#include "engine.h"
#include "format.h"
#include "json_out.h"
#include "openai/openai.h"
#include "openai/translate.h"
#include "pictures.h"
#include "question.h"
#include "sampling.h"
#include "shared_options.h"
#include "show_prompt.h"
#include "signals.h"
#include "term.h"
#include "view.h"

static struct {
    cli_question question;
    int64_t n, min_tokens, logprobs;
    bool json, plain, ignore_eos, show_prompt;
    cli_list stops;
    const char *translate;
    batch_options batch;
} opt = { .logprobs = -1 };

/* clang-format off */
static const cli_option options[] = {
    { 'p', "prompt", NULL, CLI_TEXT, &opt.question.prompt, "TEXT", "the prompt; also the second argument, or stdin" },
    CLI_OPTION_FILE(&opt.question.file, "prompt"),
    CLI_OPTION_SYSTEM(&opt.question.system),
    CLI_OPTION_TEMPLATE(&cli_model_values.chat_template, ""),
    { 0, "translate", NULL, CLI_TEXT, &opt.translate, "FROM:TO",
      "translate the prompt, or the text in one --image, as TranslateGemma is asked to: codes of languages, like de:en or en:pt-BR" },
    CLI_OPTION_PREDICT(&opt.n, NULL),
    CLI_OPTION_LEAST(&opt.min_tokens),
    { 0, "stop", NULL, CLI_TEXTS, &opt.stops, "TEXT", "stop before this text; repeatable" },
    { 0, "ignore-eos", NULL, CLI_FLAG, &opt.ignore_eos, NULL, "continue past the model's end of turn or text" },
    { 0, "raw", NULL, CLI_FLAG, &opt.question.is_raw, NULL, "no chat template: the prompt as it is" },
    CLI_OPTION_SPECIAL(&opt.question.has_control, "with --raw: "),
    CLI_OPTION_NO_BOS(&opt.question.no_bos, "with --raw: "),
    { 0, "logprobs", NULL, CLI_INT, &opt.logprobs, "N",
      "with --json: log-probabilities of the tokens and of N alternatives to each", .max = 20 },
    CLI_OPTION_SHOW_PROMPT(&opt.show_prompt, "; with --json: in the object"),
    CLI_OPTION_PLAIN(&opt.plain),
    CLI_OPTION_JSON(&opt.json),
};
/* clang-format on */
static const cli_table table = CLI_TABLE("prompt and answer", options);

/* clang-format off */
static const cli_option batch_cli_options[] = {
    { 0, "batch", NULL, CLI_TEXT, &opt.batch.in, "FILE",
      "answer every line of a file in the format of OpenAI's Batch API; - is stdin" },
    { 'o', "output", NULL, CLI_TEXT, &opt.batch.out, "FILE",
      "where the answers go as they become ready; lines answered there already are skipped" },
    { 0, "parallel", NULL, CLI_INT, &opt.batch.parallel, "N",
      "answers generated at once, each with room for --ctx-size tokens",
      .otherwise = "8, or what fits", .min = 1, .max = 256 },
    { 0, "batch-files", NULL, CLI_TEXT, &opt.batch.files, "DIR", "let lines name image files in this folder" },
};
/* clang-format on */
static const cli_table batch_table = CLI_TABLE("many prompts", batch_cli_options);

typedef struct answer {
    json_t *tokens, *logprobs; /* NULL without --json */
    const carat_tokenizer *tok;
    ct_buf text, starts; /* starts: of each token, where its text begins (size_t) */
    view view;
    bool is_streaming, write_failed, ends_in_newline, has_no_memory;
    int why; /* errno of the write */
} answer;

static bool add_logprobs(const answer *a, const carat_token *t)
{
    json_t *top = json_array();
    bool ok = true;
    for (size_t i = 0; i < t->n_top; i++)
        ok = json_array_append_new(top, ct_openai_token(a->tok, t->top[i].id, t->top[i].logprob)) == 0 && ok;
    json_t *e = ct_openai_token(a->tok, t->id, t->logprob);
    ok = json_object_set_new(e, "top_logprobs", top) == 0 && ok;
    return json_array_append_new(a->logprobs, e) == 0 && ok;
}

/* What --json will print. False: no memory. */
static bool keep(answer *a, const carat_token *t)
{
    return (t->id < 0 || json_array_append_new(a->tokens, json_integer(t->id)) == 0) &&
           (t->id < 0 || !a->logprobs || add_logprobs(a, t)) &&
           (t->id < 0 || ct_buf_add(&a->starts, &t->at, sizeof t->at)) && ct_buf_add(&a->text, t->text, t->len);
}

/* Tokens that a stop string cut off with it are no part of the answer. */
static void cut_behind_stop(answer *a, const carat_result *r)
{
    size_t n = ct_openai_n_in_text(&a->starts, a->text.len, r);
    while (json_array_size(a->tokens) > n)
        json_array_remove(a->tokens, json_array_size(a->tokens) - 1);
    while (json_array_size(a->logprobs) > n)
        json_array_remove(a->logprobs, json_array_size(a->logprobs) - 1);
}

static bool on_token(void *arg, const carat_token *t)
{
    answer *a = arg;
    if (!a->is_streaming) {
        a->has_no_memory = !keep(a, t);
        return !a->has_no_memory;
    }
    if (t->len) {
        ct_buf_add(&a->text, t->text, t->len);
        a->ends_in_newline = t->text[t->len - 1] == '\n';
        a->write_failed = !view_add(&a->view, t->text, t->len);
        a->why = errno;
    }
    return !a->write_failed; /* the reader has gone: stop */
}

static json_t *ids_json(const int32_t *ids, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_integer(ids[i]));
    return a;
}

static double rate(size_t n, double seconds)
{
    return seconds > 0 ? (double)n / seconds : 0;
}

static void add_word(void *arg, const char *words)
{
    json_array_append_new(arg, json_string(words));
}

/* --show-prompt: its text, and what was mended. */
static void add_prompt(json_t *o, const carat_prompt *p)
{
    size_t len;
    const char *text = carat_prompt_rendered(p, &len);
    json_t *repairs = json_array();
    each_repair(p, add_word, repairs);
    json_object_set_new(o, "prompt", ct_json_from_bytes(text, len));
    json_object_set_new(o, "repairs", repairs);
}

static bool print_json(answer *a, const carat_engine *e, const carat_prompt *p, const carat_result *r, double prompt_s,
                       uint64_t seed)
{
    size_t n;
    const int32_t *ids = carat_prompt_tokens(p, &n);
    cut_behind_stop(a, r);
    json_t *o =
        json_pack("{s:o, s:o, s:O, s:s%, s:s, s:I}", "model", ct_json_from_str(carat_engine_info(e)->path),
                  "prompt_tokens", ids_json(ids, n), "tokens", a->tokens, "text", a->text.data ? a->text.data : "",
                  a->text.len, "finish_reason", carat_finish_name(r->finish), "seed", (json_int_t)seed);
    if (r->stop_id >= 0)
        json_object_set_new(o, "stop_token", json_integer(r->stop_id));
    if (opt.show_prompt)
        add_prompt(o, p);
    if (a->logprobs)
        json_object_set(o, "logprobs", a->logprobs);
    json_object_set_new(o, "timings",
                        json_pack("{s:I, s:f, s:f, s:I, s:f, s:f, s:I, s:I, s:i, s:s}", "prompt_n", (json_int_t)n,
                                  "prompt_ms", prompt_s * 1e3, "prompt_per_second", rate(n, prompt_s), "predicted_n",
                                  (json_int_t)r->n_generated, "predicted_ms", r->seconds * 1e3, "predicted_per_second",
                                  rate(r->n_generated, r->seconds), "draft_n", (json_int_t)r->n_drafted,
                                  "draft_n_accepted", (json_int_t)r->n_accepted, "threads", carat_engine_threads(e),
                                  "kernels", carat_engine_isa(e)));
    cli_json_print(o, JSON_INDENT(isatty(1) ? 2 : 0));
    return putchar('\n') != EOF && fflush(stdout) == 0;
}

static bool is_whole(const carat_format *format, const ct_buf *text)
{
    bool matches;
    return carat_format_matches(format, text->data ? text->data : "", text->len, &matches, NULL) && matches;
}

/* Prompt and answer in an open session. */
static int answer_prompt(carat_engine *e, carat_session *s, const carat_prompt *p, const carat_sampling *sampling,
                         const carat_format *format)
{
    size_t n;
    carat_prompt_tokens(p, &n);
    carat_err err;
    answer a = { .tok = carat_engine_tokenizer(e), .is_streaming = !opt.json, .ends_in_newline = true };
    ct_buf_init(&a.text, (size_t)1 << 30);
    ct_buf_init(&a.starts, (size_t)1 << 30);
    if (opt.json)
        a.tokens = json_array();
    if (opt.json && opt.logprobs >= 0)
        a.logprobs = json_array();
    carat_generation g = {
        .struct_size = sizeof g,
        .sampling = sampling,
        .max_tokens = opt.n < 0 ? 0 : (size_t)opt.n,
        .min_tokens = (size_t)opt.min_tokens,
        .ignores_eos = opt.ignore_eos,
        .stops = opt.stops.v,
        .n_stops = opt.stops.n,
        .n_top = opt.logprobs > 0 ? (int)opt.logprobs : 0,
        .wants_logprobs = opt.logprobs >= 0,
        .on_token = on_token,
        .arg = &a,
        .format = format,
    };
    carat_result r = { .struct_size = sizeof r, .finish = CARAT_FINISH_LENGTH, .stop_id = -1 };
    cli_cancel_on_interrupt(s);
    double start = ct_now();
    carat_session_on_progress(s, cli_prompt_progress, NULL);
    bool ok = carat_session_append_prompt(s, p, NULL, NULL, &err);
    term_progress_end();
    double prompt_s = ct_now() - start;
    if (ok && cli_was_interrupted()) /* between the two calls */
        r.finish = CARAT_FINISH_CANCELLED;
    else if (ok && opt.n != 0) {
        view_begin(&a.view, stdout, view_looks_for(opt.plain || format, cli_question_is_chat(&opt.question, e)));
        ok = carat_session_generate(s, &g, &r, &err);
        if (!view_end(&a.view) && !a.write_failed) {
            a.write_failed = true;
            a.why = errno;
        }
    }
    if (ok && a.has_no_memory)
        ok = ct_fail(&err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the answer");
    bool interrupted = cli_was_interrupted();
    cli_cancel_on_interrupt(NULL);

    int code = CLI_OK;
    if (!ok && !(interrupted && err.code == CARAT_ECANCELLED))
        code = term_error(&err);
    else if (interrupted)
        code = CLI_INTERRUPTED;
    if (opt.json && ok && !print_json(&a, e, p, &r, prompt_s, sampling->seed)) {
        a.write_failed = true;
        a.why = errno;
    }
    if (!opt.json && isatty(1) && !a.ends_in_newline)
        putchar('\n');
    if (a.write_failed && code == CLI_OK) {
        ct_fail(&err, CARAT_EIO, CARAT_NOWHERE, "cannot write the answer: %s", strerror(a.why));
        code = a.why == EPIPE ? CLI_FAILED : term_error(&err); /* a reader that has gone knows it: | head */
    }
    if (ok && isatty(2) && !opt.json)
        term_note("%zu prompt tokens at %.1f tokens/s, %zu generated at %.1f tokens/s, %d threads, %s (%s)", n,
                  rate(n, prompt_s), r.n_generated, rate(r.n_generated, r.seconds), carat_engine_threads(e),
                  carat_engine_isa(e), carat_finish_name(r.finish));
    if (ok && format && code == CLI_OK && r.finish == CARAT_FINISH_LENGTH)
        term_note("The answer ended before its form was complete: no more tokens were allowed.");
    if (ok && format && code == CLI_OK && r.finish == CARAT_FINISH_STOP && r.stop_id < 0 && !is_whole(format, &a.text))
        term_note("The answer ended before its form was complete: a stop string was met.");
    json_decref(a.tokens);
    json_decref(a.logprobs);
    ct_buf_deinit(&a.text);
    ct_buf_deinit(&a.starts);
    return code;
}

/* The lines say what is asked; the command line only how, where they do not. */
static int run_batch(const char *model, const cli_list *args, const carat_sampling *sampling,
                     const carat_pan_scan *pan_scan)
{
    if (!opt.batch.in)
        return cli_usage(&cli_run, "-o, --parallel and --batch-files need --batch FILE");
    if (!opt.batch.out)
        return cli_usage(&cli_run, "--batch needs -o FILE");
    if (cli_is_stream(&cli_run, "output", opt.batch.out))
        return CLI_USAGE;
    if (opt.translate)
        return cli_usage(&cli_run, "--translate cannot be used with --batch: its lines have source_lang_code and "
                                   "target_lang_code beside a text");
    if (args->n || opt.question.prompt || opt.question.file || opt.question.system || cli_image_paths.n)
        return cli_usage(&cli_run, "--batch takes its prompts, system texts and images from its lines");
    if (cli_format_given())
        return cli_usage(&cli_run,
                         "--json-schema, --json-object, --regex, --choice and --grammar cannot be used with --batch: "
                         "its lines say response_format");
    if (opt.question.is_raw || opt.question.has_control || opt.question.no_bos || opt.ignore_eos || opt.min_tokens ||
        opt.stops.n || opt.logprobs >= 0)
        return cli_usage(&cli_run, "--raw, --special, --no-bos, --ignore-eos, --min-tokens, --stop and --logprobs "
                                   "cannot be used with --batch: its lines set them");
    if (opt.show_prompt)
        return cli_usage(&cli_run, "--show-prompt shows one prompt: it cannot be used with --batch");
    opt.batch.max_tokens = opt.n > 0 ? (size_t)opt.n : 0;
    opt.batch.sampling = *sampling;
    opt.batch.pan_scan = *pan_scan;
    opt.batch.json = opt.json;
    return batch_run(model, &opt.batch);
}

/* --translate: the text, or the picture that has none beside it, becomes the message that asks for it. */
static bool make_translation(bool is_picture, char **text, size_t *len, carat_err *err)
{
    char source[32];
    const char *colon = opt.translate ? strchr(opt.translate, ':') : NULL;
    ct_buf out;
    if (!opt.translate)
        return true;
    if (!colon || (size_t)(colon - opt.translate) >= sizeof source)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "--translate is '%.40s', expected two languages like de:en",
                       opt.translate);
    snprintf(source, sizeof source, "%.*s", (int)(colon - opt.translate), opt.translate);
    ct_buf_init(&out, (size_t)1 << 30);
    if (is_picture ? !ct_translate_ask_picture(source, colon + 1, &out, err)
                   : !ct_translate_ask(source, colon + 1, *text, *len, &out, err)) {
        ct_buf_deinit(&out);
        return false;
    }
    if (is_picture)
        ct_buf_str(&out, CLI_IMAGE_MARK);
    free(*text);
    *len = out.len;
    *text = ct_buf_take(&out);
    return *text || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the prompt");
}

/* What is asked, as text. */
static bool make_text(const cli_list *args, char **text, size_t *len, int *code)
{
    const bool is_picture = opt.translate && cli_image_paths.n;
    carat_err err;
    if (!is_picture &&
        !cli_question_text(&cli_run, &opt.question, args, "; for a conversation use carat chat", text, len, code))
        return false;
    if (make_translation(is_picture, text, len, &err))
        return true;
    *code = term_error(&err);
    return false;
}

static int run(int argc, char **argv)
{
    cli_list args = { 0 };
    carat_sampling sampling;
    if (!cli_parse(&cli_run, argc, argv, &args) || !cli_sampling(&cli_run, &sampling) || !cli_format_check(&cli_run))
        return CLI_USAGE;
    const carat_pan_scan pan_scan = cli_pan_scan();
    const char *path = cli_model_path(&args);
    if (!path)
        return cli_usage(&cli_run, "which model? (carat pull gemma-3-270m-it fetches a small one)");
    if (opt.batch.in || opt.batch.out || opt.batch.parallel || opt.batch.files)
        return run_batch(path, &args, &sampling, &pan_scan);
    if (opt.logprobs >= 0 && !opt.json)
        return cli_usage(&cli_run, "--logprobs needs --json");
    if (opt.n >= 0 && opt.min_tokens > opt.n)
        return cli_usage(&cli_run, "--min-tokens is %jd, but -n only %jd", (intmax_t)opt.min_tokens, (intmax_t)opt.n);
    if (opt.question.is_raw && cli_model_values.chat_template)
        return cli_usage(&cli_run, "give either --raw or --chat-template, not both");
    if (opt.translate && (opt.question.is_raw || opt.question.system))
        return cli_usage(&cli_run, "--translate makes the whole message: no --raw or --system beside it");
    if (opt.translate && cli_image_paths.n &&
        (cli_image_paths.n > 1 || args.n || opt.question.prompt || opt.question.file))
        return cli_usage(&cli_run, "--translate translates a text or one --image, not both");
    term_init(cli_model_values.quiet);
    int code = CLI_OK;
    char *text = NULL;
    size_t len;
    carat_engine *e = NULL;
    carat_session *s = NULL;
    carat_prompt *p = NULL;
    carat_format *format = NULL;
    cli_pictures pictures = { 0 };
    carat_err err;
    if (!make_text(&args, &text, &len, &code))
        goto done;
    if (!cli_pictures_load(&cli_image_paths, &pictures, &err)) { /* before the model: a wrong name costs no time */
        code = term_error(&err);
        goto done;
    }
    if (!cli_open_engine_once(path, pictures.n > 0, &e, &code))
        goto done;
    if (!cli_format_open(e, &format, &err) ||
        !cli_question_prompt(&opt.question, e, text, len, &pictures, &pan_scan, &p, &err) ||
        !carat_session_open(e, 0, &s, &err)) {
        code = term_error(&err);
        goto done;
    }
    cli_question_tell(&opt.question, e, text, &pictures, "it continues the text");
    if (opt.show_prompt && !opt.json)
        show_prompt(p, stderr);
    cli_sampling_of(carat_engine_info(e), &sampling);
    code = answer_prompt(e, s, p, &sampling, format);
done:
    carat_format_close(format);
    carat_prompt_free(p);
    cli_pictures_free(&pictures);
    free(text);
    carat_session_close(s);
    carat_engine_close(e);
    return code;
}

const cli_command cli_run = {
    .name = "run",
    .usage = "MODEL [PROMPT] [options]",
    .summary = "answer one prompt (or continue a text)",
    .text =
        "Answers a prompt with an instruction-tuned model, or continues a text with a base model. The text streams to\n"
        "stdout; notices go to stderr. Ctrl-C stops it cleanly. At a terminal it is broken between words and shows "
        "light\n"
        "Markdown, unless --plain is given; a pipe or a file gets the text as it is.\n\n"
        "  carat run gemma-3-4b-it-q4_0.gguf \"Why is the sky blue?\"\n"
        "  carat run gemma-3-4b-it-q4_0.gguf --image cat.jpg \"What animal is this?\"\n"
        "  carat run model/ -f question.txt --temp 0 -n 200 --json\n"
        "  carat run gemma.gguf -f mail.txt --json-schema order.json\n"
        "  cat notes.txt | carat run gemma.gguf --system \"Summarise in one sentence.\"\n"
        "  carat run gemma.gguf --batch requests.jsonl -o answers.jsonl\n\n"
        "A prompt from a file or a pipe may be UTF-8 or, with a byte order mark, UTF-16; the mark and one newline at "
        "the\n"
        "end are not part of it. -p and the argument are taken as they stand.\n\n"
        "With an option for the form of the answer every token is one that such a text goes on with, and the answer "
        "ends\n"
        "where it is complete (or, incomplete, after -n tokens). JSON schemas are of draft 7 or 2020-12; what of one\n"
        "cannot be enforced is refused by keyword and path. Regular expressions are ECMA-262's without look-around "
        "and\n"
        "back-references.\n\n"
        "--batch answers many prompts together, several times faster than one after the other. Lines in and out are\n"
        "those of OpenAI's Batch API (/v1/chat/completions and /v1/completions); answers are written in the order in\n"
        "which they become ready. To resume after an interruption, run the same command again: lines whose custom_id\n"
        "is in the output already are skipped, and a line that was cut off is written again. A line that cannot be\n"
        "answered is reported, gets an error line if it is JSON with a custom_id, and makes the exit code 1; delete\n"
        "its line from the output to have it tried again. A repeated custom_id is reported and skipped. -n, --seed\n"
        "and the sampling options apply where a line does not set them; a line without a seed draws from --seed and\n"
        "its custom_id, so that the same batch gives the same answers.",
    .tables = { &table, &cli_format_table, &cli_pictures_table, &batch_table, &cli_model_table, &cli_loading_table,
                &cli_guess_table, &cli_sampling_table },
    .run = run,
};
