/* Many prompts at once: a window of requests slides over the input, the engine answers them together, and each answer
 * is written when it is complete.
 *
 * One thread does it. It sleeps in poll(2) until the engine has something to say, the input has another line for which
 * there is a place, or Ctrl-C is pressed. The window holds twice as many requests as can be answered at once, so
 * that the next one is always there.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "batch.h"
#include "carat_weigh.h"
#include "engine.h"
#include "json_out.h"
#include "sampling.h"
#include "signals.h"
#include "term.h"

#define DEFAULT_PARALLEL 8

typedef struct work { /* a line that is being answered */
    ct_openai_line line;
    ct_openai_reply reply;
    ct_openai_usage usage;
    carat_request *request;
    uint64_t number; /* of the line */
    size_t at;       /* in the window */
} work;

typedef struct batch {
    const batch_options *o;
    ct_openai_options defaults; /* of requests */
    ct_openai_forms forms;      /* of their answers */
    carat_engine *e;
    carat_queue *queue; /* of all that is asked */
    const char *model;  /* its name in answers */
    batch_lines in;
    ct_journal out;
    batch_ids ids;
    size_t n_sessions, n_window;
    work **works; /* [n_works]: the window */
    size_t n_works;
    bool is_noted;    /* that the model has no chat template */
    uint64_t n_lines; /* of the input that are not blank; 0: not known */
    uint64_t n_before, done, failed, skipped, failed_before;
    uint64_t prompt_tokens, cached_tokens, generated_tokens;
    double start;
} batch;

/* ---- one line ---- */

static void report(const batch *b, uint64_t line, const char *msg)
{
    term_progress_end();
    fprintf(stderr, "carat: %s:%" PRIu64 ": %s\n", b->in.name, line, msg);
}

static void free_work(work *w)
{
    carat_request_free(w->request);
    ct_openai_reply_deinit(&w->reply);
    ct_openai_line_deinit(&w->line);
    free(w);
}

static bool write_line(batch *b, char *line, carat_err *err)
{
    bool ok = line ? ct_journal_add(&b->out, line, strlen(line), err)
                   : ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a line of output");
    free(line);
    return ok;
}

/* Says why, and writes it where there is an id to write it under. */
static bool fail_line(batch *b, uint64_t line, const char *id, const ct_openai_fault *f, carat_err *err)
{
    b->failed++;
    report(b, line, f->err.msg);
    return !id || write_line(b, ct_openai_line_fault(id, f), err);
}

/* Is that line to be answered? Not if its id was met or is in the output. */
static bool is_new(batch *b, const work *w, bool *is_to_do, carat_err *err)
{
    struct batch_id *entry = batch_ids_at(&b->ids, w->line.custom_id);
    *is_to_do = false;
    if (!entry)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the ids of %s", b->in.name);
    if (entry->flags & BATCH_ID_MET) { /* its place in the output is the first one's */
        carat_err why;
        ct_fail(&why, CARAT_EARG, w->number,
                "custom_id '%.60s' occurs a second time, after line %" PRIu64 "; this line is not answered",
                w->line.custom_id, entry->line);
        b->failed++;
        report(b, w->number, why.msg);
        return true;
    }
    if (entry->flags & BATCH_ID_DONE) {
        b->skipped++;
        b->failed_before += (entry->flags & BATCH_ID_FAILED) != 0;
    } else {
        *is_to_do = true;
    }
    entry->flags |= BATCH_ID_MET;
    entry->line = w->number;
    return true;
}

