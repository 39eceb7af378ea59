/* Both sentences of a pair are embedded, some at once; ranks and their correlation.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/pairs.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "eval/record.h"
#include "eval/rows.h"
#include "eval/score.h"

#define MOST_BYTES ((size_t)256 << 20)
#define MOST_PAIRS ((size_t)1 << 22)

/* ---- reading ---- */

static bool no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for pairs of sentences");
}

static uint64_t hash_text(uint64_t h, const char *s) /* FNV-1a; the NUL tells where texts end */
{
    do
        h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    while (*s++);
    return h;
}

/* Takes a and b. */
static bool add_pair(ct_eval_pairs *p, uint64_t number, char *a, char *b, double score, carat_err *err)
{
    char id[24], text[40];
    ct_eval_pair *all = p->n < MOST_PAIRS ? realloc(p->list, (p->n + 1) * sizeof *all) : NULL;
    snprintf(id, sizeof id, "%" PRIu64, number);
    if (all)
        p->list = all;
    char *name = strdup(id);
    if (!all || !a || !b || !name) {
        free(a);
        free(b);
        free(name);
        return no_memory(err);
    }
    all[p->n++] = (ct_eval_pair){ .id = name, .sentences = { a, b }, .score = score };
    snprintf(text, sizeof text, "%.17g", score);
    p->hash = hash_text(hash_text(hash_text(p->hash, a), b), text);
    return true;
}

static bool read_row(void *arg, json_t *row, carat_err *err)
{
    ct_eval_pairs *p = arg;
    static const char *const keys[] = { "sentence1", "sentence2" };
    const uint64_t line = (uint64_t)json_integer_value(json_object_get(row, CT_EVAL_LINE));
    const json_t *score = json_object_get(row, "score");
    const char *s[2];
    for (int i = 0; i < 2; i++) {
        const json_t *v = json_object_get(row, keys[i]);
        s[i] = json_string_value(v);
        if (!s[i] || !*s[i] || strlen(s[i]) != json_string_length(v))
            return ct_fail(err, CARAT_EFORMAT, line, "'%s' is %s, expected a text", keys[i],
                           s[i] ? "empty, or has a NUL character"
                           : v  ? ct_json_kind(v)
                                : "missing");
    }
    if (!json_is_number(score))
        return ct_fail(err, CARAT_EFORMAT, line, "'score' is %s, expected a number",
                       score ? ct_json_kind(score) : "missing");
    return add_pair(p, line, strdup(s[0]), strdup(s[1]), json_number_value(score), err);
}

/* Field i of a line with tabs, a copy; NULL: there are not so many, or no memory. */
static char *field_of(const char *line, size_t len, int i)
{
    const char *end = line + len;
    while (i--) {
        const char *tab = memchr(line, '\t', (size_t)(end - line));
        if (!tab)
            return NULL;
        line = tab + 1;
    }
    const char *tab = memchr(line, '\t', (size_t)(end - line));
    return strndup(line, (size_t)((tab ? tab : end) - line));
}

static bool read_line(ct_eval_pairs *p, const char *path, const char *line, size_t len, uint64_t number, carat_err *err)
{
    char *score = field_of(line, len, 4), *a = field_of(line, len, 5), *b = field_of(line, len, 6), *end = NULL;
    const double x = score ? strtod(score, &end) : NAN;
    const bool ok = a && b && *a && *b && end != score && !*end && isfinite(x);
    free(score);
    if (ok)
        return add_pair(p, number, a, b, x, err);
    free(a);
    free(b);
    return ct_fail(err, CARAT_EFORMAT, number,
                   "%s:%" PRIu64 ": is no line of STS-B: expected seven fields with tabs between, the fifth a number",
                   path, number);
}

static bool read_tabs(ct_eval_pairs *p, const char *path, carat_err *err)
{
    ct_map m;
    uint64_t number = 0;
    if (!ct_map_read(&m, path, MOST_BYTES, err))
        return false;
    const char *at = (const char *)m.data, *end = at + m.size;
    bool ok = !memchr(at, 0, m.size) || ct_fail(err, CARAT_EFORMAT, 0, "%s: has NUL characters", path);
    while (ok && at < end) {
        const char *nl = memchr(at, '\n', (size_t)(end - at)), *stop = nl ? nl : end;
        const size_t len = (size_t)(stop - at) - (stop > at && stop[-1] == '\r');
        number++;
        ok = !len || read_line(p, path, at, len, number, err);
        at = nl ? nl + 1 : end;
    }
    ct_map_close(&m);
    return ok;
}

