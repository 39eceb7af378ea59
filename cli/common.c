/* Options that several commands share (model, loading, sampling), opening an engine with them, and interrupts.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/map.h"
#include "term.h"

#define MAX_TEXT ((size_t)256 << 20)

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

/* ---- sampling ---- */

static struct {
    double temp, top_p, min_p, repeat, presence, frequency;
    int64_t top_k, last_n, seed;
    const char *order;
    cli_list bias;
} sampling = { .temp = 1, .top_p = 0.95, .repeat = 1, .top_k = 64, .last_n = 64, .seed = -1 };

static const cli_option sampling_options[] = {
    { 0, "temp", "temperature", CLI_NUM, &sampling.temp, "T",
      "temperature; 0 always takes the likeliest (default: 1.0)", 0, 100 },
    { 0, "top-k", NULL, CLI_INT, &sampling.top_k, "N", "only the N likeliest; 0: all (default: 64)", 0, 1 << 30 },
    { 0, "top-p", NULL, CLI_NUM, &sampling.top_p, "P", "the likeliest that make up P; 1: all (default: 0.95)", 0, 1 },
    { 0, "min-p", NULL, CLI_NUM, &sampling.min_p, "P", "at least P times the likeliest (default: 0)", 0, 1 },
    { 's', "seed", NULL, CLI_INT, &sampling.seed, "N", "seed of the draws (default: a random one)", -1, 9e15 },
    { 0, "repeat-penalty", "repetition-penalty", CLI_NUM, &sampling.repeat, "X",
      "divide the logits of recent tokens (default: 1, off)", 0.01, 100 },
    { 0, "presence-penalty", NULL, CLI_NUM, &sampling.presence, "X", "subtract for being recent (default: 0)", -100,
      100 },
    { 0, "frequency-penalty", NULL, CLI_NUM, &sampling.frequency, "X",
      "subtract for each time a token is recent (default: 0)", -100, 100 },
    { 0, "repeat-last-n", NULL, CLI_INT, &sampling.last_n, "N", "tokens that count as recent (default: 64)", 0,
      1 << 20 },
    { 'l', "logit-bias", NULL, CLI_TEXTS, &sampling.bias, "ID=X", "add X to a token's logit; -inf bans it; repeatable",
      0, 0 },
    { 0, "sampling-order", NULL, CLI_TEXT, &sampling.order, "hf|llama",
      "temperature before the filters (hf) or after them (llama) (default: hf)", 0, 0 },
};
const cli_table cli_sampling_table = CLI_TABLE("sampling", sampling_options);

static bool parse_bias(const cli_command *cmd, const char *text, carat_bias *out)
{
    char *end;
    errno = 0;
    long id = strtol(text, &end, 10);
    bool ok = end != text && errno == 0 && id >= 0 && id <= INT32_MAX && *end == '=';
    const char *value = end + 1;
    float x = ok ? strtof(value, &end) : 0;
    if (!ok || end == value || *end || isnan(x) || (isinf(x) && x > 0)) {
        cli_usage(cmd, "--logit-bias is '%s', expected ID=X, for example 106=-inf", text);
        return false;
    }
    *out = (carat_bias){ (int32_t)id, x };
    return true;
}

bool cli_sampling(const cli_command *cmd, carat_sampling *out)
{
    static carat_bias bias[CLI_MAX_LIST];
    *out = (carat_sampling)CARAT_SAMPLING_DEFAULT;
    out->temperature = (float)sampling.temp;
    out->top_k = (int)sampling.top_k;
    out->top_p = (float)sampling.top_p;
    out->min_p = (float)sampling.min_p;
    out->repetition_penalty = (float)sampling.repeat;
    out->presence_penalty = (float)sampling.presence;
    out->frequency_penalty = (float)sampling.frequency;
    out->penalty_window = (int)sampling.last_n;
    for (size_t i = 0; i < sampling.bias.n; i++)
        if (!parse_bias(cmd, sampling.bias.v[i], &bias[i]))
            return false;
    out->bias = bias;
    out->n_bias = sampling.bias.n;
    if (sampling.order && strcmp(sampling.order, "llama") == 0)
        out->order = CARAT_TEMP_LAST;
    else if (sampling.order && strcmp(sampling.order, "hf") != 0) {
        cli_usage(cmd, "--sampling-order is '%s', expected hf or llama", sampling.order);
        return false;
    }
    if (sampling.seed >= 0)
        out->seed = (uint64_t)sampling.seed;
    else if (getrandom(&out->seed, sizeof out->seed, 0) != sizeof out->seed)
        out->seed = (uint64_t)time(NULL) ^ (uint64_t)getpid() << 32;
    if (sampling.seed < 0)
        out->seed &= ((uint64_t)1 << 53) - 1; /* so that it can be said again as --seed and in JSON */
    return true;
}

