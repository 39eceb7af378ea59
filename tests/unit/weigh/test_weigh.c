/* What a model needs: constants of the published models, real headers to the byte, sums, names, nonsense.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "../../unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpu/weights.h"
#include "weigh/names.h"
#include "weigh/weigh.h"

#define MIB 0x1p20

static ct_config config_of(const char *size)
{
    ct_config c;
    ct_config_of(ct_published_by_name(size), &c);
    return c;
}

/* ---- keys and values ---- */

static void whole_mib(double bytes, int expected)
{
    if (lround(bytes / MIB) != expected)
        fail_msg("%.3f MiB, expected %d", bytes / MIB, expected);
}

/* The formula of the Gemma 3 report's layout, one sequence of the 4B: bf16, all layers global, q8_0, q4_0; MiB. */
static void published_caches(void **state)
{
    (void)state;
    static const struct {
        size_t n_ctx;
        int bf16, all_global, q8_0, q4_0;
    } rows[] = {
        { 1024, 136, 136, 72, 38 },      { 8192, 276, 1088, 147, 78 },       { 32768, 756, 4352, 402, 213 },
        { 65536, 1396, 8704, 742, 393 }, { 131072, 2676, 17408, 1422, 753 },
    };
    ct_config c = config_of("4B"), wide = c;
    ct_config_pattern(&wide, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = rows[i].n_ctx;
        double q8 = ct_estimate_kv_formula(&c, n, 0, 1, 34), q4 = ct_estimate_kv_formula(&c, n, 0, 1, 18);
        assert_true(ct_estimate_kv_formula(&c, n, 0, 1, 64) == rows[i].bf16 * MIB);
        assert_true(ct_estimate_kv_formula(&wide, n, 0, 1, 64) == rows[i].all_global * MIB);
        whole_mib(q8, rows[i].q8_0);
        whole_mib(q4, rows[i].q4_0);
    }
    c = config_of("12B");
    assert_true(ct_estimate_kv_formula(&c, 131072, 0, 1, 64) == 8512 * MIB);
    c = config_of("27B");
    assert_true(ct_estimate_kv_formula(&c, 131072, 0, 1, 64) == 10656 * MIB);
    c = config_of("270M");
    whole_mib(ct_estimate_kv_formula(&c, 32768, 0, 1, 64), 104);
    c = config_of("1B");
    whole_mib(ct_estimate_kv_formula(&c, 32768, 0, 1, 64), 139);
}

static ct_estimate_cache cache_of(const ct_config *c, size_t n_ctx, size_t n_seqs, ct_kv_elem elem)
{
    const ct_cache_options o = { .context = n_ctx, .n_seqs = n_seqs, .max_batch = 512, .elem = elem };
    ct_estimate_cache kv;
    carat_err err = { 0 };
    if (!ct_estimate_kv(c, &o, &kv, &err))
        fail_msg("%s", err.msg);
    return kv;
}

/* What kv/ really takes: the global part to what describes its pages, the window's ring within two tiles of 64 of what
 * its positions (window + step - 1) need. The 4B: 20480 bytes a token and 118784 a cell. */
static void real_caches(void **state)
{
    (void)state;
    ct_config c = config_of("4B");
    double cells = (1024 + 512 - 1) * 118784.0, slack = 128 * 118784.0;
    double descriptions = (131072.0 / 64 + 32) * 1024; /* of pages */
    ct_estimate_cache kv = cache_of(&c, 131072, 1, CT_KV_F16), q8 = cache_of(&c, 131072, 1, CT_KV_Q8_0);
    assert_true((double)kv.global >= 131072 * 20480.0 && (double)kv.global <= 131072 * 20480.0 + descriptions);
    assert_true((double)kv.window >= cells && (double)kv.window <= cells + slack + descriptions);
    assert_true(kv.kept == 0);
    assert_true(fabs((double)q8.global * 32 / 17 - (double)kv.global) < 2 * descriptions);
    assert_true(q8.window < kv.window * 6 / 10);
    ct_estimate_cache wide = cache_of(&c, 131072, 1, CT_KV_F32);
    assert_true(wide.global > kv.global * 19 / 10 && wide.window > kv.window * 19 / 10);
    ct_config_pattern(&c, 0); /* no global layer at all */
    kv = cache_of(&c, 131072, 1, CT_KV_F16);
    assert_true(kv.global == 0 && kv.window > 0);
}

/* ---- weights ---- */