bool ct_eval_pairs_read(ct_eval_pairs *p, const char *path, size_t limit, carat_err *err)
{
    const size_t len = strlen(path);
    const bool has_tabs = len > 4 && (strcmp(path + len - 4, ".csv") == 0 || strcmp(path + len - 4, ".tsv") == 0);
    *p = (ct_eval_pairs){ .hash = 0xcbf29ce484222325u,
                          .from =
                              has_tabs ? "the authors' sts-test.csv" : "lines of JSON: sentence1, sentence2, score" };
    const bool ok = (has_tabs ? read_tabs(p, path, err) : ct_eval_rows_each(path, read_row, p, err)) &&
                    (p->n || ct_fail(err, CARAT_EFORMAT, 0, "%s: no pairs in it", path));
    while (ok && limit && p->n > limit) {
        ct_eval_pair *last = &p->list[--p->n];
        free(last->id);
        free(last->sentences[0]);
        free(last->sentences[1]);
    }
    if (!ok)
        ct_eval_pairs_free(p);
    return ok;
}

void ct_eval_pairs_free(ct_eval_pairs *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->list[i].id);
        free(p->list[i].sentences[0]);
        free(p->list[i].sentences[1]);
    }
    free(p->list);
    *p = (ct_eval_pairs){ 0 };
}

/* ---- correlation ---- */

typedef struct place {
    double value;
    size_t i;
} place;

static int by_value(const void *a, const void *b)
{
    const double x = ((const place *)a)->value, y = ((const place *)b)->value;
    return (x > y) - (x < y);
}

/* Equal values have the mean of their ranks. */
static bool ranks_of(const double *x, size_t n, double *ranks)
{
    place *places = calloc(n, sizeof *places);
    if (!places)
        return false;
    for (size_t i = 0; i < n; i++)
        places[i] = (place){ x[i], i };
    qsort(places, n, sizeof *places, by_value);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && by_value(&places[from], &places[to]) == 0;)
            to++;
        for (size_t k = from; k < to; k++)
            ranks[places[k].i] = ((double)from + (double)to - 1) / 2;
    }
    free(places);
    return true;
}

static double pearson(const double *x, const double *y, size_t n)
{
    double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < n; i++)
        mx += x[i] / (double)n, my += y[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        xx += (x[i] - mx) * (x[i] - mx);
        yy += (y[i] - my) * (y[i] - my);
        xy += (x[i] - mx) * (y[i] - my);
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

double ct_eval_spearman(const double *x, const double *y, size_t n)
{
    double *ranks = calloc(2 * n + 1, sizeof *ranks);
    const double r = ranks && ranks_of(x, n, ranks) && ranks_of(y, n, ranks + n) ? pearson(ranks, ranks + n, n) : NAN;
    free(ranks);
    return r;
}

/* ---- the run ---- */

typedef struct run {
    const ct_eval_pairs_job *job;
    ct_eval_record record;
    float **vectors; /* [2 n] of those whose other one is not there yet */
    const char *task;
} run;

static bool make(void *arg, size_t i, ct_eval_request *request, carat_err *err)
{
    run *r = arg;
    if (r->record.rows[i / 2])
        return true;
    const carat_embedding_text text = { .struct_size = sizeof text,
                                        .text = r->job->pairs->list[i / 2].sentences[i % 2],
                                        .task = r->task };
    request->wants_embedding = true;
    return carat_prompt_embedding(r->job->e, &text, &request->prompt, err) || ct_fail_in(err, "pair %zu", i / 2);
}

static double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return ab / sqrt(aa * bb);
}