static bool submit(batch *b, work *w, ct_openai_fault *f)
{
    ct_openai_request *r = &w->line.request;
    r->submit.queue = b->queue;
    r->submit.user = w;
    if (!ct_openai_reply_init(&w->reply, r)) {
        ct_fail(&f->err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for an answer");
        return ct_openai_refuse_err(f, "");
    }
    return carat_request_submit(b->e, &r->submit, &w->request, &f->err) || ct_openai_refuse_submit(f, r->endpoint);
}

/* Of a chat with a model that nothing says is one for chats. */
static void note_chat(batch *b, const work *w)
{
    if (b->is_noted || w->line.request.endpoint != CT_OPENAI_CHAT || carat_engine_info(b->e)->is_instruction_tuned)
        return;
    b->is_noted = true;
    term_note("This model has no chat template: messages are put into Gemma's turns.");
}

/* The line just read: into the window, or reported. False: the batch cannot go on. */
static bool take_line(batch *b, carat_err *err)
{
    ct_openai_fault f = { 0 };
    bool is_to_do = false;
    work *w = calloc(1, sizeof *w);
    if (!w)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for line %" PRIu64, b->in.number);
    w->number = b->in.number;
    if (b->in.is_long)
        ct_openai_refuse(&f, 0, "invalid_json_line", "", "the line is longer than %zu MiB", BATCH_MAX_LINE >> 20);
    else if (b->in.has_no_memory)
        ct_openai_refuse(&f, 0, "server_error", "", "no memory for the line");
    bool is_there = !b->in.is_long && !b->in.has_no_memory;
    bool ok = (is_there && ct_openai_line_parse(&w->line, b->in.line.data, b->in.line.len, &f))
                  ? is_new(b, w, &is_to_do, err)
                  : fail_line(b, w->number, NULL, &f, err);
    if (ok && is_to_do && ct_openai_line_read(&w->line, b->e, &b->defaults, &f) && submit(b, w, &f)) {
        note_chat(b, w);
        w->at = b->n_works;
        b->works[b->n_works++] = w;
        return true;
    }
    ok = ok && (!is_to_do || fail_line(b, w->number, w->line.custom_id, &f, err));
    free_work(w);
    return ok;
}

/* Lines into the window until it is full; from a pipe what is there, so that answers need not wait for more questions,
 * nor Ctrl-C. */
static bool fill_window(batch *b, bool *at_end, carat_err *err)
{
    while (!*at_end && !cli_was_interrupted() && b->n_works < b->n_window) {
        if (!batch_lines_ready(&b->in))
            return true;
        if (!batch_lines_next(&b->in, err)) {
            *at_end = true;
            return err->code == CARAT_OK;
        }
        if (b->in.number == 1 && b->in.line.len >= 3 && memcmp(b->in.line.data, "\xef\xbb\xbf", 3) == 0)
            memcpy(b->in.line.data, "   ", 3); /* a byte order mark */
        if (!batch_line_is_blank(&b->in) && !take_line(b, err))
            return false;
    }
    return true;
}

/* ---- answers ---- */

static bool finish(batch *b, work *w, carat_err *err)
{
    if (w->reply.has_failed)
        return fail_line(b, w->number, w->line.custom_id, &w->reply.fault, err);
    ct_openai_usage_prompt(&w->usage, b->e, w->line.request.prompt, w->request);
    b->done++;
    b->prompt_tokens += w->usage.n_prompt;
    b->cached_tokens += w->usage.n_cached;
    json_t *body = ct_openai_reply_body(&w->reply, b->model, &w->usage);
    return write_line(b, ct_openai_line_reply(w->line.custom_id, body), err);
}

static void leave_window(batch *b, work *w)
{
    work *last = b->works[--b->n_works];
    b->works[w->at] = last;
    last->at = w->at;
    free_work(w);
}

static bool handle(batch *b, const carat_event *event, carat_err *err)
{
    work *w = event->user;
    if (event->kind == CARAT_EVENT_END) {
        bool ok = finish(b, w, err);
        leave_window(b, w);
        return ok;
    }
    ct_openai_reply_add(&w->reply, carat_engine_tokenizer(b->e), event);
    ct_openai_usage_event(&w->usage, event);
    b->generated_tokens += event->kind == CARAT_EVENT_TOKEN && event->token->id >= 0;
    if (event->kind == CARAT_EVENT_FAILED)
        carat_request_cancel(event->request); /* its other answers are of no use */
    return true;
}

/* All that the engine has to say by now. */
static bool listen(batch *b, carat_err *err)
{
    const carat_event *event;
    while ((event = carat_queue_next(b->queue, 0))->kind != CARAT_EVENT_NONE)
        if (!handle(b, event, err))
            return false;
    return true;
}

/* Sleeps until there is something to do; a line is something if there is a place for it. */
static void wait_for_work(const batch *b, bool at_end)
{
    bool wants_line = !at_end && b->n_works < b->n_window;
    struct pollfd p[] = { { .fd = carat_queue_fd(b->queue), .events = POLLIN },
                          { .fd = cli_interrupt_fd(), .events = POLLIN },
                          { .fd = wants_line ? b->in.fd : -1, .events = POLLIN } };
    if (!wants_line || !batch_lines_ready(&b->in))
        poll(p, sizeof p / sizeof *p, -1);
}

static void show_progress(const batch *b)
{
    uint64_t here = b->done + b->failed, done = b->n_before + here;
    if (!b->n_lines || !here)
        return;
    char what[80];
    double t = ct_now() - b->start;
    uint64_t left = done < b->n_lines ? (uint64_t)(t / (double)here * (double)(b->n_lines - done)) : 0;
    snprintf(what, sizeof what,
             "%" PRIu64 " of %" PRIu64 ", %.1f tokens/s, %" PRIu64 ":%02" PRIu64 ":%02" PRIu64 " left", done,
             b->n_lines, (double)b->generated_tokens / t, left / 3600, left / 60 % 60, left % 60);
    term_progress(what, done < b->n_lines ? done : b->n_lines, b->n_lines);
}

static bool answer_all(batch *b, carat_err *err)
{
    bool at_end = false, ok = true;
    while (ok && !cli_was_interrupted()) {
        ok = fill_window(b, &at_end, err);
        if (!ok || (b->n_works == 0 && at_end))
            break;
        wait_for_work(b, at_end);
        ok = listen(b, err);
        show_progress(b);
    }
    term_progress_end();
    for (size_t i = 0; i < b->n_works; i++)
        free_work(b->works[i]);
    return ok;
}

/* ---- before and after ---- */

/* Eight, or half of it as often as memory asks for it: an estimate, which leaves the caches whole. */
static size_t choose_parallel(const batch_options *b, const char *model, const carat_options *o)
{
    size_t n = b->parallel ? (size_t)b->parallel : DEFAULT_PARALLEL;
    carat_machine_info here = { .struct_size = sizeof here };
    uint64_t room = o->max_memory;
    if (!room && carat_machine(&here, NULL))
        room = here.memory_left;
    carat_options one = *o;
    carat_weigh_query q = { .struct_size = sizeof q, .model = model, .options = &one };
    carat_estimate_result w = { .struct_size = sizeof w };
    for (one.n_sessions = n; !b->parallel && n > 1; one.n_sessions = n) {
        if (!carat_weigh(&q, &w, NULL) || w.total <= room)
            break;
        n /= 2;
    }
    return n;
}

static void size_window(batch *b)
{
    b->n_window = 2 * b->n_sessions;
    b->defaults.max_answers = b->n_sessions;
    cli_model_values.sessions = b->n_sessions;
    cli_model_values.queue = b->n_window * CT_OPENAI_MAX_ANSWERS;
}

/* With as many sessions as were chosen, or half of them as often as the engine, which has the last word, finds too little
 * memory. */
static bool open_engine(batch *b, const char *model, carat_vision_use vision, int *code)
{
    carat_err err;
    for (size_window(b); !cli_try_engine(model, vision, &b->e, &err); size_window(b)) {
        if (err.code != CARAT_ENOMEM || b->o->parallel || b->n_sessions == 1) {
            *code = term_error(&err);
            return false;
        }
        b->n_sessions /= 2;
    }
    if (b->n_sessions < DEFAULT_PARALLEL && !b->o->parallel)
        term_note("memory allows %zu answer%s at once (--parallel, --ctx-size)", b->n_sessions,
                  b->n_sessions == 1 ? "" : "s");
    return true;
}

static bool open_input(batch *b, carat_err *err)
{
    bool is_stdin = strcmp(b->o->in, "-") == 0;
    struct stat in, out;
    b->in = (batch_lines){ .fd = is_stdin ? 0 : open(b->o->in, O_RDONLY | O_CLOEXEC),
                           .name = is_stdin ? "stdin" : b->o->in,
                           .max = BATCH_MAX_LINE };
    if (b->in.fd < 0)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be opened: %s", b->o->in, strerror(errno));
    if (fstat(b->in.fd, &in) == 0 && S_ISDIR(in.st_mode))
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: is a directory, expected a file", b->o->in);
    if (fstat(b->in.fd, &in) == 0 && stat(b->o->out, &out) == 0 && S_ISREG(in.st_mode) && in.st_dev == out.st_dev &&
        in.st_ino == out.st_ino)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: input and output are the same file", b->o->in);
    return true;
}

static void print_summary(const batch *b)
{
    double t = ct_now() - b->start, rate = t > 0 ? (double)b->generated_tokens / t : 0;
    if (b->o->json) {
        json_t *o =
            json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:i, s:b}", "done", (json_int_t)b->done, "failed",
                      (json_int_t)b->failed, "skipped", (json_int_t)b->skipped, "failed_before",
                      (json_int_t)b->failed_before, "prompt_tokens", (json_int_t)b->prompt_tokens, "cached_tokens",
                      (json_int_t)b->cached_tokens, "completion_tokens", (json_int_t)b->generated_tokens, "seconds", t,
                      "tokens_per_second", rate, "parallel", (int)b->n_sessions, "interrupted", cli_was_interrupted());
        cli_json_print(o, JSON_REAL_PRECISION(6));
        putchar('\n');
        fflush(stdout);
    }
    term_note("%" PRIu64 " answered, %" PRIu64 " failed, %" PRIu64 " skipped%s; %" PRIu64 " prompt tokens (%" PRIu64
              " cached), %" PRIu64 " generated in %.1f s: %.1f tokens/s",
              b->done, b->failed, b->skipped,
              b->failed_before ? " (already answered, some with errors)"
              : b->skipped     ? " (already answered)"
                               : "",
              b->prompt_tokens, b->cached_tokens, b->generated_tokens, t, rate);
    if (cli_was_interrupted())
        term_note("interrupted; run the same command again to resume");
}

