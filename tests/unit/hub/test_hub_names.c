/* test_hub_names.c - names of models at a hub, files, quantisations.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "hub/name.h"
#include "hub/short.h"
#include "unit.h"

static void names_of_models(void **state)
{
    static const struct {
        const char *name, *repo, *tag, *revision, *file, *host;
    } rows[] = {
        { "o/r", "o/r", "", "", "", "" },
        { "o/r:Q4_K_M", "o/r", "Q4_K_M", "", "", "" },
        { "o/r:sub/x-Q4_0.gguf", "o/r", "sub/x-Q4_0.gguf", "", "", "" },
        { "hf.co/o/r:Q8_0", "o/r", "Q8_0", "", "", "hf.co" },
        { "hf://o/r", "o/r", "", "", "", "" },
        { "huggingface.co/o/r", "o/r", "", "", "", "huggingface.co" },
        { "https://huggingface.co/o/r/", "o/r", "", "", "", "huggingface.co" },
        { "https://localhost:8080/o/r/tree/v1.0", "o/r", "", "v1.0", "", "localhost:8080" },
        { "https://huggingface.co/o/r/blob/main/a/x.gguf?x=y#z", "o/r", "", "main", "a/x.gguf", "huggingface.co" },
        { "gemma-3-4b-it", "ggml-org/gemma-3-4b-it-GGUF", "", "", "", "" },
        { "Gemma3:4b", "ggml-org/gemma-3-4b-it-GGUF", "", "", "", "" },
        { "gemma3", "ggml-org/gemma-3-4b-it-GGUF", "", "", "", "" },
        { "gemma-3-4b-it:Q8_0", "ggml-org/gemma-3-4b-it-GGUF", "Q8_0", "", "", "" },
        { "gemma3:4b-it-q4_K_M", "ggml-org/gemma-3-4b-it-GGUF", "q4_K_M", "", "", "" },
        { "gemma3:4b-it-qat", "google/gemma-3-4b-it-qat-q4_0-gguf", "", "", "", "" },
        { "gemma-3-270m", "ggml-org/gemma-3-270m-GGUF", "", "", "", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ct_hub_name n;
        carat_err err;
        if (!ct_hub_name_read(rows[i].name, &n, &err))
            fail_msg("%s: %s", rows[i].name, err.msg);
        assert_string_equal(n.repo, rows[i].repo);
        assert_string_equal(n.tag, rows[i].tag);
        assert_string_equal(n.revision, rows[i].revision);
        assert_string_equal(n.file, rows[i].file);
        assert_string_equal(n.host, rows[i].host);
    }
}

static void what_is_no_name(void **state)
{
    static const char *const names[] = {
        "",
        "x",
        "gemma-3-5b-it",
        "o/",
        "/r",
        "o/r/",
        "o//r",
        "../r",
        "o/..",
        "o/.r",
        "o/-r",
        "o/a..b",
        "o/r:",
        "o/r:..",
        "o/r:/x",
        "o/r:a/../b",
        "o/r/x.gguf",
        "o/r\n",
        "o/r\xff",
        "o/r s",
        "https://",
        "https://h",
        "https://h/o",
        "https://h/o/r/x",
        "https://h/o/r/resolve/main",
        "https://h/o/r/resolve/main/",
        "https://h/o/r/resolve/../x",
        "https://h/o/r/tree/main/sub",
        "https://h/o/r/resolve/main/../../x",
        "https://u@h/o/r",
        "hf.co/o",
        "hf.co",
    };
    static char lengthy[4000];
    (void)state;
    memset(lengthy, 'a', sizeof lengthy - 1);
    lengthy[1] = '/';
    for (size_t i = 0; i <= sizeof names / sizeof *names; i++) {
        const char *name = i < sizeof names / sizeof *names ? names[i] : lengthy;
        ct_hub_name n;
        carat_err err = { 0 };
        if (ct_hub_name_read(name, &n, &err))
            fail_msg("'%s' is taken for %s", name, n.repo);
        assert_int_equal(err.code, CARAT_EARG);
    }
}

static void what_may_be_a_file(void **state)
{
    static const char *const good[] = {
        "x.gguf", "a/b/c.gguf", "x y.gguf", "ü.gguf", "model-00001-of-00002.safetensors", "a..b"
    };
    static const char *const bad[] = { "",
                                       "/x",
                                       "x/",
                                       "a//b",
                                       "..",
                                       "../x",
                                       "a/../b",
                                       "a/..",
                                       ".",
                                       ".x",
                                       "a/.x",
                                       "-x",
                                       " x",
                                       "a\\b",
                                       "a\nb",
                                       "a\x1b[2J",
                                       "a\xe2\x80\xae",
                                       "a\xff",
                                       "x.part",
                                       "a/x.PART",
                                       "x.part.json",
                                       "carat-manifest.json",
                                       "a/Carat-Manifest.JSON" };
    char lengthy[HUB_MAX_FILE + 2];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!ct_hub_file_is_name(good[i]))
            fail_msg("'%s' is refused", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (ct_hub_file_is_name(bad[i]))
            fail_msg("'%s' is taken", bad[i]);
    memset(lengthy, 'a', sizeof lengthy);
    for (size_t n = 235; n < sizeof lengthy; n++) { /* 240 in one step, and in all less than HUB_MAX_FILE */
        lengthy[n] = '\0';
        assert_int_equal(ct_hub_file_is_name(lengthy), n <= 240);
        lengthy[n] = 'a';
    }
    for (size_t n = 0; n < sizeof lengthy; n += 2)
        lengthy[n] = 'a', lengthy[n + 1] = '/';
    lengthy[HUB_MAX_FILE - 1] = '\0';
    assert_true(ct_hub_file_is_name(lengthy));
    lengthy[HUB_MAX_FILE - 1] = '/', lengthy[HUB_MAX_FILE + 1] = '\0';
    assert_false(ct_hub_file_is_name(lengthy));
}

