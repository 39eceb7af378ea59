/* The table of devices: what is in the library, what a table may not be, finding by name.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "../../unit.h"

#include <stdlib.h>
#include <string.h>

#include "measure/devices.h"

#define HEADER                                                                                                         \
    "name\tkind\tmemory_gib\tbandwidth_gb_s\tfp16_tflops\tint8_tops\tfp32_tflops\tyear\tusable_percent\tsource\n"
#define GOOD "RTX 1\tgpu\t8\t448.5\t-\t-\t12\t2020\t94\tsomewhere\n"

static char message[256];

/* Parses a copy that ends where its memory ends, so that reading past it is found. */
static size_t parse_bytes(const char *text, size_t len)
{
    carat_err err = { 0 };
    static carat_device d[4];
    size_t n = 99;
    char *copy = malloc(len + 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    copy[len] = 0;
    bool ok = ct_devices_parse(copy, len, d, 4, &n, &err);
    snprintf(message, sizeof message, "%s", ok ? "" : err.msg);
    assert_true(ok || (n == 0 && *err.msg));
    if (ok && n == 1) {
        assert_string_equal(d[0].name, "RTX 1");
        assert_true(d[0].memory_bytes == (uint64_t)8 << 30 && d[0].usable_bytes == (uint64_t)(0.94 * 8 * 0x1p30));
        assert_true(d[0].bandwidth > 448.4999e9 && d[0].bandwidth < 448.5001e9);
        assert_true(d[0].fp16 == 0 && d[0].int8 == 0 && d[0].fp32 == 12e12 && d[0].year == 2020);
    }
    free(copy);
    return ok ? n : SIZE_MAX;
}

static size_t parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

static void refused(const char *text, const char *says)
{
    assert_true(parse(text) == SIZE_MAX);
    if (!strstr(message, says))
        fail_msg("'%s' does not say '%s'", message, says);
}

static void good_tables(void **state)
{
    (void)state;
    assert_true(parse(HEADER) == 0);
    assert_true(parse(HEADER GOOD) == 1);
    assert_true(parse_bytes(HEADER GOOD, strlen(HEADER GOOD) - 1) == 1); /* no last newline */
}

static void hostile_tables(void **state)
{
    (void)state;
    refused("", "no header line");
    refused("\n", "1 columns");
    refused(GOOD, "line 1: name is 'RTX 1'");
    refused(HEADER "\n", "line 2: 1 columns");
    refused(HEADER GOOD GOOD, "line 3: name is 'RTX 1', expected a name that is not there yet");
    refused(HEADER GOOD "nvidia GeForce rtx1"
                        "\tgpu\t8\t-\t-\t-\t-\t2020\t94\tx\n",
            "not there yet");
    refused(HEADER "a\tgpu\t8\t-\t-\t-\t-\t2020\t94\n", "9 columns");
    refused(HEADER "a\tgpu\t8\t-\t-\t-\t-\t2020\t94\tx\ty\n", "11 columns");
    refused(HEADER "a\tgpu\t8\t\t-\t-\t-\t2020\t94\tx\n", "bandwidth_gb_s is empty");
    refused(HEADER "a\ttoaster\t8\t-\t-\t-\t-\t2020\t94\tx\n", "kind is 'toaster'");
    refused(HEADER "---\tgpu\t8\t-\t-\t-\t-\t2020\t94\tx\n", "letters or digits");
    refused(HEADER "a\tgpu\t8\t-\t-\t-\t-\t2020\t94\tx\r\n", "control character");
    static const char *const numbers[] = { "-",
                                           "-8",
                                           "+8",
                                           "8 ",
                                           "8.",
                                           ".5",
                                           "0x8",
                                           "8e3",
                                           "inf",
                                           "nan",
                                           "8,5",
                                           "1.2.3",
                                           "0",
                                           "0.2",
                                           "1e9",
                                           "65537",
                                           "8GB",
                                           "1e999",
                                           "9999999999999999999999",
                                           "8.12345678901234",
                                           "٣" };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char text[400];
        snprintf(text, sizeof text, HEADER "a\tgpu\t%s\t-\t-\t-\t-\t2020\t94\tx\n", numbers[i]);
        refused(text, "memory_gib");
    }
    refused(HEADER "a\tgpu\t8\t-\t-\t-\t-\t-\t94\tx\n", "year");
    refused(HEADER "a\tgpu\t8\t-\t-\t-\t-\t2020\t101\tx\n", "usable_percent");
    refused(HEADER "a\tgpu\t8\t-\t-\t-\t-\t2020\t0\tx\n", "usable_percent");
    char many[sizeof HEADER + 5 * 64] = HEADER;
    for (int i = 0; i < 5; i++)
        snprintf(many + strlen(many), 64, "a%d\tgpu\t8\t-\t-\t-\t-\t2020\t94\tx\n", i);
    refused(many, "more than 4");
    char nul[] = HEADER GOOD;
    nul[sizeof HEADER + 2] = 0;
    assert_true(parse_bytes(nul, sizeof nul - 1) == SIZE_MAX);
}