/* The real gemma-3-270m Q4_K_M file: 236 tensors; norms 109 F32, 81 Q5_0, 10 Q8_0, 27 Q4_K, 9 Q6_K; bytes by type as
 * its header gives them. */
static void real_header(void **state)
{
    (void)state;
    ct_config c = config_of("270M");
    ct_model *m;
    carat_err err;
    uint64_t tensors;
    assert_true(ct_estimate_describe(&c, "q4_k_m", &m, &tensors, &err));
    assert_true(tensors == 246587904);
    assert_true(tensors == 223744 + 179824640 + 43591680 + 13271040 + 9676800);
    int n[CT_N_TYPE] = { 0 };
    n[ct_model_type(m, CT_PART_EMBED, 0)]++;
    for (uint32_t i = 0; i < c.n_layer; i++)
        for (ct_part p = CT_FIRST_LAYER_PART; p < CT_N_PARTS; p++)
            if (!ct_part_get(p)->is_norm)
                n[ct_model_type(m, p, i)]++;
    assert_int_equal(n[CT_Q5_0], 81);
    assert_int_equal(n[CT_Q8_0], 10);
    assert_int_equal(n[CT_Q4_K], 27);
    assert_int_equal(n[CT_Q6_K], 9);
    ct_model_close(m);
}

/* Parameters of the Gemma 3 report's table 1, and Google's QAT file of the 4B, 3.16 GB for its f16 token table. */
static void published_parameters(void **state)
{
    (void)state;
    static const struct {
        const char *size;
        double embedding, rest; /* millions */
    } rows[] = { { "270M", 167.8, 100.3 },
                 { "1B", 302.0, 697.9 },
                 { "4B", 671.3, 3209.0 },
                 { "12B", 1006.9, 10759 },
                 { "27B", 1409.6, 25600.0 } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ct_config c = config_of(rows[i].size);
        ct_model *m;
        carat_err err;
        uint64_t tensors;
        assert_true(ct_estimate_describe(&c, "bf16", &m, &tensors, &err));
        double embedding = (double)c.n_vocab * c.hidden, all = (double)m->n_params;
        assert_true(fabs(embedding / 1e6 - rows[i].embedding) < 0.06 + rows[i].embedding * 1e-4);
        assert_true(fabs((all - embedding) / 1e6 - rows[i].rest) < 0.06 + rows[i].rest * 2e-4);
        ct_model_close(m);
    }
    ct_config c = config_of("4B");
    ct_model *m;
    carat_err err;
    uint64_t tensors;
    assert_true(ct_estimate_describe(&c, "QAT-q4_0", &m, &tensors, &err));
    assert_true(ct_model_type(m, CT_PART_EMBED, 0) == CT_F16 && ct_model_type(m, CT_PART_DOWN, 7) == CT_Q4_0);
    assert_true((double)tensors > 3.14e9 && (double)tensors < 3.17e9);
    ct_model_close(m);
}

/* 416.9 and 2.95 million parameters. */
static void published_tower(void **state)
{
    (void)state;
    ct_config c = config_of("4B");
    carat_err err;
    ct_tower *t;
    assert_true(ct_tower_imagine(&c.vision, c.hidden, CT_F32, &t, &err));
    assert_true(t->tensor_bytes == t->n_params * 4);
    double project = 1152.0 * 2560 + 1152, all = (double)t->n_params;
    assert_true(fabs((all - project) / 1e6 - 416.9) < 0.05 && fabs(project / 1e6 - 2.95) < 0.01);
    ct_tower_close(t);
}

/* ---- sums ---- */

#define OPTIONS(...) (&(const carat_options){ .struct_size = sizeof(carat_options), __VA_ARGS__ })

static carat_estimate_result weigh(const carat_weigh_query *q)
{
    carat_estimate_result w = { .struct_size = sizeof w };
    carat_err err = { 0 };
    if (!carat_weigh(q, &w, &err))
        fail_msg("%s", err.msg);
    return w;
}

