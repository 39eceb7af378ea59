/* test_files.c - as test_memory.c: what stands beside a model (adapters, a model that drafts, an importance matrix), and what is made
 * of one (merged, quantised, compared, embedded).
 *
 *     test_files [--all] [PATTERN]
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "carat.h"
#include "format/gguf_write.h"
#include "sweep.h"
#include "unit.h"

#define TEXT    TEST_DATA "/models/tiny-text"
#define GGUF    TEXT "/gguf/tiny-text-f32.gguf"
#define ENCODER TEST_DATA "/models/tiny-encoder"

enum { RANK = 3, ANSWER = 6, N_IDS = 70 };

static char folder[] = "/tmp/carat-fault-XXXXXX", adapter[80], peft[80], matrix[80], out[80];
static carat_engine *engine;
static carat_adapter *loaded;
static size_t q_rows, hidden;

static void must(bool ok, const carat_err *err)
{
    if (!ok)
        fail_msg("%s", err->msg);
}

/* ---- adapters ---- */

static float *numbers(size_t n, int seed)
{
    float *x = calloc(n, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((int)(i * 37 + (size_t)seed * 11) % 41 - 20) / 100;
    return x;
}

static void write_gguf(void)
{
    carat_err err;
    ct_gguf_writer *w;
    float *a = numbers(hidden * RANK, 1), *b = numbers(q_rows * RANK, 2);
    must(ct_gguf_create(adapter, &w, &err), &err);
    ct_gguf_writer_text(w, "general.type", "adapter");
    ct_gguf_writer_text(w, "general.architecture", "gemma3");
    ct_gguf_writer_text(w, "adapter.type", "lora");
    ct_gguf_writer_text(w, "tokenizer.chat_template", "{% for m in messages %}<start_of_turn>{% endfor %}");
    ct_gguf_writer_f32(w, "adapter.lora.alpha", 2 * RANK);
    ct_gguf_writer_tensor(w, "blk.0.attn_q.weight.lora_a", CT_F32, 2, (uint64_t[]){ hidden, RANK });
    ct_gguf_writer_tensor(w, "blk.0.attn_q.weight.lora_b", CT_F32, 2, (uint64_t[]){ RANK, q_rows });
    must(ct_gguf_writer_data(w, a, hidden * RANK * sizeof *a, &err), &err);
    must(ct_gguf_writer_data(w, b, q_rows * RANK * sizeof *b, &err), &err);
    must(ct_gguf_finish(w, &err), &err);
    free(a);
    free(b);
}

/* Its pattern is a name: of regular expressions glibc itself keeps blocks where it is refused others. */
static void write_peft(void)
{
    static const char config[] =
        "{\"peft_type\": \"LORA\", \"r\": 3, \"lora_alpha\": 6, \"alpha_pattern\": {\"k_proj\": 1}}",
                      name[] = "base_model.model.model.layers.0.self_attn.q_proj.lora_";
    char path[160], head[512];
    const size_t a_bytes = hidden * RANK * 4, b_bytes = q_rows * RANK * 4;
    float *a = numbers(hidden * RANK, 1), *b = numbers(q_rows * RANK, 2);
    assert_int_equal(mkdir(peft, 0777), 0);
    snprintf(path, sizeof path, "%s/adapter_config.json", peft);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(config, f);
    fclose(f);
    int n = snprintf(head, sizeof head,
                     "{\"%sA.weight\":{\"dtype\":\"F32\",\"shape\":[%d,%zu],\"data_offsets\":[0,%zu]},\"%sB.weight\":{"
                     "\"dtype\":\"F32\",\"shape\":[%zu,%d],\"data_offsets\":[%zu,%zu]}}",
                     name, RANK, hidden, a_bytes, name, q_rows, RANK, a_bytes, a_bytes + b_bytes);
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", peft);
    f = fopen(path, "wb");
    assert_non_null(f);
    while (n % 8)
        head[n++] = ' ';
    const uint64_t len = (uint64_t)n;
    fwrite(&len, sizeof len, 1, f);
    fwrite(head, 1, (size_t)n, f);
    fwrite(a, 1, a_bytes, f);
    fwrite(b, 1, b_bytes, f);
    fclose(f);
    free(a);
    free(b);
}

static carat_engine *open_engine(const carat_options *more, carat_err *err)
{
    carat_engine *e;
    carat_options o = more ? *more : (carat_options){ 0 };
    o.struct_size = sizeof o;
    o.n_threads = 1;
    o.chunk = 32;
    o.n_ctx = 128;
    o.n_sessions = o.n_sessions ? o.n_sessions : 2;
    o.vision = CARAT_VISION_OFF;
    return carat_engine_open(GGUF, &o, &e, err) ? e : NULL;
}

static carat_adapter_file file_of(const char *path)
{
    return (carat_adapter_file){ .struct_size = sizeof(carat_adapter_file), .path = path, .scale = 1 };
}

static bool open_with_adapters(carat_err *err)
{
    const carat_adapter_file files[] = { file_of(adapter), file_of(peft) };
    carat_engine *e = open_engine(&(carat_options){ .adapters = files, .n_adapters = 2 }, err);
    if (e)
        assert_non_null(carat_engine_adapter(e, 1, NULL));
    carat_engine_close(e);
    return e != NULL;
}

static bool load_both(carat_err *err)
{
    const carat_adapter_file files[] = { file_of(adapter), file_of(peft) };
    carat_adapter *a = NULL, *b = NULL;
    const bool ok = carat_adapter_load(engine, &files[0], &a, err) && carat_adapter_load(engine, &files[1], &b, err);
    carat_adapter_free(a);
    carat_adapter_free(b);
    return ok;
}

/* ---- answers ---- */

typedef struct heard {
    size_t n;
    int32_t ids[2 * ANSWER];
} heard;

static heard plain, adapted; /* of the first time */

static bool on_token(void *arg, const carat_token *t)
{
    heard *h = arg;
    if (t->id >= 0 && h->n < 2 * ANSWER)
        h->ids[h->n++] = t->id;
    return true;
}

static bool is_as_before(heard *before, const heard *now)
{
    if (!before->n)
        *before = *now;
    return before->n == now->n && memcmp(before->ids, now->ids, now->n * sizeof *now->ids) == 0;
}

static bool say(carat_session *s, heard *h, carat_err *err)
{
    static carat_sampling sampling = CARAT_SAMPLING_DEFAULT;
    int32_t ids[N_IDS] = { 2 };
    for (int i = 1; i < N_IDS; i++)
        ids[i] = 30 + i * 7 % 200;
    sampling.temperature = 0;
    carat_result r = { .struct_size = sizeof r };
    const carat_generation g = { .struct_size = sizeof g,
                                 .sampling = &sampling,
                                 .max_tokens = ANSWER,
                                 .ignores_eos = true,
                                 .on_token = on_token,
                                 .arg = h };
    *h = (heard){ 0 };
    return carat_session_append(s, ids, N_IDS, err) && carat_session_generate(s, &g, &r, err);
}

/* With an adapter, then without, in one session. */
static bool use(carat_err *err)
{
    const carat_adapter_use with = { .struct_size = sizeof with, .adapter = loaded, .scale = 0.75 };
    carat_session *s;
    heard h;
    if (!carat_session_open(engine, 0, &s, err))
        return false;
    bool ok = carat_session_use_adapters(s, &with, 1, err) && say(s, &h, err);
    if (ok)
        assert_true(is_as_before(&adapted, &h));
    ok = ok && carat_session_use_adapters(s, NULL, 0, err);
    if (ok)
        assert_int_equal(carat_session_n_tokens(s), 0);
    ok = ok && say(s, &h, err);
    if (ok)
        assert_true(is_as_before(&plain, &h));
    carat_session_close(s);
    return ok;
}

static bool ask(carat_err *err)
{
    const carat_adapter_use with = { .struct_size = sizeof with, .adapter = loaded, .scale = 0.75 };
    static const int32_t ids[] = { 2, 40, 41, 42 };
    static const char said[] = "a red star is on the";
    carat_prompt *p = NULL;
    carat_request *r[2] = { NULL };
    bool ok = carat_prompt_ids(engine, ids, 4, NULL, 0, NULL, &p, err);
    for (int i = 0; ok && i < 2; i++) {
        const carat_generation g = { .struct_size = sizeof g,
                                     .max_tokens = ANSWER,
                                     .ignores_eos = true,
                                     .prediction = said,
                                     .prediction_len = sizeof said - 1 };
        const carat_request_options o = { .struct_size = sizeof o,
                                          .prompt = p,
                                          .generation = &g,
                                          .adapters = i ? NULL : &with,
                                          .n_adapters = i ? CARAT_NO_ADAPTERS : 1 };
        ok = carat_request_submit(engine, &o, &r[i], err);
    }
    carat_prompt_free(p);
    for (int i = 0; i < 2; i++)
        for (const carat_event *at; r[i] && (at = carat_request_next(r[i], 30))->kind != CARAT_EVENT_END;) {
            if (at->kind == CARAT_EVENT_NONE)
                fail_msg("no event in 30 seconds: a request hangs");
            if (at->kind == CARAT_EVENT_FAILED && ok)
                ok = false, *err = *at->err;
        }
    carat_request_free(r[0]);
    carat_request_free(r[1]);
    return ok;
}

static bool as_before(void)
{
    carat_err err;
    const bool ok = use(&err);
    if (!ok)
        printf("%s\n", err.msg);
    return ok;
}

static void adapters(void **state)
{
    (void)state;
    carat_err err;
    const carat_adapter_file file = file_of(peft);
    sweep(&(trial){ "open with adapters", open_with_adapters, NULL, 60 });
    engine = open_engine(NULL, &err);
    must(engine, &err);
    must(carat_adapter_load(engine, &file, &loaded, &err), &err);
    assert_true(as_before());
    assert_memory_not_equal(plain.ids, adapted.ids, sizeof plain.ids);
    sweep(&(trial){ "load adapters", load_both, as_before, 80 });
    sweep(&(trial){ "use adapters", use, as_before, 80 });
    sweep(&(trial){ "requests with adapters", ask, as_before, 80 });
    carat_adapter_free(loaded);
    carat_engine_close(engine);
}

/* ---- a model that drafts ---- */

static bool open_with_draft(carat_err *err)
{
    engine = open_engine(&(carat_options){ .draft = GGUF }, err);
    heard h;
    carat_session *s = NULL;
    bool ok = engine && carat_session_open(engine, 0, &s, err) && say(s, &h, err);
    if (ok)
        assert_true(is_as_before(&plain, &h));
    carat_session_close(s);
    carat_engine_close(engine);
    return ok;
}

static void drafts(void **state)
{
    (void)state;
    sweep(&(trial){ "a model that drafts", open_with_draft, NULL, 60 });
}

/* ---- embeddings ---- */

static bool embed(carat_err *err)
{
    const carat_embedding_text t = { .struct_size = sizeof t, .text = "a red star", .task = "query" };
    carat_prompt *p = NULL;
    carat_request *r = NULL;
    if (!carat_prompt_embedding(engine, &t, &p, err))
        return false;
    const carat_request_options o = {
        .struct_size = sizeof o, .prompt = p, .wants_embedding = true, .omits_answers = true
    };
    bool ok = carat_request_submit(engine, &o, &r, err);
    carat_prompt_free(p);
    for (const carat_event *at; r && (at = carat_request_next(r, 30))->kind != CARAT_EVENT_END;) {
        if (at->kind == CARAT_EVENT_NONE)
            fail_msg("no event in 30 seconds: a request hangs");
        if (at->kind == CARAT_EVENT_FAILED)
            ok = false, *err = *at->err;
        if (at->kind == CARAT_EVENT_ANSWER)
            assert_true(at->n_embedding > 0 && isfinite(at->embedding[0]));
    }
    carat_request_free(r);
    return ok;
}

static bool open_encoder(carat_err *err)
{
    const carat_options o = { .struct_size = sizeof o, .n_threads = 1, .n_ctx = 64 };
    if (!carat_engine_open(ENCODER, &o, &engine, err))
        return false;
    const bool ok = embed(err);
    carat_engine_close(engine);
    return ok;
}

static void embeddings(void **state)
{
    (void)state;
    carat_err err;
    const carat_options o = { .struct_size = sizeof o, .n_threads = 1, .n_ctx = 64, .n_sessions = 2 };
    sweep(&(trial){ "open an embedding model", open_encoder, NULL, 60 });
    must(carat_engine_open(ENCODER, &o, &engine, &err), &err);
    sweep(&(trial){ "embed", embed, NULL, 80 });
    carat_engine_close(engine);
}

/* ---- files that are made ---- */

static bool made;

static const char *fresh(void)
{
    unlink(out);
    return out;
}

/* The file is there, if it was made, and nothing else is. */
static bool whole_or_absent(void)
{
    char text[120];
    const bool is_there = access(out, F_OK) == 0;
    unlink(out);
    snprintf(text, sizeof text, "ls %s | grep -q tmp-", folder);
    return is_there == made && system(text) != 0;
}

static bool merge(carat_err *err)
{
    const carat_merge_options o = {
        .struct_size = sizeof o, .model = GGUF, .adapter = peft, .chat_template = "{{ x }}"
    };
    return made = carat_merge(&o, fresh(), NULL, err);
}

static bool quantise(carat_err *err)
{
    static const char *const rules[] = { "attn_v=q8_0", "blk.0.*=q5_0" };
    const carat_quantize_options o = { .struct_size = sizeof o,
                                       .input = GGUF,
                                       .type = "q4_k_m",
                                       .rules = rules,
                                       .n_rules = 2,
                                       .imatrix = matrix,
                                       .n_threads = 2 };
    return made = carat_quantize(&o, fresh(), NULL, err);
}

static bool quantise_folder(carat_err *err)
{
    const carat_quantize_options o = {
        .struct_size = sizeof o, .input = TEXT, .target_bytes = 4 << 20, .n_threads = 1
    };
    return made = carat_quantize(&o, fresh(), NULL, err);
}

static bool on_difference(void *arg, const carat_difference *d)
{
    *(size_t *)arg += d->rmse >= 0;
    return true;
}

static bool compare(carat_err *err)
{
    size_t n = 0;
    const bool ok = carat_compare(TEXT, GGUF, 1, on_difference, &n, err);
    if (ok)
        assert_int_equal(n, 158);
    return ok;
}

static bool sum_up(const char *from, const char *to, carat_err *err)
{
    static const int32_t ids[] = { 2, 40, 41, 42 };
    carat_engine *e = open_engine(&(carat_options){ .importance = from, .n_sessions = 1 }, err);
    carat_session *s = NULL;
    const bool ok = e && carat_session_open(e, 0, &s, err) && carat_session_append(s, ids, 4, err) &&
                    carat_engine_write_importance(e, to, "a text", 4, 1, err);
    carat_session_close(s);
    carat_engine_close(e);
    return ok;
}

static bool importance(carat_err *err)
{
    return made = sum_up(matrix, fresh(), err);
}

static void files(void **state)
{
    (void)state;
    carat_err err;
    must(sum_up("", matrix, &err), &err);
    const trial trials[] = { { "merge", merge, whole_or_absent, 100 },
                             { "quantise", quantise, whole_or_absent, 40 },
                             { "quantise a folder to a size", quantise_folder, whole_or_absent, 30 },
                             { "compare", compare, NULL, 60 },
                             { "importance", importance, whole_or_absent, 60 } };
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++)
        sweep(&trials[i]);
}

static int set_up(void **state)
{
    (void)state;
    carat_model_info *m;
    if (!mkdtemp(folder) || !carat_model_describe(GGUF, &m, NULL))
        return -1;
    q_rows = m->n_head * m->head_dim;
    hidden = m->hidden;
    carat_model_info_free(m);
    snprintf(adapter, sizeof adapter, "%s/one.gguf", folder);
    snprintf(peft, sizeof peft, "%s/two", folder);
    snprintf(matrix, sizeof matrix, "%s/matrix.gguf", folder);
    snprintf(out, sizeof out, "%s/out.gguf", folder);
    write_gguf();
    write_peft();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char text[80];
    snprintf(text, sizeof text, "rm -r %s", folder);
    return system(text);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(adapters), cmocka_unit_test(drafts),
                                        cmocka_unit_test(embeddings), cmocka_unit_test(files) };
    int i = 1;
    if (UNIT_SANITIZED) {
        printf("skipped: a sanitizer has an allocator of its own\n");
        return 77;
    }
    sweep_takes_all = argc > i && strcmp(argv[i], "--all") == 0;
    i += sweep_takes_all;
    if (argc > i)
        UNIT_CHOOSE(tests, argv[i]);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
