/* Sampling options: what they are and what is made of them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sampling.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static struct {
    double temp, top_p, min_p, repeat, presence, frequency;
    int64_t top_k, last_n, seed;
    int order; /* carat_sampling_order */
    cli_list bias;
} sampling = { .temp = NAN, .top_k = -1, .top_p = NAN, .min_p = NAN, .repeat = NAN, .last_n = -1, .seed = -1 };

static const cli_word order_words[] = { { "hf", CARAT_TEMP_FIRST }, { "llama", CARAT_TEMP_LAST }, { NULL, 0 } };

/* clang-format off */
static const cli_option sampling_options[] = {
    { 0, "temp", "temperature", CLI_NUM, &sampling.temp, "T", "temperature; 0 always takes the likeliest token",
      .otherwise = "the model's, or 1", .max = 100 },
    { 0, "top-k", NULL, CLI_INT, &sampling.top_k, "N", "keep the N likeliest tokens; 0: all",
      .otherwise = "the model's, or 64", .max = 1 << 30 },
    { 0, "top-p", NULL, CLI_NUM, &sampling.top_p, "P",
      "keep the likeliest tokens that together reach probability P; 1: all",
      .otherwise = "the model's, or 0.95", .max = 1 },
    { 0, "min-p", NULL, CLI_NUM, &sampling.min_p, "P",
      "keep tokens at least P times as likely as the likeliest; 0: all", .otherwise = "the model's, or 0",
      .max = 1 },
    { 's', "seed", NULL, CLI_INT, &sampling.seed, "N", "seed of the draws",
      .otherwise = "a random one", .min = -1, .max = 9e15 },
    { 0, "repeat-penalty", "repetition-penalty", CLI_NUM, &sampling.repeat, "X",
      "divide the logits of recent tokens by X; 1: off", .otherwise = "the model's, or 1", .min = 0.01, .max = 100 },
    { 0, "presence-penalty", NULL, CLI_NUM, &sampling.presence, "X", "subtract X from the logits of recent tokens",
      .deflt = "0", .min = -100, .max = 100 },
    { 0, "frequency-penalty", NULL, CLI_NUM, &sampling.frequency, "X",
      "subtract X for each time a token occurs among the recent ones", .deflt = "0", .min = -100, .max = 100 },
    { 0, "repeat-last-n", NULL, CLI_INT, &sampling.last_n, "N", "how many tokens count as recent",
      .otherwise = "the model's, or 64", .max = 1 << 20 },
    { 'l', "logit-bias", NULL, CLI_TEXTS, &sampling.bias, "ID=X",
      "add X to a token's logit; -inf bans it; repeatable" },
    { 0, "sampling-order", NULL, CLI_WORD, &sampling.order, NULL,
      "apply the temperature before the filters (hf) or after them (llama)", .deflt = "hf", .words = order_words },
};
/* clang-format on */
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

unsigned cli_sampling_given(void)
{
    return (isnan(sampling.temp) ? 0u : CARAT_SAMPLING_TEMPERATURE) | (sampling.top_k < 0 ? 0u : CARAT_SAMPLING_TOP_K) |
           (isnan(sampling.top_p) ? 0u : CARAT_SAMPLING_TOP_P) | (isnan(sampling.min_p) ? 0u : CARAT_SAMPLING_MIN_P) |
           (isnan(sampling.repeat) ? 0u : CARAT_SAMPLING_REPETITION) |
           (sampling.last_n < 0 ? 0u : CARAT_SAMPLING_WINDOW);
}

bool cli_seed_given(void)
{
    return sampling.seed >= 0;
}

void cli_sampling_of(const carat_model_info *info, carat_sampling *s)
{
    const carat_sampling *m = info->sampling;
    s->temperature = isnan(sampling.temp) ? m->temperature : (float)sampling.temp;
    s->top_k = sampling.top_k < 0 ? m->top_k : (int)sampling.top_k;
    s->top_p = isnan(sampling.top_p) ? m->top_p : (float)sampling.top_p;
    s->min_p = isnan(sampling.min_p) ? m->min_p : (float)sampling.min_p;
    s->repetition_penalty = isnan(sampling.repeat) ? m->repetition_penalty : (float)sampling.repeat;
    s->penalty_window = sampling.last_n < 0 ? m->penalty_window : (int)sampling.last_n;
}

const char *const cli_sampling_names[CLI_N_SAMPLING] = { "temp",  "top-k",          "top-p",
                                                         "min-p", "repeat-penalty", "repeat-last-n" };

bool cli_sampling(const cli_command *cmd, carat_sampling *out)
{
    static carat_bias bias[CLI_MAX_LIST];
    *out = (carat_sampling)CARAT_SAMPLING_DEFAULT;
    out->presence_penalty = (float)sampling.presence;
    out->frequency_penalty = (float)sampling.frequency;
    for (size_t i = 0; i < sampling.bias.n; i++)
        if (!parse_bias(cmd, sampling.bias.v[i], &bias[i]))
            return false;
    out->bias = bias;
    out->n_bias = sampling.bias.n;
    out->order = (carat_sampling_order)sampling.order;
    if (sampling.seed >= 0)
        out->seed = (uint64_t)sampling.seed;
    else if (getrandom(&out->seed, sizeof out->seed, 0) != sizeof out->seed)
        out->seed = (uint64_t)time(NULL) ^ (uint64_t)getpid() << 32;
    if (sampling.seed < 0)
        out->seed &= ((uint64_t)1 << 53) - 1; /* so that --seed and JSON can give it again */
    return true;
}