static void sums(void **state)
{
    (void)state;
    static const char *const models[] = { "270m", "1b", "4b", "12b", "27b" };
    static const char *const quants[] = { "bf16", "q8_0", "q6_k", "q4_k_m", "q4_0", "qat-q4_0", "q2_k" };
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < sizeof quants / sizeof *quants; j++) {
            const carat_weigh_query q = { .struct_size = sizeof q,
                                          .model = models[i],
                                          .quant = quants[j],
                                          .options = OPTIONS(.n_ctx = 4096, .n_threads = 2) };
            carat_estimate_result w = weigh(&q);
            uint64_t weights = w.embedding + w.attention + w.ffn_weights + w.norms;
            assert_true(w.total == weights + w.vision + w.kv_global + w.kv_window + w.kv_kept + w.sessions + w.steps +
                                       w.scratch + w.image_scratch + w.image_cache + w.overhead);
            assert_true(w.norms < weights / 100); /* what is left for the norms is theirs alone */
            assert_true(w.includes_vision == (i >= 2) && (w.vision > 0) == (i >= 2));
            /* Packed matrices take no more than the file's, but for panels of 16 rows that are filled up. */
            assert_true(weights <= w.tensor_bytes + w.tensor_bytes / 100);
            assert_true(w.decode_bytes[0] == (double)weights && w.decode_bytes[1] > w.decode_bytes[0]);
        }
}

/* The figures of a described model are those that loading it would take: one walk lays out both. */
static ct_type all_q8(void *arg, ct_part part, size_t layer)
{
    (void)arg, (void)part, (void)layer;
    return CT_Q8_0;
}

static void described_as_loaded(void **state)
{
    (void)state;
    ct_config c = config_of("1B");
    ct_model *m, *q8;
    ct_weights described, loaded;
    carat_err err;
    uint64_t tensors;
    assert_true(ct_estimate_describe(&c, "q8_0", &m, &tensors, &err));
    assert_true(ct_model_imagine(&c, all_q8, NULL, &q8, &err));
    assert_true(ct_weights_describe(&described, m, &err) && ct_weights_describe(&loaded, q8, &err));
    assert_true(described.bytes == loaded.bytes);
    ct_weights_close(&described);
    ct_weights_close(&loaded);
    ct_model_close(m);
    ct_model_close(q8);
}

/* A file is weighed by its own tensors. */
static void files(void **state)
{
    (void)state;
    const carat_weigh_query q = { .struct_size = sizeof q,
                                  .model = TEST_DATA "/models/tiny-text/gguf/tiny-text-f32.gguf",
                                  .options = OPTIONS(.n_threads = 2) };
    carat_estimate_result w = weigh(&q);
    carat_model_info *info;
    carat_err err;
    assert_true(carat_model_describe(q.model, &info, &err));
    assert_true(w.is_file && w.embedding + w.attention + w.ffn_weights + w.norms == info->weight_bytes);
    assert_true(w.tensor_bytes == info->n_params * 4 && w.tensor_bytes < info->file_bytes);
    carat_model_info_free(info);
}

/* What an engine says that it reserved, part by part: weigh's own figures for the same settings. */
static void as_the_engine_has_it(const char *path, carat_options o, bool has_vision)
{
    carat_engine *e;
    carat_err err = { 0 };
    if (!carat_engine_open(path, &o, &e, &err))
        fail_msg("%s", err.msg);
    const carat_weigh_query q = { .struct_size = sizeof q, .model = path, .options = &o };
    carat_estimate_result w = weigh(&q);
    carat_memory m = *carat_engine_memory(e);
    uint64_t pixels = w.image_scratch - m.vision_work; /* of a prompt's view, which the engine does not hold */
    assert_true(w.includes_vision == has_vision && (m.vision_weights > 0) == has_vision);
    assert_true(w.embedding + w.attention + w.ffn_weights + w.norms == m.weights && w.vision == m.vision_weights);
    assert_true(w.kv_global + w.kv_window + w.kv_kept == m.kv_global + m.kv_local + m.kv_index);
    assert_true(w.scratch == m.work && w.steps == m.logits && w.image_cache == m.images);
    assert_true(has_vision ? pixels > 0 && pixels % 3 == 0 : w.image_scratch == 0);
    assert_true(w.sessions == m.session * w.n_sessions);
    assert_true(w.draft == m.draft && (m.draft > 0) == (o.draft != NULL));
    assert_true(w.total - w.overhead - w.sessions - pixels == m.total);
    carat_engine_close(e);
}

