/* bench_grammar.c - what a response format costs beside the model, with Gemma's vocabulary: bench_grammar [MODEL]
 *
 * Prints, for each form, how long it takes to compile, and for the tokens of a text of it: to ask about a token that was
 * drawn and accept it, to make the set of allowed tokens where nobody was before, and where some answer was. Medians and
 * the largest, in microseconds of processor time.
 *
 * Then, what the form adds to a token that is sampled, on average, in the first answer of a form or the first eight at once: where
 * the model wants what the form wants, and where it is drawn from noise, so that nearly all that is drawn is refused. With
 * MODEL also as a part of its decode step.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../tests/unit/tokenizer/vocab_file.h"
#include "base/rng.h"
#include "engine/generator.h"
#include "sample/grammar/compile.h"
#include "sample/grammar/grammar.h"

#define MOST 4096 /* tokens of a text */
#define TIME                                                                                                           \
    "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"at\":{\"type\":\"integer\",\"minimum\":0}}" \
    ","                                                                                                                \
    "\"required\":[\"city\"],\"additionalProperties\":false}"
#define OSLO "{\"name\": \"get_time\", \"parameters\": {\"city\": \"Oslo, in the old town\", \"at\": 12}}"

static const struct {
    const char *name;
    carat_format_kind kind;
    const char *form, *text;
} forms[] = {
    { "any JSON object", CARAT_FORMAT_JSON_OBJECT, NULL,
      "{\"title\":\"The tall ships of "
      "Brest\",\"year\":1998,\"tags\":[\"sea\",\"wood\",\"wind\"],\"depth\":{\"mean\":12.75,"
      "\"max\":null},\"text\":\"They came from everywhere, eighty of them, and nobody had counted the small ones. In "
      "the evening "
      "the harbour was full of light.\"}" },
    { "a JSON schema", CARAT_FORMAT_JSON_SCHEMA,
      "{\"type\":\"object\",\"properties\":{\"customer\":{\"type\":\"string\",\"maxLength\":60},\"items\":{\"type\":"
      "\"array\",\"items\":"
      "{\"type\":\"object\",\"properties\":{\"product\":{\"type\":\"string\"},\"quantity\":{\"type\":\"integer\","
      "\"minimum\":1,"
      "\"maximum\":999},\"unit\":{\"enum\":[\"piece\",\"kg\",\"box\"]}},\"required\":[\"product\",\"quantity\","
      "\"unit\"],"
      "\"additionalProperties\":false}},\"due\":{\"type\":\"string\",\"format\":\"date\"}},\"required\":[\"customer\","
      "\"items\"],"
      "\"additionalProperties\":false}",
      "{\"customer\":\"Harbour Supplies of Brest\",\"items\":[{\"product\":\"hemp rope, twelve "
      "millimetres\",\"quantity\":40,"
      "\"unit\":\"piece\"},{\"product\":\"pine tar\",\"quantity\":12,\"unit\":\"kg\"},{\"product\":\"copper "
      "nails\",\"quantity\":3,"
      "\"unit\":\"box\"}],\"due\":\"2026-03-14\"}" },
    { "a regular expression", CARAT_FORMAT_REGEX, "[A-Z][a-z]+( [A-Z]?[a-z]+){2,12}: \\d{1,4}(\\.\\d{2})? (EUR|USD)",
      "Twelve pieces of hemp rope for the tall ship: 1480.50 EUR" },
    { "four choices", CARAT_FORMAT_CHOICE, NULL, "rather likely" },
    { "calls", CARAT_FORMAT_CALLS, NULL, "[" OSLO ", " OSLO ", " OSLO "]" },
    { "text, or a call", CARAT_FORMAT_TEXT_OR_CALLS, NULL,
      "I will look up what time it is there: the clocks went back last night, so it may not be what you "
      "think.\n" OSLO },
};
static const ct_call_form calls[] = { { "get_time", TIME, sizeof TIME - 1, true },
                                      { "get_weather", TIME, sizeof TIME - 1, true },
                                      { "stop", NULL, 0, true } };
static const char *const choices[] = { "certain", "rather likely", "rather unlikely", "impossible" };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* one thread, which others may interrupt */
    return ((double)t.tv_sec + 1e-9 * (double)t.tv_nsec) * 1e6;
}

