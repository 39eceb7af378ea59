/* One session reads window after window and gives out the logits of the places that count: they are written down, or compared with
 * what was written down.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/kl.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const double ct_eval_kl_parts[CT_EVAL_KL_PARTS] = { 0.5, 0.9, 0.95, 0.99, 0.999, 1 };

typedef struct run {
    const ct_eval_job *job;
    carat_session *session;
    ct_eval_reference *reference;
    int32_t *ids; /* [window] of the window that is read */
    size_t n, first;
    ct_eval_place *places; /* [window] what was found in it; NULL: the reference is written */
    size_t n_places;
    carat_err wrong; /* what ended it, if it was not the engine */
    bool is_wrong;
} run;

static bool on_logits(void *arg, size_t pos, const float *logits, size_t n_vocab)
{
    run *r = arg;
    ct_eval_reference *f = r->reference;
    const int32_t token = r->ids[pos + 1];
    if (n_vocab != f->n_vocab)
        r->is_wrong = !ct_fail(&r->wrong, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                               "%s: is of %zu tokens' logits, the model has %zu", f->path, f->n_vocab, n_vocab);
    else
        r->is_wrong = r->places ? !ct_eval_reference_next(f, logits, token, &r->places[r->n_places++], &r->wrong)
                                : !ct_eval_reference_add(f, logits, token, &r->wrong);
    return !r->is_wrong;
}

static bool read_window(run *r, size_t i, carat_err *err)
{
    size_t kept;
    ct_eval_windows_get(&r->reference->windows, i, r->ids, &r->n, &r->first);
    r->n_places = 0;
    const size_t before = r->first - 1; /* tokens whose logits nobody asks for */
    bool ok = carat_session_rewind(r->session, 0, &kept, err) &&
              (!before || carat_session_append(r->session, r->ids, before, err)) &&
              carat_session_append_logits(r->session, r->ids + before, r->n - 1 - before, on_logits, r, err);
    if (r->is_wrong) {
        if (err)
            *err = r->wrong;
        ok = false;
    }
    return ok || ct_fail_in(err, "window %zu", i);
}

static bool open_run(run *r, const ct_eval_job *job, ct_eval_reference *reference, carat_err *err)
{
    *r = (run){ .job = job, .reference = reference };
    r->ids = calloc(job->windows->window, sizeof *r->ids);
    return (r->ids || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a window")) &&
           carat_session_open(job->e, 0, &r->session, err);
}

static void close_run(run *r)
{
    carat_session_close(r->session);
    free(r->ids);
    free(r->places);
}

static bool goes_on(const ct_eval_job *j, size_t done, size_t n, size_t n_before, carat_err *err)
{
    return !j->progress || j->progress(j->arg, done, n, n_before) ||
           ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "interrupted");
}

/* ---- writing one ---- */

/* Of the pieces of a vocabulary. */
static void hash_vocabulary(const carat_engine *e, char hash[17])
{
    const carat_tokenizer *t = carat_engine_tokenizer(e);
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < carat_tokenizer_n_pieces(t); i++) {
        size_t len = 0;
        const char *piece = carat_tokenizer_piece(t, (int32_t)i, &len);
        for (size_t k = 0; piece && k < len; k++)
            h = (h ^ (unsigned char)piece[k]) * 0x100000001b3u;
        h = (h ^ 256) * 0x100000001b3u;
    }
    snprintf(hash, 17, "%016" PRIx64, h);
}

static json_t *head_of(const ct_eval_job *job)
{
    char vocabulary[17];
    json_t *head = ct_eval_windows_head("kl reference", job->e, job->windows);
    hash_vocabulary(job->e, vocabulary);
    if (head &&
        (json_object_set_new(head, "vocabulary", json_string(vocabulary)) != 0 ||
         json_object_set_new(head, "n_vocab", json_integer((json_int_t)carat_engine_info(job->e)->n_vocab)) != 0 ||
         json_object_set_new(head, "weights", json_string(carat_engine_info(job->e)->weight_types)) != 0 ||
         json_object_set_new(head, "model", ct_json_from_str(carat_engine_info(job->e)->path)) != 0)) {
        json_decref(head);
        head = NULL;
    }
    return head;
}

