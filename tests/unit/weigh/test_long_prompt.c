/* test_long_prompt.c - a prompt of 40,000 tokens, or of 100,000 (CARAT_TEST_EXHAUSTIVE), through a whole engine: it stays
 * finite, and what the process holds at its peak is no more than was announced before.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "carat_weigh.h"
#include "unit.h"

#define N_MOST   ((size_t)100000) /* attention takes the square of it */
#define N_PROMPT ((size_t)40000)
#define N_Q8     ((size_t)20000)
#define N_VOCAB  4096
#define MIB      (1.0 / (1 << 20))

/* A figure of /proc/self/status, in bytes. */
static uint64_t status_of(const char *name)
{
    char line[160];
    unsigned long long kib = 0;
    size_t n = strlen(name);
    FILE *f = fopen("/proc/self/status", "re");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, name, n) == 0 && line[n] == ':')
            kib = strtoull(line + n + 1, NULL, 10);
    fclose(f);
    assert_true(kib > 0);
    return (uint64_t)kib << 10;
}

/* Thin, but with the 4B's context, window and order of layers. */
static void make_model(char path[32])
{
    const carat_shape thin = { .struct_size = sizeof thin,
                               .size = "4b",
                               .n_layer = 6,
                               .hidden = 256,
                               .ffn = 512,
                               .n_head = 2,
                               .n_kv_head = 1,
                               .head_dim = 64,
                               .n_vocab = N_VOCAB,
                               .type = "q8_0" };
    carat_err err = { 0 };
    snprintf(path, 32, "/tmp/carat-thin-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    if (!carat_synth(&thin, path, NULL, NULL, &err))
        fail_msg("%s", err.msg);
}

static void read_prompt(carat_session *s, size_t n)
{
    int32_t *ids = calloc(n, sizeof *ids);
    carat_err err = { 0 };
    assert_non_null(ids);
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)(300 + i * 7919 % (N_VOCAB - 300));
    if (!carat_session_append(s, ids, n, &err))
        fail_msg("%s", err.msg);
    free(ids);
    assert_int_equal(carat_session_n_tokens(s), n);
    const float *logits = carat_session_logits(s);
    for (size_t i = 0; i < N_VOCAB; i++)
        assert_true(isfinite(logits[i]));
}

static void answer(carat_session *s)
{
    carat_err err = { 0 };
    carat_result r = { .struct_size = sizeof r };
    const carat_generation g = { .struct_size = sizeof g, .max_tokens = 32, .ignores_eos = true };
    if (!carat_session_generate(s, &g, &r, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(r.n_generated, 32);
}

static void long_prompt(carat_cache_type cache, const char *name, size_t n)
{
    char path[32];
    carat_engine *e;
    carat_session *s = NULL;
    carat_estimate_result w = { .struct_size = sizeof w };
    carat_err err = { 0 };
    const carat_options o = { .struct_size = sizeof o, .n_threads = 2, .n_ctx = 131072, .cache = cache };
    const carat_weigh_query q = { .struct_size = sizeof q, .model = path, .options = &o };
    make_model(path);
    assert_true(carat_weigh(&q, &w, &err));
    uint64_t base = status_of("VmRSS");
    if (!carat_engine_open(path, &o, &e, &err) || !carat_session_open(e, 0, &s, &err))
        fail_msg("%s", err.msg);
    const carat_memory m = *carat_engine_memory(e);
    read_prompt(s, n);
    answer(s);
    uint64_t peak = status_of("VmHWM");
    print_message("%s: %.1f MiB before, %.1f announced by the engine, %.1f of the session, %.1f weighed; peak %.1f\n",
                  name, (double)base * MIB, (double)m.total * MIB, (double)w.sessions * MIB, (double)w.total * MIB,
                  (double)peak * MIB);
    assert_true(m.kv_global >= n * 2 * 64 * (cache == CARAT_CACHE_F16 ? 64 : 34) / 32);
    assert_true(UNIT_SANITIZED || peak <= w.total);
    /* The test's own ids; half a huge page at the end of each of the engine's eight or so large blocks. */
    assert_true(UNIT_SANITIZED || peak <= base + m.total + w.sessions + n * 4 + (8 << 20));
    carat_session_close(s);
    carat_engine_close(e);
    unlink(path);
}

static void long_prompt_q8(void **state)
{
    (void)state;
    long_prompt(CARAT_CACHE_Q8_0, "q8_0", unit_is_exhaustive() ? N_MOST : N_Q8);
}

/* Last: the larger cache, so that the peak is its own. */
static void long_prompt_f16(void **state)
{
    (void)state;
    long_prompt(CARAT_CACHE_F16, "f16", unit_is_exhaustive() ? N_MOST : N_PROMPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_prompt_q8),
        cmocka_unit_test(long_prompt_f16),
    };
    return cmocka_run_group_tests_name("a long prompt", tests, NULL, NULL);
}