static int by_size(const void *x, const void *y)
{
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static void print(double *v, size_t n)
{
    qsort(v, n, sizeof *v, by_size);
    printf(" %8.1f %8.1f", n ? v[n / 2] : 0, n ? v[n - 1] : 0);
}

/* The next token of the text: what is forced, else the longest that the tokenizer would take and the mask allows. */
static int32_t next_token(const ct_mask *m, const carat_tokenizer *tok, const char *text, size_t left)
{
    int32_t id = -1;
    ct_ids ids = { 0 };
    if (m->forced(m->self, &id, 1))
        return id;
    for (size_t n = left; n > 0 && id < 0; n--) {
        ids.n = 0;
        if (ct_tok_encode(tok, text, n, 0, &ids, NULL) && ids.n && m->allows(m->self, ids.v[0]))
            id = ids.v[0];
    }
    ct_ids_deinit(&ids);
    return id;
}

typedef struct times {
    double ask[MOST], fill[MOST];
    size_t n, n_fills, n_forced;
} times;

/* Follows the text with a mask of its own. */
static bool follow(ct_grammar *g, const ct_trie *trie, const char *text, uint32_t *bits, times *t)
{
    ct_mask m;
    carat_err err;
    *t = (times){ .n = 0 };
    if (!ct_grammar_mask(g, trie->n_tokens, &m, &err))
        return false;
    for (size_t at = 0, len = strlen(text); at < len && t->n < MOST;) {
        int32_t only;
        size_t n;
        if (m.forced(m.self, &only, 1)) {
            t->n_forced++;
        } else {
            const double start = now();
            if (!m.fill(m.self, bits, &err))
                break;
            t->fill[t->n_fills++] = now() - start;
        }
        const int32_t id = next_token(&m, trie->tok, text + at, len - at);
        const double start = now();
        const bool ok = id >= 0 && m.allows(m.self, id);
        if (ok)
            m.accept(m.self, id);
        t->ask[t->n++] = now() - start;
        ct_tok_bytes(trie->tok, id, &n);
        at = ok ? at + n : len + 1;
        if (at > len)
            fprintf(stderr, "bench_grammar: the text is none of the form at byte %zu\n", at);
    }
    const bool ok = m.may_end(m.self);
    m.close(m.self);
    return ok;
}

static bool open_form(size_t i, const ct_trie *trie, ct_grammar **g, carat_err *err)
{
    const carat_format_options o = { .struct_size = sizeof o,
                                     .kind = forms[i].kind,
                                     .text = forms[i].form,
                                     .text_len = forms[i].form ? strlen(forms[i].form) : 0,
                                     .choices = forms[i].kind == CARAT_FORMAT_CHOICE ? choices : NULL,
                                     .n_choices = forms[i].kind == CARAT_FORMAT_CHOICE ? 4 : 0 };
    ct_heap heap;
    ct_rules rules = { .heap = &heap };
    uint32_t root;
    ct_heap_init(&heap, CT_FORMAT_MOST_HEAP);
    const bool ok = ct_format_rules(&o, calls, sizeof calls / sizeof *calls, &rules, &root, err) &&
                    ct_grammar_open(ct_format_what(o.kind), &rules, root, trie, g, err);
    ct_heap_deinit(&heap);
    return ok;
}

static bool bench(size_t i, const ct_trie *trie, uint32_t *bits)
{
    static times first, again;
    carat_err err = { .code = CARAT_OK };
    ct_grammar *g = NULL;
    const double start = now();
    bool ok = open_form(i, trie, &g, &err);
    const double took = now() - start;
    ok = ok && follow(g, trie, forms[i].text, bits, &first) && follow(g, trie, forms[i].text, bits, &again);
    if (ok) {
        printf("%-22s %8.0f %5zu %6zu", forms[i].name, took, first.n, first.n_forced);
        print(again.ask, again.n);
        print(first.fill, first.n_fills);
        print(again.fill, again.n_fills);
        printf(" %7zu\n", ct_grammar_bytes(g) >> 10);
    } else {
        fprintf(stderr, "bench_grammar: %s: %s\n", forms[i].name, err.code ? err.msg : "the text was not followed");
    }
    ct_grammar_release(g);
    return ok;
}

/* ---- what it adds to a token ---- */

enum { MOST_ANSWERS = 8, MOST_SAMPLED = 120 };

typedef struct speaker {
    ct_generator *gen;
    ct_chunk chunk;
    ct_verdict verdict;
    ct_buf said;
} speaker;

static ct_model model;
static float *noise, *row;

/* Roughly normal, of deviation 2; the token that the text goes on with stands out. */
static void fill_row(const speaker *s, const char *text, uint64_t *rng)
{
    const size_t n = model.cfg.n_vocab, shift = (size_t)(ct_rng_next(rng) % n);
    memcpy(row, noise + shift, (n - shift) * sizeof *row);
    memcpy(row + n - shift, noise, shift * sizeof *row);
    if (!text || s->said.len >= strlen(text) || memcmp(text, s->said.data ? s->said.data : "", s->said.len) != 0)
        return;
    ct_ids ids = { 0 };
    if (ct_tok_encode(model.tok, text + s->said.len, strlen(text + s->said.len), 0, &ids, NULL) && ids.n)
        row[ids.v[0]] = 40;
    ct_ids_deinit(&ids);
}

/* Microseconds a token that is sampled, of so many answers in turn; i: the form, SIZE_MAX: none. */
static double per_token(size_t i, const char *text, const ct_trie *trie, const carat_sampling *set, size_t n_answers)
{
    speaker s[MOST_ANSWERS];
    ct_grammar *g = NULL;
    carat_err err;
    uint64_t rng = 11;
    double sum = 0;
    size_t n = 0;
    bool ok = i == SIZE_MAX || open_form(i, trie, &g, &err);
    memset(s, 0, sizeof s);
    for (size_t k = 0; ok && k < n_answers; k++) {
        carat_sampling own = *set;
        own.seed = k;
        const carat_generation from = { .sampling = &own, .max_tokens = MOST };
        ct_mask mask;
        ct_chunk_init(&s[k].chunk);
        ct_buf_init(&s[k].said, 1 << 20);
        ok = ct_generator_open(&(ct_vocabulary){ .model = &model }, &from, &s[k].gen, &err) &&
             (!g ||
              (ct_grammar_mask(g, model.cfg.n_vocab, &mask, &err) && ct_generator_take_mask(s[k].gen, &mask, &err)));
    }
    for (bool goes_on = ok; ok && goes_on && n < MOST_SAMPLED * n_answers;) {
        goes_on = false;
        for (size_t k = 0; ok && k < n_answers; k++) {
            int32_t id;
            if (s[k].verdict != CT_GO_ON || (text && s[k].said.len >= strlen(text)))
                continue;
            const bool is_forced = ct_generator_forced(s[k].gen, &id, 1);
            fill_row(&s[k], text, &rng);
            const double start = now();
            ok = ct_generator_next(s[k].gen, row, 0, MOST, &s[k].chunk, &s[k].verdict, &err);
            sum += is_forced ? 0 : now() - start;
            n += !is_forced;
            ct_buf_add(&s[k].said, s[k].chunk.text.data ? s[k].chunk.text.data : "", s[k].chunk.text.len);
            goes_on = true;
        }
    }
    if (!ok)
        fprintf(stderr, "bench_grammar: %s\n", err.msg);
    for (size_t k = 0; k < n_answers; k++) {
        ct_generator_close(s[k].gen);
        ct_chunk_deinit(&s[k].chunk);
        ct_buf_deinit(&s[k].said);
    }
    ct_grammar_release(g);
    return n ? sum / (double)n : NAN;
}

static void print_added(double us, size_t n_answers, double step)
{
    printf("  %8.0f", us);
    if (step > 0)
        printf(" %5.1f%%", 100 * us * (double)n_answers / step);
}

/* step: a decode step of one answer and of eight, in microseconds; 0: not known. */
static bool bench_tokens(const ct_trie *trie, const double step[2])
{
    static const struct {
        const char *name;
        int top_k;
    } sets[] = { { "top-k 64", 64 }, { "no top-k", 0 } };
    const size_t n = model.cfg.n_vocab;
    uint64_t rng = 3;
    noise = malloc(n * sizeof *noise);
    row = malloc(n * sizeof *row);
    bool ok = noise && row;
    for (size_t i = 0; ok && i < n; i++)
        noise[i] =
            (float)(2 * sqrt(3) * (ct_rng_unit(&rng) + ct_rng_unit(&rng) + ct_rng_unit(&rng) + ct_rng_unit(&rng) - 2));
    printf("\nmicroseconds a sampled token: the sampler's, and what the form adds\n");
    printf("%-22s %-10s %9s   %s\n", "form", "", "sampler", "agreed: one, eight; refused: one, eight");
    for (size_t i = 0; ok && i < sizeof forms / sizeof *forms; i++)
        for (size_t k = 0; k < 2; k++) {
            const carat_sampling set = {
                .temperature = 1, .top_k = sets[k].top_k, .top_p = 0.95f, .repetition_penalty = 1, .penalty_window = 64
            };
            printf("%-22s %-10s", i == 0 || k == 0 ? forms[i].name : "", sets[k].name);
            for (int refused = 0; refused < 2; refused++) {
                const char *text = refused ? NULL : forms[i].text;
                const double alone = per_token(SIZE_MAX, text, trie, &set, 1);
                if (!refused)
                    printf(" %9.0f ", alone);
                for (int many = 0; many < 2; many++) {
                    const size_t n_answers = many ? MOST_ANSWERS : 1;
                    const double us = per_token(i, text, trie, &set, n_answers);
                    ok = ok && isfinite(us);
                    print_added(us - alone, n_answers, step[many]);
                }
            }
            printf("\n");
        }
    free(noise);
    free(row);
    return ok;
}

/* A decode step of the model with so many answers, in microseconds by the clock. */
static double decode_step(carat_engine *e, size_t n_answers)
{
    enum { TOKENS = 48 };
    carat_err err;
    carat_prompt *p;
    carat_request *r;
    const carat_event *ev;
    double first = 0, last = 0;
    struct timespec t;
    const carat_content c = { .struct_size = sizeof c, .text = "The tall ships came from everywhere, and" };
    const carat_generation g = { .struct_size = sizeof g, .max_tokens = TOKENS, .ignores_eos = true };
    if (!carat_prompt_text(e, &c, 1, NULL, &p, &err))
        return 0;
    const carat_request_options o = { .struct_size = sizeof o, .prompt = p, .generation = &g, .n_answers = n_answers };
    if (carat_request_submit(e, &o, &r, &err)) {
        while ((ev = carat_request_next(r, -1))->kind != CARAT_EVENT_END) {
            clock_gettime(CLOCK_MONOTONIC, &t);
            last = 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
            first = first > 0 ? first : last;
        }
        carat_request_free(r);
    }
    carat_prompt_free(p);
    return (last - first) / (TOKENS - 1);
}

static bool measure_steps(const char *path, double step[2])
{
    carat_err err;
    carat_engine *e;
    const carat_options o = {
        .struct_size = sizeof o, .n_sessions = MOST_ANSWERS, .n_ctx = 256, .vision = CARAT_VISION_OFF
    };
    if (!carat_engine_open(path, &o, &e, &err)) {
        fprintf(stderr, "bench_grammar: %s\n", err.msg);
        return false;
    }
    step[0] = decode_step(e, 1);
    step[1] = decode_step(e, MOST_ANSWERS);
    carat_engine_close(e);
    printf("\na decode step of %s: %.0f us, of eight answers %.0f us\n", path, step[0], step[1]);
    return step[0] > 0 && step[1] > 0;
}

int main(int argc, char **argv)
{
    double step[2] = { 0 };
    carat_err err;
    carat_tokenizer *tok;
    ct_trie trie;
    vocab_file v;
    if (!vocab_file_open(&v, TEST_ROOT "/tests/golden/data/tokenizer/vocab.bin"))
        return 1;
    if (!ct_tokenizer_from_pieces(v.pieces, v.n, &tok, &err)) {
        fprintf(stderr, "bench_grammar: %s\n", err.msg);
        return 1;
    }
    vocab_file_close(&v);
    const double start = now();
    if (!ct_trie_open(tok, SIZE_MAX, &trie, &err)) {
        fprintf(stderr, "bench_grammar: %s\n", err.msg);
        return 1;
    }
    printf("the tree of %zu tokens: %.0f ms, %u nodes, %.1f MiB\n\n", trie.n_tokens, (now() - start) * 1e-3,
           trie.n_nodes, (double)ct_trie_bytes(&trie) / (1 << 20));
    printf("microseconds           %8s %12s  %17s %17s %17s\n", "", "", "ask and accept", "set, first", "set, again");
    printf("%-22s %8s %5s %6s %8s %8s %8s %8s %8s %8s %7s\n", "form", "compile", "n", "forced", "median", "most",
           "median", "most", "median", "most", "KiB");
    uint32_t *bits = calloc(trie.n_tokens / 32 + 1, sizeof *bits);
    bool ok = bits != NULL;
    for (size_t i = 0; ok && i < sizeof forms / sizeof *forms; i++)
        ok = bench(i, &trie, bits);
    model = (ct_model){ .tok = tok, .n_pieces = (uint32_t)trie.n_tokens };
    model.cfg.n_vocab = (uint32_t)trie.n_tokens;
    ok = ok && (argc < 2 || measure_steps(argv[1], step)) && bench_tokens(&trie, step);
    free(bits);
    ct_trie_close(&trie);
    ct_tokenizer_close(tok);
    return ok ? 0 : 1;
}