bool ct_eval_kl_save(const ct_eval_job *job, uint64_t *n_bytes, size_t *n_windows, carat_err *err)
{
    ct_eval_reference f = { .fd = -1 };
    run r = { 0 };
    const size_t n = job->limit && job->limit < job->windows->n ? job->limit : job->windows->n;
    json_t *head = head_of(job);
    if (!head)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the head of %s", job->record);
    if (!ct_eval_reference_create(&f, job->record, head, job->windows, (size_t)carat_engine_info(job->e)->n_vocab, err))
        return false;
    const size_t n_before = f.n;
    bool ok = open_run(&r, job, &f, err);
    while (ok && f.n < n) {
        ct_eval_reference_begin(&f);
        ok = goes_on(job, f.n, n, n_before, err) && read_window(&r, f.n, err) && ct_eval_reference_end(&f, err);
    }
    *n_bytes = f.n ? f.end - f.at[0] : 0;
    *n_windows = f.n;
    close_run(&r);
    ct_eval_reference_close(&f);
    return ok;
}

/* ---- comparing with one ---- */

static bool note(run *r, ct_eval_record *record, size_t i, carat_err *err)
{
    json_t *kl = json_array();
    size_t same = 0;
    double rest = 0, nll = 0, reference = 0, squares = 0, dp = 0, dp_squares = 0;
    for (size_t k = 0; k < r->n_places; k++) {
        const ct_eval_place *p = &r->places[k];
        const double d = p->nll - p->reference, change = exp(-p->nll) - exp(-p->reference);
        if (!isfinite(p->kl) || !isfinite(d)) {
            json_decref(kl);
            return ct_fail(err, CARAT_ENUMERIC, k, "window %zu: place %zu has no finite divergence", i, k);
        }
        json_array_append_new(kl, json_real((double)(float)p->kl));
        same += p->has_same_top;
        rest += p->rest;
        nll += p->nll;
        reference += p->reference;
        squares += d * d;
        dp += change;
        dp_squares += change * change;
    }
    return ct_eval_record_add(record, i,
                              json_pack("{s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:o}", "item", (json_int_t)i,
                                        "tokens", (json_int_t)r->n_places, "same_top", (json_int_t)same, "rest", rest,
                                        "nll", nll, "nll_reference", reference, "squares", squares, "dp", dp,
                                        "dp_squares", dp_squares, "kl", kl),
                              err);
}

typedef struct sums { /* [n] of windows */
    double *kl, *d, *count;
    double *values; /* [n_values] all divergences */
    size_t n_values;
    double kl_squares, d_squares;
} sums;

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool add_row(const json_t *row, size_t i, sums *s, ct_eval_kl *out, carat_err *err)
{
    char what[48];
    int64_t tokens = 0, same = 0;
    double nll = NAN, reference = NAN, squares = NAN, rest = NAN, dp = NAN, dp_squares = NAN;
    snprintf(what, sizeof what, "window %zu of the results", i);
    const json_t *kl = json_object_get(row, "kl");
    if (!ct_json_int(row, what, "tokens", 1, INT32_MAX, &tokens, err) ||
        !ct_json_int(row, what, "same_top", 0, tokens, &same, err) || !ct_json_num(row, what, "nll", &nll, err) ||
        !ct_json_num(row, what, "nll_reference", &reference, err) ||
        !ct_json_num(row, what, "squares", &squares, err) || !ct_json_num(row, what, "rest", &rest, err) ||
        !ct_json_num(row, what, "dp", &dp, err) || !ct_json_num(row, what, "dp_squares", &dp_squares, err))
        return false;
    if (tokens < 1 || json_array_size(kl) != (size_t)tokens ||
        !isfinite(nll + reference + squares + rest + dp + dp_squares))
        return ct_fail(err, CARAT_EFORMAT, i, "%s: lacks something, or has not as many divergences as tokens", what);
    double *more = realloc(s->values, (s->n_values + (size_t)tokens) * sizeof *more);
    if (!more)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the divergences");
    s->values = more;
    for (size_t k = 0; k < (size_t)tokens; k++) {
        const double v = json_number_value(json_array_get(kl, k));
        if (!json_is_number(json_array_get(kl, k)) || !isfinite(v))
            return ct_fail(err, CARAT_EFORMAT, i, "%s: a divergence that is no number", what);
        s->values[s->n_values++] = v;
        s->kl[i] += v;
        s->kl_squares += v * v;
    }
    s->count[i] = (double)tokens;
    s->d[i] = nll - reference;
    s->d_squares += squares;
    out->n_tokens += (size_t)tokens;
    out->n_same_top += (size_t)same;
    out->rest += rest;
    out->nll += nll;
    out->reference += reference;
    out->dp += dp;
    out->dp_rms += dp_squares;
    return true;
}