static void engines(void **state)
{
    (void)state;
    static const char text[] = TEST_DATA "/models/tiny-text/gguf/tiny-text-f32.gguf",
                      sight[] = TEST_DATA "/models/tiny-sight";
    as_the_engine_has_it(text, (carat_options){ .struct_size = sizeof(carat_options), .n_threads = 2 }, false);
    as_the_engine_has_it(
        text, (carat_options){ .struct_size = sizeof(carat_options), .n_threads = 1, .n_sessions = 4, .draft = sight },
        false);
    as_the_engine_has_it(
        text,
        (carat_options){
            .struct_size = sizeof(carat_options), .n_threads = 1, .n_sessions = 5, .n_ctx = 100, .chunk = 7 },
        false);
    as_the_engine_has_it(
        text, (carat_options){ .struct_size = sizeof(carat_options), .n_threads = 2, .is_exact = true, .n_ctx = 64 },
        false);
    as_the_engine_has_it(
        text,
        (carat_options){
            .struct_size = sizeof(carat_options), .n_threads = 2, .omits_prefix_cache = true, .n_sessions = 2 },
        false);
    as_the_engine_has_it(
        text, (carat_options){ .struct_size = sizeof(carat_options), .n_threads = 2, .prefix_cache = 3 << 20 }, false);
    as_the_engine_has_it(sight, (carat_options){ .struct_size = sizeof(carat_options), .n_threads = 2 }, true);
    as_the_engine_has_it(
        sight,
        (carat_options){
            .struct_size = sizeof(carat_options), .n_threads = 2, .chunk = 4, .image_cache = 3, .n_sessions = 3 },
        true);
    as_the_engine_has_it(
        sight, (carat_options){ .struct_size = sizeof(carat_options), .n_threads = 2, .vision = CARAT_VISION_OFF },
        false);
}

static void logits_are_finite(const char *path)
{
    enum { N_PROMPT = 40 };
    carat_engine *e;
    carat_session *s;
    carat_err err = { 0 };
    int32_t ids[N_PROMPT];
    for (int i = 0; i < N_PROMPT; i++)
        ids[i] = 300 + 17 * i;
    if (!carat_engine_open(path, &(carat_options){ .struct_size = sizeof(carat_options), .n_threads = 2, .n_ctx = 64 },
                           &e, &err) ||
        !carat_session_open(e, 64, &s, &err) || !carat_session_append(s, ids, N_PROMPT, &err))
        fail_msg("%s", err.msg);
    const float *logits = carat_session_logits(s);
    double sum = 0;
    for (size_t i = 0; i < 2048; i++)
        sum += fabsf(logits[i]);
    assert_true(isfinite(sum) && sum > 1);
    carat_session_close(s);
    carat_engine_close(e);
}

/* The codebook types take more memory than the file, and it is counted: a model of random bits in each mix. Bytes of
 * 256 weights as the file has them and packed (quant/pack.h); what is no IQ1, IQ2 or IQ3 is alike. */
static void recoded_types(void **state)
{
    (void)state;
    static const struct {
        const char *mix;
        struct {
            unsigned ffn, qk, v, o;
        } file, packed;
        unsigned table;
    } known[] = {
        { "iq3_m", { 110, 110, 144, 144 }, { 134, 134, 144, 144 }, 210 },
        { "iq3_s", { 110, 110, 110, 110 }, { 134, 134, 134, 134 }, 210 },
        { "iq3_xxs", { 98, 82, 98, 110 }, { 134, 106, 134, 134 }, 176 },
        { "iq2_m", { 82, 82, 110, 110 }, { 106, 106, 134, 134 }, 176 },
        { "iq2_s", { 74, 74, 110, 110 }, { 106, 106, 134, 134 }, 176 },
        { "iq2_xs", { 74, 74, 84, 74 }, { 106, 106, 84, 106 }, 176 },
        { "iq2_xxs", { 66, 66, 84, 66 }, { 102, 102, 84, 102 }, 176 },
        { "iq1_m", { 56, 56, 84, 66 }, { 106, 106, 84, 102 }, 176 },
        { "iq1_s", { 50, 50, 84, 66 }, { 102, 102, 84, 102 }, 176 },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const carat_shape thin = { .struct_size = sizeof thin,
                                   .size = "4b",
                                   .n_layer = 2,
                                   .hidden = 256,
                                   .ffn = 512,
                                   .n_head = 4,
                                   .n_kv_head = 2,
                                   .head_dim = 64,
                                   .n_vocab = 2048,
                                   .type = known[i].mix };
        char path[] = "/tmp/carat-codebook-XXXXXX";
        carat_err err = { 0 };
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        close(fd);
        if (!carat_synth(&thin, path, NULL, NULL, &err))
            fail_msg("%s", err.msg);
        const carat_weigh_query q = { .struct_size = sizeof q, .model = path, .options = OPTIONS(.n_threads = 2) };
        carat_estimate_result w = weigh(&q);
        uint64_t ffn = 2 * 3 * 512, qk = 2 * (256 + 128), v = 2 * 128, o = 2 * 256; /* blocks of 256 */
        assert_int_equal(w.ffn_weights, ffn * known[i].packed.ffn);
        assert_int_equal(w.attention, qk * known[i].packed.qk + v * known[i].packed.v + o * known[i].packed.o);
        assert_int_equal(w.embedding, 2048 * known[i].table);
        assert_int_equal(w.tensor_bytes, ffn * known[i].file.ffn + qk * known[i].file.qk + v * known[i].file.v +
                                             o * known[i].file.o + 2048 * known[i].table + w.norms);
        as_the_engine_has_it(path, (carat_options){ .struct_size = sizeof(carat_options), .n_threads = 2 }, false);
        logits_are_finite(path);
        unlink(path);
    }
}