/* The model's own name, else its file's. */
static const char *name_of(const carat_engine *e)
{
    const carat_model_info *info = carat_engine_info(e);
    const char *slash = strrchr(info->path, '/');
    return info->name[0] ? info->name : slash && slash[1] ? slash + 1 : info->path;
}

static int answer_file(batch *b, const char *model)
{
    carat_err err;
    bool has_pictures, is_file = batch_lines_survey(b->in.fd, "\"image_url\"", &b->n_lines, &has_pictures);
    int code = CLI_OK;
    has_pictures = has_pictures || !is_file; /* who knows */
    b->n_before = b->ids.n;
    const carat_vision_use vision = has_pictures ? CARAT_VISION_AUTO : CARAT_VISION_OFF;
    const carat_options options = cli_engine_options(vision);
    b->n_sessions = choose_parallel(b->o, model, &options);
    b->defaults = (ct_openai_options){ .sampling = b->o->sampling,
                                       .max_tokens = b->o->max_tokens,
                                       .pan_scan = b->o->pan_scan,
                                       .files = b->o->files,
                                       .files_hint = "--batch-files DIR",
                                       .forms = &b->forms };
    if (!open_engine(b, model, vision, &code))
        return code;
    b->works = calloc(b->n_window, sizeof(work *));
    if (!b->works) {
        ct_fail(&err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu requests", b->n_window);
        carat_engine_close(b->e);
        return term_error(&err);
    }
    cli_sampling_of(carat_engine_info(b->e), &b->defaults.sampling);
    b->model = name_of(b->e);
    b->start = ct_now();
    cli_signals(CLI_SIGNALS_NOTED);
    if (!carat_queue_open(&b->queue, &err) || !answer_all(b, &err))
        code = term_error(&err);
    print_summary(b);
    carat_queue_close(b->queue);
    ct_openai_forms_deinit(&b->forms);
    carat_engine_close(b->e);
    return code ? code : cli_was_interrupted() ? CLI_INTERRUPTED : b->failed || b->failed_before ? CLI_FAILED : CLI_OK;
}

int batch_run(const char *model, const batch_options *o)
{
    batch b = { .o = o };
    carat_err err;
    term_init(cli_model_values.quiet);
    int code = CLI_FAILED;
    if (!open_input(&b, &err) || !batch_out_open(o->out, &b.ids, &b.out, &err)) /* before the model is loaded */
        term_error(&err);
    else {
        code = answer_file(&b, model);
        if (!ct_journal_close(&b.out, &err))
            code = term_error(&err);
    }
    batch_lines_deinit(&b.in);
    batch_ids_deinit(&b.ids);
    if (b.in.fd > 0)
        close(b.in.fd);
    free(b.works);
    return code;
}
