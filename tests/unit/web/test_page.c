/* The page's files as the program has them: found by path, whole in both forms, and what the policy lets a browser load.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "web/page.h"

/* The file as it is in web/dist; freed by the caller. */
static uint8_t *on_disk(const char *name, size_t *len)
{
    char path[512];
    snprintf(path, sizeof path, "%s/web/dist/%s", TEST_ROOT, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    *len = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*len + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *len, f), *len);
    fclose(f);
    return bytes;
}

static void files_are_those_on_disk(void **state)
{
    (void)state;
    size_t n, len;
    const ct_page_file *files = ct_page_files(&n);
    assert_int_equal(n, 5);
    for (size_t i = 0; i < n; i++) {
        uint8_t *bytes = on_disk(files[i].path, &len);
        assert_int_equal(files[i].len, len);
        assert_memory_equal(files[i].bytes, bytes, len);
        assert_int_equal(files[i].gzip[0], 0x1f);
        assert_int_equal(files[i].gzip[1], 0x8b);
        /* The last four bytes of a gzip member are the length of what it holds: RFC 1952 s2.3.1. */
        const uint8_t *end = files[i].gzip + files[i].gzip_len - 4;
        assert_int_equal(end[0] | (uint32_t)end[1] << 8 | (uint32_t)end[2] << 16 | (uint32_t)end[3] << 24, len);
        assert_memory_equal(files[i].etag, "W/\"", 3);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(files[i].etag, files[j].etag);
        free(bytes);
    }
}

static void paths_are_found_or_not(void **state)
{
    (void)state;
    const ct_page_file *index = ct_page_find("index.html");
    assert_non_null(index);
    assert_ptr_equal(ct_page_find(""), index);
    assert_ptr_equal(ct_page_find("/"), index);
    assert_ptr_equal(ct_page_find("/index.html"), index);
    assert_string_equal(index->type, "text/html; charset=utf-8");
    assert_string_equal(ct_page_find("/page.js")->type, "text/javascript; charset=utf-8");
    assert_string_equal(ct_page_find("page.css")->type, "text/css; charset=utf-8");
    assert_string_equal(ct_page_find("icon.svg")->type, "image/svg+xml");
    const char *none[] = { "//", "page", "page.js/", "../page.js", "page.js?", "built-from.json", "PAGE.JS" };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_null(ct_page_find(none[i]));
}

/* Nothing inline, nothing evaluated, nothing from another place. */
static void the_policy_and_the_page_agree(void **state)
{
    (void)state;
    assert_null(strstr(CT_PAGE_POLICY, "unsafe"));
    assert_null(strstr(CT_PAGE_POLICY, "http"));
    assert_null(strchr(CT_PAGE_POLICY, '*'));
    assert_non_null(strstr(CT_PAGE_POLICY, "default-src 'none'"));
    assert_non_null(strstr(CT_PAGE_POLICY, "connect-src 'self'"));
    const ct_page_file *index = ct_page_find("/");
    char *html = strndup((const char *)index->bytes, index->len);
    assert_non_null(html);
    assert_non_null(strstr(html, "<script src=\"page.js\" defer></script>"));
    assert_null(strstr(html, "<style"));
    assert_null(strstr(html, "style="));
    assert_null(strstr(html, "//"));
    size_t n_scripts = 0;
    for (const char *at = html; (at = strstr(at, "<script")); at++)
        n_scripts++;
    assert_int_equal(n_scripts, 1);
    free(html);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_those_on_disk),
        cmocka_unit_test(paths_are_found_or_not),
        cmocka_unit_test(the_policy_and_the_page_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