static bool give_up(void *arg, uint64_t done, uint64_t total)
{
    assert_true(done < total);
    *(uint64_t *)arg = done;
    return false;
}

/* Within a large tensor too, a second's work. */
static void making_up_can_be_given_up(void **state)
{
    (void)state;
    const carat_shape wide = {
        .struct_size = sizeof wide, .size = "4b", .n_layer = 1, .n_vocab = 20000, .type = "bf16"
    };
    char path[] = "/tmp/carat-given-up-XXXXXX";
    carat_err err = { 0 };
    uint64_t done = 0;
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
    assert_false(carat_synth(&wide, path, give_up, &done, &err));
    assert_int_equal(err.code, CARAT_ECANCELLED);
    assert_true(done > 0 && done < 20 * MIB); /* of a table of 98 MiB */
    assert_int_not_equal(access(path, F_OK), 0);
}

/* Published sizes to their last digit; the vocabulary and the header take 7 MB of a file. */
static void published_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *model, *quant;
        double gb;
    } known[] = {
        { "12b", "iq3_xs", 5.21 }, { "4b", "q4_k_m", 2.49 }, { "4b", "q4_1", 2.56 }, { "4b", "q5_k_m", 2.83 }
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const carat_weigh_query q = { .struct_size = sizeof q,
                                      .model = known[i].model,
                                      .quant = known[i].quant,
                                      .options = OPTIONS(.n_threads = 2) };
        assert_true(fabs(((double)weigh(&q).tensor_bytes + 7e6) / 1e9 - known[i].gb) < 0.0051);
    }
}

static void more_is_more(void **state)
{
    (void)state;
    carat_options o = { .struct_size = sizeof o, .n_ctx = 4096, .n_threads = 2 };
    carat_weigh_query q = { .struct_size = sizeof q, .model = "4b", .options = &o };
    carat_estimate_result one = weigh(&q), w;
    o.n_sessions = 4;
    w = weigh(&q);
    assert_true(w.kv_global > one.kv_global * 39 / 10 && w.kv_global <= 4 * one.kv_global);
    assert_true(w.kv_window > one.kv_window * 39 / 10 && w.vision == one.vision);
    q.shared = 1000; /* 15 pages of 64 that three of the four need not write */
    w = weigh(&q);
    assert_true(w.kv_shared >= 3 * 960 * 20480 && w.kv_shared <= 3 * (960 * 20480 + 32768));
    o = (carat_options){ .struct_size = sizeof o, .n_ctx = 4096, .n_threads = 2 };
    q = (carat_weigh_query){ .struct_size = sizeof(carat_weigh_query), .model = "4b", .options = &o, .n_images = 3 };
    w = weigh(&q);
    assert_true(w.image_scratch - one.image_scratch == 2 * 896 * 896 * 3);
    o.image_cache = 100;
    w = weigh(&q);
    assert_true(w.image_cache - one.image_cache >= 68 * 256 * 2560 * 4);
    o.vision = CARAT_VISION_OFF;
    w = weigh(&q);
    assert_true(w.vision == 0 && w.image_scratch == 0 && w.has_vision && !w.includes_vision && w.total < one.total);
    o.prefix_cache = 0, o.omits_prefix_cache = true;
    assert_true(w.kv_kept > 0 && weigh(&q).kv_kept == 0);
}

