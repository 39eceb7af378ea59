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

/* ---- models ---- */

subject_model *subject_model_open(const char *path, bool tokenizer)
{
    static const ct_checkpoint_options text_only = { .vision = CARAT_VISION_OFF };
    char full[1024];
    carat_err err;
    subject_model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    snprintf(full, sizeof full, "%s%s", path[0] == '/' ? "" : TEST_DATA "/", path);
    const ct_sizes least = { .max_batch = 1, .max_context = 1 };
    if (!ct_checkpoint_open(full, &text_only, &m->c, &err) ||
        (tokenizer && !ct_model_read_vocab(m->c.model, &m->c.text, &err)) || !ct_pool_open(1, &m->pool, &err) ||
        !ct_cpu_open(&(ct_cpu_options){ 0 }, m->pool, &m->b, &err) ||
        !m->b.load(m->b.self, &(ct_desc){ .text = m->c.model }, &(ct_files){ &m->c.text, NULL }, &least, NULL, &err))
        fail_msg("%s", err.msg);
    m->cfg = &m->c.model->cfg;
    return m;
}

void subject_model_close(subject_model *m)
{
    m->b.close(m->b.self);
    ct_pool_close(m->pool);
    ct_checkpoint_close(&m->c);
    free(m);
}

/* ---- ways of running one ---- */

static ct_kv_elem elem_of(const subject_options *o)
{
    return o->elem ? *o->elem : o->q8_kv ? CT_KV_Q8_0 : o->exact ? CT_KV_F32 : CT_KV_F16;
}

static void set_defaults(subject_options *o)
{
    o->n_threads = o->n_threads ? o->n_threads : 1;
    o->batch = o->batch ? o->batch : 1024;
    o->context = o->context ? o->context : 1024;
    o->n_seqs = o->n_seqs ? o->n_seqs : 8;
}

/* Slots for images without a tower: the tests bring the soft tokens. */
static void take_slots(subject *s)
{
    size_t own = s->cfg->vision.tokens_per_image, n_soft = s->opt.n_soft ? s->opt.n_soft : own ? own : 1;
    s->cpu->soft_bytes = SUBJECT_SLOTS * n_soft * s->cfg->hidden * sizeof(float);
    s->cpu->soft = (ct_soft_tokens){ ct_block_new(s->cpu->soft_bytes), SUBJECT_SLOTS, n_soft };
    assert_non_null(s->cpu->soft.rows);
    s->limits.n_slots = SUBJECT_SLOTS;
    s->limits.n_soft = n_soft;
}

void subject_share(subject *s, subject_model *m, subject_options opt)
{
    carat_err err;
    ct_cache_size size;
    set_defaults(&opt);
    *s = (subject){ .opt = opt, .cfg = m->cfg };
    const ct_cpu_options cpu = { .level = opt.level, .exact = opt.exact, .weights_of = &m->b };
    const ct_cache_options cache = { opt.context, opt.n_seqs, opt.batch, elem_of(&opt), opt.keep_bytes };
    if (!ct_pool_open(opt.n_threads, &s->pool, &err) || !ct_cpu_open(&cpu, s->pool, &s->b, &err))
        fail_msg("%s", err.msg);
    assert_true(ct_cache_pages(s->cfg, &cache, &size));
    const ct_sizes sizes = { .max_batch = opt.batch,
                             .max_context = opt.context,
                             .embed_scale = opt.scale,
                             .elem = cache.elem,
                             .n_global = size.n[CT_PAGE_GLOBAL],
                             .n_local = size.n[CT_PAGE_LOCAL] };
    const ct_desc d = { m->c.model, NULL };
    if (!s->b.load(s->b.self, &d, &(ct_files){ NULL, NULL }, &sizes, NULL, &err) ||
        !ct_cache_open(s->cfg, &cache, &s->b, &s->cache, &err))
        fail_msg("%s", err.msg);
    s->cpu = ct_cpu_inside(&s->b);
    s->limits = (ct_step_limits){ opt.batch, opt.context, s->cfg->n_vocab, s->cfg->n_layer, 0, 0 };
    take_slots(s);
}