/* Every prefix and every single byte replaced: an answer or a refusal, never a crash. */
static void mutilated_tables(void **state)
{
    (void)state;
    static const char text[] = HEADER GOOD;
    for (size_t len = 0; len < sizeof text; len++)
        parse_bytes(text, len);
    for (size_t at = 0; at + 1 < sizeof text; at++)
        for (int c = 0; c < 256; c += 3) {
            char copy[sizeof text];
            memcpy(copy, text, sizeof text);
            copy[at] = (char)c;
            carat_err err;
            carat_device d[4];
            size_t n;
            ct_devices_parse(copy, sizeof text - 1, d, 4, &n, &err);
        }
}

static size_t count(const char *kind)
{
    size_t n = 0;
    for (size_t i = 0; carat_device_at(i); i++)
        n += strcmp(carat_device_at(i)->kind, kind) == 0;
    return n;
}

/* The table that is compiled in parses whole: the last row of the file is there. */
static void own_table(void **state)
{
    (void)state;
    size_t n = 0;
    while (carat_device_at(n)) {
        const carat_device *d = carat_device_at(n++);
        assert_true(strlen(d->source) >= 4 && d->usable_bytes <= d->memory_bytes &&
                    d->memory_bytes >= (uint64_t)1 << 30);
        /* Matrix units are never slower than the ordinary ones beside them. */
        assert_true(d->fp16 == 0 || d->fp32 == 0 || d->fp16 >= d->fp32 * 0.99);
        assert_true(d->int8 == 0 || d->fp16 == 0 || d->int8 >= d->fp16 * 0.99);
    }
    FILE *f = fopen(TEST_ROOT "/data/devices.tsv", "r");
    assert_non_null(f);
    size_t lines = 0;
    for (int c; (c = fgetc(f)) != EOF;)
        lines += c == '\n';
    fclose(f);
    assert_int_equal(n, lines - 1);
    assert_true(count("gpu") + count("laptop-gpu") >= 80);
    assert_true(count("unified") >= 20 && count("laptop") >= 5 && count("phone") >= 5 && count("board") >= 5);
}

static void finds(const char *name, const char *expected)
{
    const carat_device *d;
    carat_err err = { 0 };
    if (!carat_device_find(name, &d, &err))
        fail_msg("%s: %s", name, err.msg);
    assert_string_equal(d->name, expected);
}

static void near(const char *name, const char *expected)
{
    const carat_device *d;
    carat_err err = { 0 };
    assert_false(carat_device_find(name, &d, &err));
    assert_null(d);
    if (!strstr(err.msg, expected))
        fail_msg("'%s' does not name '%s'", err.msg, expected);
}

static void names(void **state)
{
    (void)state;
    finds("RTX 4090", "RTX 4090");
    finds("nvidia geforce rtx 4090", "RTX 4090");
    finds("4090", "RTX 4090");
    finds("rtx4090", "RTX 4090");
    finds("h200-sxm", "H200 SXM");
    finds("AMD Radeon RX 7900 XTX", "RX 7900 XTX");
    finds("raspberry pi 5 8gb", "Raspberry Pi 5 8GB");
    finds("M4 Pro 48GB", "Apple M4 Pro 48GB");
    finds("mi300x", "Instinct MI300X");
    near("RTX 3060", "RTX 3060 12GB");
    near("RTX 3060", "RTX 3060 8GB");
    near("RTX 4900", "RTX 4090");
    near("", "near:");
    near("///", "near:");
    char longest[5000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    near(longest, "near:");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_tables), cmocka_unit_test(hostile_tables), cmocka_unit_test(mutilated_tables),
        cmocka_unit_test(own_table),   cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
