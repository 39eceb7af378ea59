/* test_hub_reply.c - the head of an answer; hashes; what a file takes of the disk.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub/digest.h"
#include "hub/place.h"
#include "hub/reply.h"
#include "unit.h"

static void line(ct_hub_http_reply *r, const char *text, bool is_endpoint)
{
    ct_hub_reply_line(r, text, strlen(text), is_endpoint);
}

static void the_endpoint_is_believed_of_what_it_redirects_to(void **state)
{
    ct_hub_http_reply r;
    (void)state;
    ct_hub_reply_init(&r);
    line(&r, "HTTP/1.1 302 Found\r\n", true);
    line(&r, "x-linked-size: 12\r\n", true);
    line(&r, "X-Linked-ETag: W/\"abc\"\r\n", true);
    line(&r, "X-Repo-Commit:f9c2\r\n", true);
    line(&r, "ETag: \"old\"\r\n", true);
    line(&r, "HTTP/2 206\r\n", false);
    line(&r, "X-Linked-Size: 99\r\n", false);
    line(&r, "X-Linked-ETag: \"evil\"\r\n", false);
    line(&r, "X-Repo-Commit: 0bad\r\n", false);
    line(&r, "Content-Length: 5\r\n", false);
    line(&r, "Content-Range: bytes 7-11/12\r\n", false);
    assert_int_equal(r.linked_size, 12);
    assert_string_equal(r.linked_etag, "abc");
    assert_string_equal(r.commit, "f9c2");
    assert_string_equal(r.etag, "");
    assert_int_equal(r.length, 5);
    assert_int_equal(r.from, 7);
    assert_int_equal(r.total, 12);
}

static void what_makes_no_sense_is_not_said(void **state)
{
    static const char *const lines[] = {
        "Content-Length: -1",
        "Content-Length: 1e9",
        "Content-Length: 99999999999999999999",
        "Content-Length:",
        "Content-Length: 5, 5",
        "Content-Range: bytes 5-4/9",
        "Content-Range: bytes 5-9/9",
        "Content-Range: bytes 5-8/*",
        "Content-Range: bytes */9",
        "Content-Range: lines 5-8/9",
        "Content-Range: bytes 5-8/9 ",
        "Content-Range: bytes -8/9",
        "X-Linked-Size: 0x10",
        "X-Repo-Commit: ../../etc",
        "X-Repo-Commit: \xff",
        "Content-Lengthy: 5",
        "Content-Length 5",
        ":",
        "",
        "HTTP",
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        ct_hub_http_reply r;
        ct_hub_reply_init(&r);
        line(&r, lines[i], true);
        bool is_range = strstr(lines[i], "8/9 ") != NULL; /* a blank at the end is none of the value */
        if (r.length != HUB_UNKNOWN || (r.from != HUB_UNKNOWN) != is_range || r.linked_size != HUB_UNKNOWN || *r.commit)
            fail_msg("'%s' is believed", lines[i]);
    }
}

static void lines_of_any_length(void **state)
{
    static char text[70000];
    ct_hub_http_reply r;
    (void)state;
    ct_hub_reply_init(&r);
    memset(text, 'a', sizeof text);
    memcpy(text, "ETag: \"", 7);
    ct_hub_reply_line(&r, text, sizeof text, true); /* without an end */
    assert_int_equal(strlen(r.etag), sizeof r.etag - 1);
    line(&r, "X-Error-Message: a\x1b[2J\tb", true);
    assert_string_equal(r.why, "a?[2J?b");
    ct_hub_reply_line(&r, text, 3, true); /* the name alone, cut */
}

static void hashes(void **state)
{
    char sha256[65], git[41];
    ct_digest d;
    (void)state;
    ct_digest_init(&d, 6);
    ct_digest_add(&d, "hel", 3);
    ct_digest_text(&d, sha256, git); /* in the middle */
    ct_digest_add(&d, "lo\n", 3);
    ct_digest_text(&d, sha256, git);
    assert_string_equal(sha256, "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
    assert_string_equal(git, "ce013625030ba8dba906f756967f9e9ca394464a"); /* git hash-object */
}

/* Room that is reserved for a part is not asked for a second time where its pull goes on. */
static void what_is_reserved_is_held(void **state)
{
    char path[] = "/tmp/carat-held-XXXXXX", link_[64];
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "abc", 3), 3);
    bool can = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1 << 20) == 0;
    uint64_t held = ct_place_held(path), bytes = 0;
    assert_true(ct_place_size(path, &bytes) && bytes == 3);
    assert_true(can ? held >= 1 << 20 : held >= 3);
    snprintf(link_, sizeof link_, "%s.link", path);
    assert_int_equal(symlink(path, link_), 0);
    assert_int_equal(ct_place_held(link_), 0);
    unlink(link_), unlink(path), close(fd);
    assert_int_equal(ct_place_held(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_endpoint_is_believed_of_what_it_redirects_to),
        cmocka_unit_test(what_makes_no_sense_is_not_said),
        cmocka_unit_test(lines_of_any_length),
        cmocka_unit_test(hashes),
        cmocka_unit_test(what_is_reserved_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