void subject_open(subject *s, const char *path, subject_options opt)
{
    subject_model *m = subject_model_open(path, opt.tokenizer);
    subject_share(s, m, opt);
    s->own = m;
}

void subject_close(subject *s)
{
    ct_cache_close(s->cache);
    s->b.close(s->b.self);
    if (s->own)
        subject_model_close(s->own);
    ct_pool_close(s->pool);
}

ct_kv *subject_kv(const subject *s)
{
    carat_err err;
    ct_kv *kv;
    if (!ct_kv_open(s->cache, s->opt.context, &kv, &err))
        fail_msg("%s", err.msg);
    return kv;
}

/* ---- steps ---- */

void subject_step(subject *s, ct_step_span *spans, size_t n_spans)
{
    carat_err err;
    bool failed[64];
    assert_true(n_spans <= sizeof failed / sizeof *failed);
    if (!ct_step_run(&s->limits, spans, n_spans, failed, &err))
        fail_msg("%s", err.msg);
}

void subject_rows(subject *s, const size_t *rows, size_t n, float *logits)
{
    carat_err err;
    ct_head_row *wanted = calloc(n + 1, sizeof *wanted);
    ct_head h = { .rows = wanted, .n = n, .n_pieces = s->cfg->n_vocab, .logits = logits };
    for (size_t i = 0; i < n; i++)
        wanted[i].row = rows[i];
    if (!s->b.head(s->b.self, &h, &err))
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < n; i++)
        assert_true(wanted[i].is_finite);
    free(wanted);
}

void subject_soft(subject *s, ct_step_input *in, uint32_t slot, const float *rows, size_t i)
{
    size_t width = s->cfg->hidden, n_soft = s->cpu->soft.n_soft;
    assert_true(slot < s->cpu->soft.n_slots && i < n_soft);
    memcpy(s->cpu->soft.rows + (slot * n_soft + i) * width, rows + i * width, width * sizeof *rows);
    in->is_soft = true;
    in->slot = slot;
    in->index = (uint32_t)i;
}

static void logits_of_all(subject *s, size_t n, float *out)
{
    size_t *rows = malloc(n * sizeof *rows);
    for (size_t i = 0; i < n; i++)
        rows[i] = i;
    subject_rows(s, rows, n, out);
    free(rows);
}

void subject_append(subject *s, ct_kv *kv, const int32_t *ids, size_t n, size_t chunk, float *out)
{
    ct_step_input *in = calloc(n, sizeof *in);
    for (size_t i = 0; i < n; i++)
        in[i].id = ids[i];
    for (size_t done = 0; done < n;) {
        size_t step = n - done < chunk ? n - done : chunk;
        ct_step_span span = { kv, in + done, step };
        subject_step(s, &span, 1);
        if (out)
            logits_of_all(s, step, out + done * s->cfg->n_vocab);
        done += step;
    }
    free(in);
}

float *subject_logits(subject *s, const int32_t *ids, size_t n, size_t chunk)
{
    ct_kv *kv = subject_kv(s);
    float *out = malloc(n * s->cfg->n_vocab * sizeof *out);
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
    size_t n_vocab = s->cfg->n_vocab;
    float *logits = malloc(n_vocab * sizeof *logits);
    ct_kv *kv = subject_kv(s);
    subject_append(s, kv, ids, n, s->opt.batch, NULL);
    size_t row = (n - 1) % s->opt.batch;
    for (size_t i = 0; i < n_out; i++) {
        subject_rows(s, &row, 1, logits);
        out[i] = (int32_t)argmax(logits, n_vocab);
        row = 0;
        if (i + 1 < n_out)
            subject_append(s, kv, &out[i], 1, 1, NULL);
    }
    ct_kv_close(kv);
    free(logits);
}
