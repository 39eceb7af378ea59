/* What the names of GGUF files say: quantisations, parts of split files.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/quant.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *ct_hub_base(const char *file)
{
    const char *slash = strrchr(file, '/');
    return slash ? slash + 1 : file;
}

bool ct_hub_has_end(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcasecmp(text + n - m, end) == 0;
}

static bool is_word_of(const char *s, size_t n, const char *w)
{
    return n == strlen(w) && strncasecmp(s, w, n) == 0;
}

static bool is_quant(const char *s, size_t n)
{
    static const char *const halves[] = { "bf16", "f16", "f32", "fp16", "fp32", "mxfp4" };
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++)
        if (is_word_of(s, n, halves[i]))
            return true;
    size_t q = n && (*s == 'i' || *s == 'I' || *s == 't' || *s == 'T') ? 1 : 0;
    if (n < q + 2 || n > 16 || (s[q] != 'q' && s[q] != 'Q') || s[q + 1] < '1' || s[q + 1] > '8')
        return false;
    for (size_t i = q + 2; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && s[i] != '_')
            return false;
    return n == q + 2 || s[q + 2] == '_';
}

bool ct_hub_is_quant(const char *text)
{
    if (strncasecmp(text, "ud-", 3) == 0)
        text += 3;
    return is_quant(text, strlen(text));
}

bool ct_hub_part_of(const char *file, size_t *stem, unsigned *part, unsigned *n)
{
    static const char form[] = "-00000-of-00000.gguf";
    size_t len = strlen(file), m = sizeof form - 1;
    if (len <= m)
        return false;
    const char *s = file + len - m;
    for (size_t i = 0; i < m; i++)
        if (form[i] == '0' ? !isdigit((unsigned char)s[i]) : tolower((unsigned char)s[i]) != form[i])
            return false;
    *stem = len - m;
    *part = *n = 0;
    for (size_t i = 1; i < 6; i++)
        *part = *part * 10 + (unsigned)(s[i] - '0'), *n = *n * 10 + (unsigned)(s[i + 9] - '0');
    return *part >= 1 && *part <= *n;
}

bool ct_hub_tag_of(const char *file, char tag[HUB_MAX_TAG])
{
    size_t len, unused;
    unsigned part, n;
    if (!ct_hub_part_of(file, &len, &part, &n))
        len = strlen(file) - (ct_hub_has_end(file, ".gguf") ? 5 : 0);
    const char *base = ct_hub_base(file), *end = file + len, *found = NULL;
    size_t found_len = 0;
    if (end < base)
        end = base + strlen(base);
    for (const char *s = base; s < end; s += unused + 1) {
        unused = 0;
        while (s + unused < end && s[unused] != '-' && s[unused] != '.')
            unused++;
        if (is_quant(s, unused))
            found = s, found_len = unused;
    }
    if (!found) {
        snprintf(tag, HUB_MAX_TAG, "%.*s", (int)(end - base), base);
        return false;
    }
    bool is_ud = found - base >= 3 && strncasecmp(found - 3, "ud-", 3) == 0 && (found - base == 3 || found[-4] == '-');
    snprintf(tag, HUB_MAX_TAG, "%s%.*s", is_ud ? "UD-" : "", (int)found_len, found);
    for (char *c = tag; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    return true;
}