static void largest(void **state)
{
    (void)state;
    carat_options o = { .struct_size = sizeof o, .n_threads = 2 };
    carat_weigh_query q = { .struct_size = sizeof q, .model = "4b", .quant = "q4_0", .options = &o };
    carat_err err;
    size_t n;
    uint64_t room = (uint64_t)9 << 29; /* 4.5 GiB */
    assert_true(carat_weigh_largest(&q, room, &n, &err));
    assert_true(n >= 256 && n < 131072 && n % 256 == 0);
    o.n_ctx = n;
    assert_true(weigh(&q).total <= room);
    o.n_ctx = n + 256;
    assert_true(weigh(&q).total > room);
    assert_true(carat_weigh_largest(&q, (uint64_t)1 << 30, &n, &err) && n == 0);
    assert_true(carat_weigh_largest(&q, (uint64_t)1 << 40, &n, &err) && n == 131072);
}

/* ---- names ---- */

static void named(const char *name, const char *title, bool has_vision, const char *quant)
{
    ct_named n;
    carat_err err = { 0 };
    if (!ct_weigh_name(name, &n, &err))
        fail_msg("%s: %s", name, err.msg);
    assert_string_equal(n.title, title);
    assert_true(n.has_vision == has_vision);
    assert_true(quant ? n.quant && strcmp(n.quant, quant) == 0 : !n.quant);
}

static void unnamed(const char *name, const char *says)
{
    ct_named n;
    carat_err err = { 0 };
    assert_false(ct_weigh_name(name, &n, &err));
    if (!strstr(err.msg, says))
        fail_msg("%s: '%s' does not say '%s'", name, err.msg, says);
}

static void names(void **state)
{
    (void)state;
    named("4b", "Gemma 3 4B", true, NULL);
    named("270M", "Gemma 3 270M", false, NULL);
    named("google/gemma-3-4b-it", "Gemma 3 4B", true, NULL);
    named("google/gemma-3-1b-pt", "Gemma 3 1B", false, NULL);
    named("google/gemma-3-12b-it-qat-q4_0-gguf", "Gemma 3 12B", true, "qat-q4_0");
    named("google/gemma-3-4b-it-qat-q4_0-unquantized", "Gemma 3 4B", true, "bf16");
    named("gemma3:4b-it-q4_K_M", "Gemma 3 4B", true, "q4_k_m");
    named("unsloth/gemma-3-27b-it-GGUF", "Gemma 3 27B", true, NULL);
    named("google/medgemma-27b-text-it", "MedGemma 27B text", false, NULL);
    named("medgemma-1.5-4b-it", "MedGemma 1.5 4B", true, NULL);
    named("shieldgemma-2-4b-it", "ShieldGemma 2 4B", true, NULL);
    named("google/translategemma-12b-it", "TranslateGemma 12B", true, NULL);
    named("functiongemma", "FunctionGemma 270M", false, NULL);
    named("google/functiongemma-270m-it", "FunctionGemma 270M", false, NULL);
    unnamed("gemma-3n-e4b-it", "Gemma 3n has another architecture");
    named("google/embeddinggemma-300m", "EmbeddingGemma 300M", false, NULL);
    named("300m", "EmbeddingGemma 300M", false, NULL);
    named("embeddinggemma-300m-qat-q8_0", "EmbeddingGemma 300M", false, "q8_0");
    unnamed("google/embeddinggemma-2-270m", "EmbeddingGemma 2 has another architecture");
    unnamed("google/vaultgemma-1b", "VaultGemma");
    unnamed("google/t5gemma-2-4b-4b", "T5Gemma 2");
    unnamed("t5gemma-2b", "T5Gemma");
    unnamed("Qwen/Qwen3-4B", "Qwen");
    unnamed("gemm-3-4b-it", "did you mean gemma-3-4b-it?");
    unnamed("5b", "did you mean");
    unnamed("medgemma-12b", "did you mean medgemma");
    unnamed("translategemma-1b", "did you mean translategemma");
    unnamed("", "known are");
    unnamed("////", "known are");
    char longest[3000];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    unnamed(longest, "known are");
}

/* ---- nonsense ---- */

static void refused(const carat_weigh_query *q, const char *says)
{
    carat_estimate_result w = { .struct_size = sizeof w };
    carat_err err = { 0 };
    assert_false(carat_weigh(q, &w, &err));
    if (!strstr(err.msg, says))
        fail_msg("'%s' does not say '%s'", err.msg, says);
}