static double error_of(const double *groups, const double *counts, size_t n, double squares, double count)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += groups[i];
    return n >= CT_EVAL_FEW_WINDOWS ? ct_eval_group_error(groups, counts, n)
           : count > 1              ? ct_eval_value_error(sum, squares, count)
                                    : INFINITY;
}

static void finish(const ct_eval_record *r, sums *s, ct_eval_kl *out)
{
    const double n = (double)out->n_tokens;
    out->is_from_windows = r->n >= CT_EVAL_FEW_WINDOWS;
    out->error = error_of(s->kl, s->count, r->n, s->kl_squares, n);
    out->nll_error = error_of(s->d, s->count, r->n, s->d_squares, n);
    for (size_t i = 0; i < r->n; i++)
        out->mean += s->kl[i] / n;
    qsort(s->values, s->n_values, sizeof *s->values, compare_doubles);
    for (int k = 0; k < CT_EVAL_KL_PARTS; k++) {
        const double at = ct_eval_kl_parts[k] * (n - 1); /* between two values: by how near it is to each */
        const size_t low = (size_t)at, high = low + 1 < s->n_values ? low + 1 : low;
        out->parts[k] = s->values[low] + (at - (double)low) * (s->values[high] - s->values[low]);
    }
    out->same_top = ct_eval_share(out->n_same_top, out->n_tokens);
    out->rest /= n;
    out->nll /= n;
    out->reference /= n;
    out->difference = out->nll - out->reference;
    out->dp /= n;
    out->dp_rms = sqrt(out->dp_rms / n);
}

static bool add_up(const ct_eval_record *r, ct_eval_kl *out, carat_err *err)
{
    sums s = { .kl = calloc(3 * r->n + 1, sizeof *s.kl) };
    *out = (ct_eval_kl){ .n_windows = r->n, .n_before = r->n_before };
    bool ok = s.kl || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu windows", r->n);
    s.d = ok ? s.kl + r->n : NULL;
    s.count = ok ? s.d + r->n : NULL;
    for (size_t i = 0; ok && i < r->n; i++)
        ok = add_row(r->rows[i], i, &s, out, err);
    if (ok)
        finish(r, &s, out);
    free(s.values);
    free(s.kl);
    return ok;
}

/* Results depend on both models. */
static json_t *record_head(const ct_eval_job *job, const ct_eval_reference *f)
{
    json_t *head = ct_eval_windows_head("kl", job->e, job->windows);
    json_t *of = json_copy(f->head);
    json_object_del(of, "model");
    if (head && json_object_set_new(head, "reference", of) != 0) {
        json_decref(head);
        head = NULL;
    }
    return head;
}

static bool same_vocabulary(const ct_eval_job *job, const ct_eval_reference *f, carat_err *err)
{
    char own[17];
    hash_vocabulary(job->e, own);
    const char *its = json_string_value(json_object_get(f->head, "vocabulary"));
    return (its && strcmp(its, own) == 0) ||
           ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: is of another vocabulary than the model's", f->path);
}

bool ct_eval_kl_run(const ct_eval_job *job, ct_eval_reference *f, ct_eval_kl *out, carat_err *err)
{
    ct_eval_record record = { .file = { .fd = -1 } };
    run r = { 0 };
    const size_t n = job->limit && job->limit < f->n ? job->limit : f->n;
    bool ok = same_vocabulary(job, f, err) && open_run(&r, job, f, err) &&
              ct_eval_record_open(&record, job->record, record_head(job, f), n, err);
    if (ok && !(r.places = calloc(job->windows->window, sizeof *r.places)))
        ok = ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a window");
    for (size_t i = 0; ok && i < n; i++) {
        if (record.rows[i])
            continue;
        ok = goes_on(job, record.n_rows, n, record.n_before, err) && ct_eval_reference_read(f, i, err);
        if (ok && f->n_place != ct_eval_windows_counted(job->windows, i))
            ok = ct_fail(err, CARAT_EFORMAT, i, "%s: damaged: window %zu has %zu places, expected %zu", f->path, i,
                         f->n_place, ct_eval_windows_counted(job->windows, i));
        ok = ok && read_window(&r, i, err) && note(&r, &record, i, err);
    }
    ok = ok && add_up(&record, out, err);
    close_run(&r);
    return ct_eval_record_close(&record, ok ? err : NULL) && ok;
}