static void quantisations_of_files(void **state)
{
    static const struct {
        const char *file, *tag;
        bool is_quant;
    } rows[] = {
        { "gemma-3-4b-it-Q4_K_M.gguf", "Q4_K_M", true },
        { "gemma-3-4b-it-q4_0.gguf", "Q4_0", true },
        { "a/google_gemma-3-4b-it-IQ3_XXS.gguf", "IQ3_XXS", true },
        { "gemma-3-4b-it.Q8_0.GGUF", "Q8_0", true },
        { "gemma-3-4b-it-UD-Q2_K_XL.gguf", "UD-Q2_K_XL", true },
        { "gemma-3-4b-it-qat-Q4_0.gguf", "Q4_0", true },
        { "x-BF16-00001-of-00002.gguf", "BF16", true },
        { "x-q4_k_m-imat.gguf", "Q4_K_M", true },
        { "gemma-3-4b-it-f16.gguf", "F16", true },
        { "gemma-3-4b-it.gguf", "gemma-3-4b-it", false },
        { "a/Quality.gguf", "Quality", false },
        { "q9_0.gguf", "q9_0", false },
        { "x", "x", false },
        { ".gguf", "", false },
        { "-00001-of-00002.gguf", "-00001-of-00002", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char tag[HUB_MAX_TAG];
        bool is_quant = ct_hub_tag_of(rows[i].file, tag);
        if (is_quant != rows[i].is_quant || strcmp(tag, rows[i].tag) != 0)
            fail_msg("%s: %d '%s'", rows[i].file, is_quant, tag);
    }
}

static void parts_of_split_files(void **state)
{
    size_t stem;
    unsigned part, n;
    (void)state;
    assert_true(ct_hub_part_of("a/x-00002-of-00010.gguf", &stem, &part, &n));
    assert_int_equal(stem, 3);
    assert_int_equal(part, 2);
    assert_int_equal(n, 10);
    assert_false(ct_hub_part_of("x-00000-of-00002.gguf", &stem, &part, &n));
    assert_false(ct_hub_part_of("x-00003-of-00002.gguf", &stem, &part, &n));
    assert_false(ct_hub_part_of("x-0001-of-0002.gguf", &stem, &part, &n));
    assert_false(ct_hub_part_of("x.gguf", &stem, &part, &n));
}

/* A row's names are of that row alone, and its repository can be one. */
static void short_names_are_told_apart(void **state)
{
    (void)state;
    for (size_t i = 0; ct_short_at(i); i++) {
        const char *names = ct_short_at(i)->names;
        char name[128], shown[64];
        for (const char *k = names; *k; k += strspn(k, " ")) {
            size_t n = strcspn(k, " ");
            const char *tag;
            assert_true(n > 0 && n < 64);
            snprintf(name, sizeof name, "%.*s", (int)n, k);
            assert_ptr_equal(ct_short_find(name, &tag), ct_short_at(i));
            assert_string_equal(tag, "");
            snprintf(name, sizeof name, "%.*s:Q4_K_M", (int)n, k);
            assert_ptr_equal(ct_short_find(name, &tag), ct_short_at(i));
            assert_string_equal(tag, "Q4_K_M");
            k += n;
        }
        assert_true(ct_hub_repo_is_name(ct_short_at(i)->repo));
        assert_true(*ct_short_shown(ct_short_at(i), shown) && *ct_short_at(i)->licence);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_models),      cmocka_unit_test(what_is_no_name),
        cmocka_unit_test(what_may_be_a_file),   cmocka_unit_test(quantisations_of_files),
        cmocka_unit_test(parts_of_split_files), cmocka_unit_test(short_names_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
