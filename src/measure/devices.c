/* Parses the table of devices and finds one by name or nickname.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "measure/devices.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/near.h"

#define N_COLUMNS 10

static const char *const columns[N_COLUMNS] = { "name",           "kind",      "memory_gib",  "bandwidth_gb_s",
                                                "fp16_tflops",    "int8_tops", "fp32_tflops", "year",
                                                "usable_percent", "source" };
static const char *const kinds[] = {
    "gpu", "laptop-gpu", "unified", "laptop", "desktop", "phone", "board", "server-cpu"
};

/* ---- names ---- */

/* What names are compared by: without case, spaces and the words that makers put before ("NVIDIA GeForce RTX 4090" is
 * "rtx4090"). */
static void key_of_name(const char *name, char key[64])
{
    static const char *const words[] = { "nvidia", "geforce", "amd", "radeon", "intel", "tesla" };
    size_t n = 0;
    for (const char *p = name; *p && n < 63;) {
        size_t word = 0;
        bool skip = false;
        while (isalnum((unsigned char)p[word]))
            word++;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            skip = skip || (strlen(words[i]) == word && strncasecmp(p, words[i], word) == 0);
        for (size_t i = 0; i < word && !skip && n < 63; i++)
            key[n++] = (char)tolower((unsigned char)p[i]);
        p += word;
        if (*p == '+' && n < 63)
            key[n++] = '+';
        p += *p != 0;
    }
    key[n] = 0;
}

/* ---- one line ---- */

typedef struct line {
    size_t number;
    char *field[N_COLUMNS];
} line;

static bool bad(const line *l, int column, const char *expected, carat_err *err)
{
    return ct_fail(err, CARAT_EFORMAT, l->number, "devices, line %zu: %s is '%.40s', expected %s", l->number,
                   columns[column], l->field[column], expected);
}

/* Cuts a NUL-terminated line at its tabs. */
static bool split(char *text, line *l, carat_err *err)
{
    size_t n = 0;
    for (char *p = text; p; n++) {
        char *tab = strchr(p, '\t');
        if (tab)
            *tab = 0;
        if (n < N_COLUMNS)
            l->field[n] = p;
        for (const unsigned char *c = (const unsigned char *)p; *c; c++)
            if (*c < 0x20 || *c == 0x7f)
                return ct_fail(err, CARAT_EFORMAT, l->number, "devices, line %zu: a control character", l->number);
        p = tab ? tab + 1 : NULL;
    }
    if (n != N_COLUMNS)
        return ct_fail(err, CARAT_EFORMAT, l->number, "devices, line %zu: %zu columns, expected %d", l->number, n,
                       N_COLUMNS);
    for (int i = 0; i < N_COLUMNS; i++)
        if (!*l->field[i])
            return ct_fail(err, CARAT_EFORMAT, l->number, "devices, line %zu: %s is empty, expected a value or -",
                           l->number, columns[i]);
    return true;
}

/* Digits, and a point with digits after it if there is one; "-" is 0 where it may be unknown. */
static bool number(const line *l, int column, bool may_be_unknown, double min, double max, double *out, carat_err *err)
{
    const char *s = l->field[column];
    char expected[80];
    if (may_be_unknown && strcmp(s, "-") == 0) {
        *out = 0;
        return true;
    }
    snprintf(expected, sizeof expected, "a number from %g to %g%s", min, max, may_be_unknown ? " or -" : "");
    size_t whole = strspn(s, "0123456789"), part = 0;
    if (s[whole] == '.')
        part = strspn(s + whole + 1, "0123456789");
    bool ok = whole && whole <= 9 && part <= 9 && (s[whole] == '.' ? part && !s[whole + 1 + part] : !s[whole]);
    *out = 0;
    for (size_t i = 0; ok && i < whole; i++)
        *out = *out * 10 + (s[i] - '0');
    double scale = 1;
    for (size_t i = 0; ok && i < part; i++)
        *out += (s[whole + 1 + i] - '0') * (scale /= 10);
    return (ok && *out >= min && *out <= max) || bad(l, column, expected, err);
}

static bool read_device(const line *l, carat_device *d, carat_err *err)
{
    double gib, gb_s, fp16, int8, fp32, year, percent;
    *d = (carat_device){ .struct_size = sizeof *d, .name = l->field[0], .source = l->field[9] };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(l->field[1], kinds[i]) == 0)
            d->kind = kinds[i];
    if (strlen(d->name) > 48)
        return bad(l, 0, "at most 48 bytes", err);
    if (!d->kind)
        return bad(l, 1, "gpu, laptop-gpu, unified, laptop, desktop, phone, board or server-cpu", err);
    if (!number(l, 2, false, 0.25, 65536, &gib, err) || !number(l, 3, true, 0.1, 1e6, &gb_s, err) ||
        !number(l, 4, true, 0.001, 1e6, &fp16, err) || !number(l, 5, true, 0.001, 1e6, &int8, err) ||
        !number(l, 6, true, 0.001, 1e6, &fp32, err) || !number(l, 7, false, 1990, 2100, &year, err) ||
        !number(l, 8, false, 1, 100, &percent, err))
        return false;
    d->memory_bytes = (uint64_t)(gib * 0x1p30);
    d->usable_bytes = (uint64_t)(gib * 0x1p30 * percent / 100);
    d->bandwidth = gb_s * 1e9;
    d->fp16 = fp16 * 1e12;
    d->int8 = int8 * 1e12;
    d->fp32 = fp32 * 1e12;
    d->year = (int)year;
    return true;
}

