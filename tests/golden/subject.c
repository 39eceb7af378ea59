/* Opens a model at one CPU level and runs it by steps, for tests that compare logits.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "subject.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

const char *subject_level(int argc, char **argv)
{
    const char *level = NULL;
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "--level") == 0)
            level = argv[i + 1];
    unsigned mask;
    char msg[160];
    if (!ct_cpu_by_name(level, &mask, msg)) {
        printf("skipped: %s\n", msg);
        exit(77);
    }
    return level;
}

bool subject_takes_all(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--all") == 0)
            return true;
    return false;
}

static void start(subject *s)
{
    unsigned mask;
    char msg[160];
    carat_err err;
    if (!ct_cpu_by_name(s->opt.level, &mask, msg))
        fail_msg("%s", msg);
    ct_kernels_for(&s->k, mask);
    s->opt.n_threads = s->opt.n_threads ? s->opt.n_threads : 1;
    s->opt.batch = s->opt.batch ? s->opt.batch : 1024;
    s->opt.context = s->opt.context ? s->opt.context : 1024;
    if (!ct_pool_open(s->opt.n_threads, &s->pool, &err))
        fail_msg("%s", err.msg);
}

static void open_text(subject *s)
{
    carat_err err;
    ct_text_options o = {
        .max_batch = s->opt.batch, .max_context = s->opt.context, .exact = s->opt.exact, .embed_scale = s->opt.scale
    };
    if (!ct_text_open(s->m, &s->k, s->pool, &o, &s->t, &err))
        fail_msg("%s", err.msg);
}

void subject_open(subject *s, const char *path, subject_options opt)
{
    char full[1024];
    carat_err err;
    *s = (subject){ .opt = opt, .owns_model = true };
    start(s);
    snprintf(full, sizeof full, "%s%s", path[0] == '/' ? "" : TEST_DATA "/", path);
    ct_model_options mo = { .no_tokenizer = !opt.tokenizer };
    if (!ct_model_open(full, &mo, s->pool, &s->m, &err))
        fail_msg("%s", err.msg);
    open_text(s);
}

void subject_share(subject *s, ct_model *m, subject_options opt)
{
    *s = (subject){ .opt = opt, .m = m };
    start(s);
    open_text(s);
}

void subject_close(subject *s)
{
    ct_text_close(s->t);
    if (s->owns_model)
        ct_model_close(s->m);
    ct_pool_close(s->pool);
}

ct_kv *subject_kv(const subject *s)
{
    carat_err err;
    ct_kv *kv;
    ct_kv_options o = { .context = s->opt.context,
                        .max_batch = s->opt.batch,
                        .elem = s->opt.q8_kv   ? CT_KV_Q8_0
                                : s->opt.exact ? CT_KV_F32
                                               : CT_KV_F16 };
    if (!ct_kv_open_alone(&s->m->cfg, &o, &kv, &err))
        fail_msg("%s", err.msg);
    return kv;
}

static void logits_of_all(subject *s, size_t n, float *out)
{
    carat_err err;
    size_t *rows = malloc(n * sizeof *rows);
    for (size_t i = 0; i < n; i++)
        rows[i] = i;
    if (!ct_text_logits(s->t, rows, n, out, &err))
        fail_msg("%s", err.msg);
    free(rows);
}

void subject_append(subject *s, ct_kv *kv, const int32_t *ids, size_t n, size_t chunk, float *out)
{
    carat_err err;
    ct_step_input *in = calloc(n, sizeof *in);
    for (size_t i = 0; i < n; i++)
        in[i].id = ids[i];
    for (size_t done = 0; done < n;) {
        size_t step = n - done < chunk ? n - done : chunk;
        ct_step_span span = { kv, in + done, step };
        if (!ct_text_step(s->t, &span, 1, NULL, &err))
            fail_msg("%s", err.msg);
        if (out)
            logits_of_all(s, step, out + done * s->m->cfg.n_vocab);
        done += step;
    }
    free(in);
}

float *subject_logits(subject *s, const int32_t *ids, size_t n, size_t chunk)
{
    ct_kv *kv = subject_kv(s);
    float *out = malloc(n * s->m->cfg.n_vocab * sizeof *out);
    assert_non_null(out);
    subject_append(s, kv, ids, n, chunk, out);
    ct_kv_close(kv);
    return out;
}

size_t argmax(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

void subject_greedy(subject *s, const int32_t *ids, size_t n, int32_t *out, size_t n_out)
{
    carat_err err;
    size_t n_vocab = s->m->cfg.n_vocab;
    float *logits = malloc(n_vocab * sizeof *logits);
    ct_kv *kv = subject_kv(s);
    subject_append(s, kv, ids, n, s->opt.batch, NULL);
    size_t row = (n - 1) % s->opt.batch;
    for (size_t i = 0; i < n_out; i++) {
        if (!ct_text_logits(s->t, &row, 1, logits, &err))
            fail_msg("%s", err.msg);
        out[i] = (int32_t)argmax(logits, n_vocab);
        row = 0;
        if (i + 1 < n_out)
            subject_append(s, kv, &out[i], 1, 1, NULL);
    }
    ct_kv_close(kv);
    free(logits);
}