static bool take(void *arg, size_t i, const ct_eval_got *got, carat_err *err)
{
    run *r = arg;
    const size_t k = i / 2, n = got->n_embedding;
    float *other = r->vectors[i ^ 1];
    if (!other) {
        r->vectors[i] = malloc(n * sizeof(float));
        if (r->vectors[i])
            memcpy(r->vectors[i], got->embedding, n * sizeof(float));
        return r->vectors[i] || no_memory(err);
    }
    const double x = cosine(got->embedding, other, n);
    free(other);
    r->vectors[i ^ 1] = NULL;
    if (!isfinite(x))
        return ct_fail(err, CARAT_ENUMERIC, k, "pair %zu: its cosine is no number", k);
    return ct_eval_record_add(&r->record, k,
                              json_pack("{s:I, s:s, s:f, s:f}", "item", (json_int_t)k, "id", r->job->pairs->list[k].id,
                                        "score", r->job->pairs->list[k].score, "cosine", x),
                              err);
}

static bool goes_on(void *arg)
{
    const run *r = arg;
    return !r->job->progress || r->job->progress(r->job->arg, r->record.n_rows, r->record.n, r->record.n_before);
}

static bool add_up(const run *r, ct_eval_correlation *out, carat_err *err)
{
    const size_t n = r->job->pairs->n;
    double *x = calloc(2 * n, sizeof *x);
    bool ok = x || no_memory(err);
    out->n = n;
    out->n_before = r->record.n_before;
    for (size_t i = 0; ok && i < n; i++) {
        const json_t *cos = json_object_get(r->record.rows[i], "cosine");
        x[i] = json_number_value(cos);
        x[n + i] = r->job->pairs->list[i].score;
        ok = json_is_number(cos) ||
             ct_fail(err, CARAT_EFORMAT, i, "%s: item %zu has no 'cosine'", r->record.file.path, i);
    }
    if (ok) {
        out->spearman = ct_eval_spearman(x, x + n, n);
        out->pearson = pearson(x, x + n, n);
        ok = isfinite(out->spearman) ||
             ct_fail(err, CARAT_EFORMAT, 0, "all scores, or all cosines, are the same: no correlation");
        const double r_ = out->spearman, z = atanh(r_), half = CT_EVAL_Z * sqrt((1 + r_ * r_ / 2) / ((double)n - 3));
        out->interval =
            n > 3 && fabs(r_) < 1 ? (ct_eval_interval){ tanh(z - half), tanh(z + half) } : (ct_eval_interval){ -1, 1 };
    }
    free(x);
    return ok;
}

static json_t *head_of(const run *r, const char *prompt)
{
    char hash[17];
    snprintf(hash, sizeof hash, "%016" PRIx64, r->job->pairs->hash);
    return json_pack("{s:i, s:s, s:s, s:s, s:s}", "carat_eval", 1, "task", "mteb-sts", "pairs", hash, "numerics",
                     carat_engine_numerics(r->job->e), "prompt", prompt ? prompt : "");
}

bool ct_eval_pairs_run(const ct_eval_pairs_job *job, ct_eval_correlation *out, carat_err *err)
{
    const carat_model_info *info = carat_engine_info(job->e);
    const size_t n = job->pairs->n;
    run r = { .job = job, .record.file.fd = -1, .vectors = calloc(2 * n, sizeof *r.vectors) };
    *out = (ct_eval_correlation){ 0 };
    for (size_t i = 0; i < info->n_tasks; i++)
        if (strcmp(info->tasks[i].name, "STS") == 0) {
            r.task = info->tasks[i].name;
            out->prompt = info->tasks[i].prompt;
        }
    const ct_eval_requests requests = { .n = 2 * n, .arg = &r, .make = make, .take = take, .goes_on = goes_on };
    bool ok = r.vectors || no_memory(err);
    ok = ok && (info->is_embedding ||
                ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: is no embedding model", info->path));
    ok = ok && ct_eval_record_open(&r.record, job->record, head_of(&r, out->prompt), n, err) &&
         ct_eval_score(job->e, job->n_at_once, &requests, err) && add_up(&r, out, err);
    for (size_t i = 0; r.vectors && i < 2 * n; i++)
        free(r.vectors[i]);
    free(r.vectors);
    return ct_eval_record_close(&r.record, ok ? err : NULL) && ok;
}