/* ---- the end ---- */

static bool reader_has_gone(void)
{
    struct pollfd p = { .fd = 1, .events = POLLOUT };
    return poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
}

int cli_finish(int code)
{
    errno = 0; /* stays so where the failure was earlier */
    bool ok = fflush(stdout) == 0 && !ferror(stdout);
    if (ok || code != CLI_OK)
        return code;
    if (!reader_has_gone())
        fprintf(stderr, "carat: cannot write the output%s%s\n", errno ? ": " : "", errno ? strerror(errno) : "");
    return CLI_FAILED;
}

/* ---- signals ---- */

static carat_session *volatile running;
static volatile sig_atomic_t interrupts;

static void on_interrupt(int sig)
{
    carat_session *s = running;
    if (interrupts++ || !s) {
        signal(sig, SIG_DFL);
        raise(sig);
        return;
    }
    carat_session_cancel(s);
}

static bool is_conversation;

void cli_ignore_interrupts(void)
{
    is_conversation = true;
    signal(SIGINT, SIG_IGN);
}

void cli_cancel_on_interrupt(carat_session *s)
{
    running = s;
    interrupts = 0;
    struct sigaction a = { .sa_handler = s                 ? on_interrupt
                                         : is_conversation ? SIG_IGN
                                                           : SIG_DFL,
                           .sa_flags = SA_RESTART }; /* a write that waits is no failed write */
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
}

static volatile sig_atomic_t ended_by;
static int no_input = -1;

static void on_end(int sig)
{
    carat_session *s = running;
    if (ended_by) {
        signal(sig, SIG_DFL);
        raise(sig);
        return;
    }
    ended_by = sig;
    dup2(no_input, 0); /* who reads meets the end, now or at the next line */
    interrupts += s != NULL;
    if (s)
        carat_session_cancel(s);
}

void cli_end_on_signals(void)
{
    no_input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (no_input < 0)
        return;
    struct sigaction a = { .sa_handler = on_end };
    sigemptyset(&a.sa_mask);
    sigaction(SIGTERM, &a, NULL);
    sigaction(SIGHUP, &a, NULL);
}

int cli_ended_by(void)
{
    return ended_by;
}

static void note_interrupt(int sig)
{
    if (interrupts++) { /* a second time: at once */
        signal(sig, SIG_DFL);
        raise(sig);
    }
}

void cli_note_interrupts(void)
{
    struct sigaction a = { .sa_handler = note_interrupt };
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

bool cli_was_interrupted(void)
{
    return interrupts > 0;
}

/* ---- timing and files ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double cli_median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, ascending);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

bool cli_read_text(const char *path, char **text, size_t *len, carat_err *err)
{
    /* Not "/dev/stdin": that cannot be opened where stdin is a socket, as Node.js gives it to its children. */
    return strcmp(path, "-") == 0 ? ct_read_fd(0, "stdin", MAX_TEXT, text, len, err)
                                  : ct_read_file(path, MAX_TEXT, text, len, err);
}

bool cli_parse_ids(const char *text, size_t len, int32_t **ids, size_t *n, carat_err *err)
{
    size_t cap = len / 2 + 1;
    *n = 0;
    *ids = malloc(cap * sizeof **ids);
    if (!*ids)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the token ids");
    for (const char *p = text; p < text + len;) {
        if (isspace((unsigned char)*p) || *p == ',' || *p == '[' || *p == ']') {
            p++;
            continue;
        }
        char *end;
        errno = 0;
        long v = strtol(p, &end, 10);
        if (end == p || errno || v < 0 || v > INT32_MAX) {
            free(*ids);
            *ids = NULL;
            return ct_fail(err, CARAT_EARG, (uint64_t)(p - text), "token ids: '%.20s' at byte %td is no id", p,
                           p - text);
        }
        (*ids)[(*n)++] = (int32_t)v;
        p = end;
    }
    return true;
}