#define Q(...) (&(carat_weigh_query){ .struct_size = sizeof(carat_weigh_query), __VA_ARGS__ })
#define SHAPE(...)                                                                                                     \
    .shape = &(carat_shape)                                                                                            \
    {                                                                                                                  \
        .struct_size = sizeof(carat_shape), __VA_ARGS__                                                                \
    }

static void nonsense(void **state)
{
    (void)state;
    refused(Q(.options = OPTIONS(.n_ctx = 1000000000000)),
            "context of 1000000000000 tokens was requested, but Gemma 3 4B has 131072");
    refused(Q(.options = OPTIONS(.n_ctx = SIZE_MAX)), "131072");
    refused(Q(.quant = "q9_9"), "no quantisation 'q9_9'");
    refused(Q(.quant = ""), "no quantisation");
    refused(Q(.options = OPTIONS(.chunk = 100000)), "expected at most 8192");
    refused(Q(.options = OPTIONS(.n_sessions = (size_t)1 << 40)), "sessions");
    refused(Q(.options = OPTIONS(.n_threads = -3)), "threads");
    refused(Q(.options = OPTIONS(.n_threads = 100000)), "threads");
    refused(Q(.options = OPTIONS(.cpu = "z80")), "z80");
    refused(Q(.model = "/nonexistent/model.gguf"), "/nonexistent/model.gguf");
    refused(Q(.model = "1b", .options = OPTIONS(.vision = CARAT_VISION_REQUIRED)),
            "Gemma 3 1B: this model has no vision tower");
    refused(Q(.model = TEST_DATA "/models/tiny-text", .options = OPTIONS(.vision = CARAT_VISION_REQUIRED)),
            "no vision tower");
    refused(Q(.model = "4b", .options = OPTIONS(.mmproj = "mmproj.gguf")), "--mmproj is only for a model's file");
    refused(Q(.shared = 10000, .options = OPTIONS(.n_ctx = 4096)), "10000 shared tokens");
    refused(Q(SHAPE(.n_layer = 1000)), "number of layers is 1000, expected 1 to 256");
    refused(Q(SHAPE(.hidden = (size_t)1 << 40)), "hidden");
    refused(Q(SHAPE(.n_head = 7)), "heads");
    refused(Q(SHAPE(.head_dim = 255)), "head dimension");
    refused(Q(SHAPE(.pattern = 10000)), "pattern");
    refused(Q(.model = TEST_DATA "/models/tiny-text/gguf/tiny-text-f32.gguf", .quant = "q4_0"), "its own types");
    refused(Q(.model = TEST_DATA "/models/tiny-text/gguf/tiny-text-f32.gguf", SHAPE(.n_layer = 2)), "its own shape");
    /* The largest shape there may be and the largest context: a figure or a refusal, nothing wraps. */
    carat_shape huge = { .struct_size = sizeof huge,
                         .n_layer = 256,
                         .hidden = 65536,
                         .ffn = 524288,
                         .n_head = 1024,
                         .n_kv_head = 1024,
                         .head_dim = 512,
                         .n_vocab = 1 << 20,
                         .window = 1 << 24,
                         .context = 1 << 24,
                         .pattern = 1 };
    carat_estimate_result w = { .struct_size = sizeof w };
    carat_err err;
    carat_options o = { .struct_size = sizeof o, .n_ctx = 1 << 24, .n_threads = 2 };
    carat_weigh_query q = { .struct_size = sizeof q, .model = "270m", .shape = &huge, .quant = "f32", .options = &o };
    if (carat_weigh(&q, &w, &err))
        assert_true((double)w.total > 4.0 * (double)w.n_params && (double)w.kv_global > 1e15);
    o.n_sessions = 4096;
    refused(&q, "do not fit");
}

/* ---- speed ---- */

static void must_give_speed(const carat_estimate_result *w, const carat_device *d, carat_speed *out)
{
    carat_err err;
    if (!carat_weigh_speed(w, d, out, &err))
        fail_msg("%s", err.msg);
}