/* ---- the table ---- */

static bool is_header(const line *l, carat_err *err)
{
    for (int i = 0; i < N_COLUMNS; i++)
        if (strcmp(l->field[i], columns[i]) != 0)
            return bad(l, i, columns[i], err);
    return true;
}

static bool is_new(const carat_device *devices, size_t n, const line *l, carat_err *err)
{
    char key[64], other[64];
    key_of_name(devices[n].name, key);
    for (size_t i = 0; i < n; i++) {
        key_of_name(devices[i].name, other);
        if (strcmp(key, other) == 0)
            return bad(l, 0, "a name that is not there yet", err);
    }
    return *key ? true : bad(l, 0, "letters or digits", err);
}

bool ct_devices_parse(char *text, size_t len, carat_device *out, size_t max, size_t *n, carat_err *err)
{
    line l = { 0 };
    size_t found = 0;
    *n = 0;
    for (char *p = text, *end = text + len; p < end;) {
        char *eol = memchr(p, '\n', (size_t)(end - p));
        if (!eol)
            eol = end;
        *eol = 0;
        l.number++;
        if (strlen(p) != (size_t)(eol - p))
            return ct_fail(err, CARAT_EFORMAT, l.number, "devices, line %zu: a control character", l.number);
        if (l.number > 1 && found == max)
            return ct_fail(err, CARAT_ELIMIT, l.number, "devices: more than %zu", max);
        if (!split(p, &l, err) || (l.number == 1 && !is_header(&l, err)))
            return false;
        if (l.number > 1 && (!read_device(&l, &out[found], err) || !is_new(out, found, &l, err)))
            return false;
        found += l.number > 1;
        p = eol + 1;
    }
    if (l.number == 0)
        return ct_fail(err, CARAT_EFORMAT, 0, "devices: no header line");
    *n = found;
    return true;
}

/* ---- finding ---- */

extern char ct_devices_tsv[];
extern const size_t ct_devices_tsv_len;

static carat_device table[CT_MAX_DEVICES];
static size_t n_table;

static void read_table(void)
{
    /* The build's own file, which a unit test checks, so it cannot be invalid here. */
    ct_devices_parse(ct_devices_tsv, ct_devices_tsv_len, table, CT_MAX_DEVICES, &n_table, NULL);
}

const carat_device *ct_device_at(size_t i)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_table);
    return i < n_table ? &table[i] : NULL;
}

/* "4090" is "RTX 4090": only a word before it is missing. Part of a name ("RTX 3060") is nearer than a name with
 * letters changed. */
static size_t farness(const char *asked, const char *key)
{
    const char *at = *asked ? strstr(key, asked) : NULL;
    if (at && !at[strlen(asked)] && strcspn(key, "0123456789") >= (size_t)(at - key))
        return 0;
    if (at)
        return 1 + (strlen(key) - strlen(asked) > 8);
    return 2 + ct_edit_distance(asked, strlen(asked), key, strlen(key)); /* at least 3 */
}

#define NEAR 4

bool ct_device_find(const char *name, const carat_device **out, carat_err *err)
{
    char asked[64], key[64], list[160] = "";
    const carat_device *near[NEAR] = { NULL };
    size_t far[NEAR];
    *out = NULL;
    key_of_name(name, asked);
    for (size_t i = 0; ct_device_at(i); i++) {
        key_of_name(ct_device_at(i)->name, key);
        size_t f = farness(asked, key), at = NEAR;
        while (at > 0 && (!near[at - 1] || f < far[at - 1]))
            at--;
        for (size_t j = NEAR - 1; at < NEAR && j > at; j--)
            near[j] = near[j - 1], far[j] = far[j - 1];
        if (at < NEAR)
            near[at] = ct_device_at(i), far[at] = f;
    }
    if (near[0] && *asked && (far[0] == 0 || (far[0] <= 2 && near[1] && far[1] > far[0] && far[1] > 2))) {
        *out = near[0];
        return true;
    }
    for (size_t i = 0, len = 0; i < NEAR && near[i]; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i ? ", " : "", near[i]->name);
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "no device '%.48s'; near: %s", name, list);
}