static void speeds(void **state)
{
    (void)state;
    const carat_weigh_query q = {
        .struct_size = sizeof q, .model = "4b", .quant = "q4_0", .options = OPTIONS(.n_ctx = 32768, .n_threads = 2)
    };
    carat_estimate_result w = weigh(&q);
    /* 6.42 Gop a token, 5.5 Top an image. */
    assert_true(fabs(w.prefill_ops[0] / 1e9 - 6.42) < 0.01 && fabs(w.image_ops / 1e12 - 5.5) < 0.1);
    /* 20480 bytes a token in global layers, 118784 in local ones. */
    assert_true(w.decode_bytes[1] - w.decode_bytes[0] == 32768 * 20480.0 + 1024 * 118784.0);
    const carat_device *d;
    carat_speed s = { .struct_size = sizeof s };
    for (size_t i = 0; (d = carat_device_at(i)); i++) {
        must_give_speed(&w, d, &s);
        assert_true((s.decode[0] > 0) == (d->bandwidth > 0) && s.decode[0] <= s.decode[1]);
        assert_true(s.decode_full[0] <= s.decode[0] && s.prefill[0] <= s.prefill[1] && s.image[0] <= s.image[1]);
        assert_true((s.prefill[0] > 0) == (d->fp16 > 0 || d->fp32 > 0));
        assert_true(s.decode[1] * w.decode_bytes[0] <= d->bandwidth);
    }
}

/* Weights by type are all weights; a machine that was measured is bound by what its products reach with each. */
static void measured_speeds(void **state)
{
    (void)state;
    const carat_weigh_query q = {
        .struct_size = sizeof q, .model = "4b", .quant = "q4_k_m", .options = OPTIONS(.n_ctx = 4096, .n_threads = 2)
    };
    carat_estimate_result w = weigh(&q);
    carat_rates r = { .struct_size = sizeof r, .decode = { 0 } };
    carat_device d = {
        .struct_size = sizeof d, .name = "x", .kind = "here", .bandwidth = 40e9, .int8 = 1e12, .measured = &r
    };
    carat_speed s = { .struct_size = sizeof s };
    double bytes = 0, ops = 0;
    for (size_t i = 0; i < CARAT_WEIGHT_TYPES; i++)
        bytes += w.weight_bytes_of[i], ops += w.weight_ops_of[i];
    assert_true(fabs(bytes / w.decode_bytes[0] - 1) < 1e-12 && fabs(ops / w.prefill_ops[0] - 1) < 1e-12);
    assert_true(fabs(w.image_attention_ops / 1e12 - 2.09) < 0.01);
    assert_true(w.weight_bytes_of[CT_Q4_K] > 0 && w.weight_bytes_of[CT_Q6_K] > 0);
    assert_int_equal(w.tower_type, CT_F16);
    must_give_speed(&w, &d, &s); /* no type was measured: bandwidth and int8 stand in */
    assert_true(fabs(s.decode[1] * w.decode_bytes[0] / 40e9 - 1) < 1e-12);
    assert_true(s.prefill[0] * w.prefill_ops[0] < 1e12 && s.prefill[1] * w.prefill_ops[0] > 1e12);
    assert_true(s.image[1] == 0);
    r.decode[CT_Q4_K] = 20e9; /* slower than memory */
    r.batch[CT_F16] = 0.2e12;
    must_give_speed(&w, &d, &s);
    double rest = w.decode_bytes[0] - w.weight_bytes_of[CT_Q4_K];
    assert_true(fabs(s.decode[1] * (w.weight_bytes_of[CT_Q4_K] / 20e9 + rest / 40e9) - 1) < 1e-12);
    assert_true(s.decode_full[1] < s.decode[1]);
    assert_true(s.image[1] == 0); /* of attention in f32 nothing is known yet */
    r.batch[CT_F32] = 0.1e12;
    must_give_speed(&w, &d, &s);
    double image = (w.image_ops - w.image_attention_ops) / 0.2e12 + w.image_attention_ops / 0.1e12;
    assert_true(s.image[0] < image && s.image[1] > image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_caches),
        cmocka_unit_test(real_caches),
        cmocka_unit_test(real_header),
        cmocka_unit_test(published_parameters),
        cmocka_unit_test(published_tower),
        cmocka_unit_test(sums),
        cmocka_unit_test(described_as_loaded),
        cmocka_unit_test(files),
        cmocka_unit_test(engines),
        cmocka_unit_test(recoded_types),
        cmocka_unit_test(making_up_can_be_given_up),
        cmocka_unit_test(published_sizes),
        cmocka_unit_test(more_is_more),
        cmocka_unit_test(largest),
        cmocka_unit_test(names),
        cmocka_unit_test(nonsense),
        cmocka_unit_test(speeds),
        cmocka_unit_test(measured_speeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
