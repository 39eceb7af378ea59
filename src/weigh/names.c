/* Recognises a model by its name: family, size and quantisation.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "weigh/names.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/near.h"
#include "model/others.h"
#include "synth/mix.h"

typedef struct family {
    const char *key; /* as it appears in names, without "-" and "_" */
    const char *title;
    const char *sizes; /* the first is meant where a name states none */
} family;

/* Longest keys first. Sources: the model cards. All have the shapes of the Gemma 3 of their size. */
static const family families[] = {
    { "shieldgemma2", "ShieldGemma 2", "4b" },     { "translategemma", "TranslateGemma", "4b 12b 27b" },
    { "functiongemma", "FunctionGemma", "270m" },  { "medgemma1.5", "MedGemma 1.5", "4b" },
    { "medgemma", "MedGemma", "4b 27b" },          { "embeddinggemma", "EmbeddingGemma", "300m" },
    { "gemma3", "Gemma 3", "4b 270m 1b 12b 27b" },
};

#define MAX_KEY 96

/* Lower case without the folder before and without "-" and "_": "gemma34bitqatq40gguf". */
static void squash(const char *name, char key[MAX_KEY])
{
    const char *slash = strrchr(name, '/');
    size_t n = 0;
    for (const char *p = slash ? slash + 1 : name; *p && n < MAX_KEY - 1; p++)
        if (isalnum((unsigned char)*p) || *p == '.')
            key[n++] = (char)tolower((unsigned char)*p);
    key[n] = 0;
}

/* The size that follows the family in a name, or stands alone: "4b", "270m". Never part of a longer number. */
static const ct_published *find_size(const char *rest, const char **after)
{
    for (size_t i = 0; ct_published_at(i); i++) {
        const char *size = ct_published_at(i)->name;
        size_t n = strlen(size);
        if (strncasecmp(rest, size, n) == 0) {
            *after = rest + n;
            return ct_published_at(i);
        }
    }
    return NULL;
}

static bool has_size(const family *f, const char *size)
{
    size_t n = strlen(size);
    for (const char *p = f->sizes; *p; p += strcspn(p, " "), p += *p == ' ')
        if (strncasecmp(p, size, n) == 0 && (p[n] == ' ' || !p[n]))
            return true;
    return false;
}

/* ---- quantisations in names ---- */

bool ct_weigh_knows_quant(const char *quant)
{
    ct_mix mix;
    return strcasecmp(quant, "qat-q4_0") == 0 || ct_mix_by_name(quant, &mix);
}

static bool ends_quant(const char *rest)
{
    return !*rest || strncmp(rest, "gguf", 4) == 0 || strncmp(rest, ".gguf", 5) == 0;
}

/* A mix in what is left of the name ("itq4km", "itqatq40gguf"), NULL if none. */
static const char *find_quant(const char *rest)
{
    if (strstr(rest, "qat"))
        return strstr(rest, "unquantized") ? "bf16" : strstr(rest, "q80") ? "q8_0" : "qat-q4_0";
    for (size_t i = 0; ct_mix_at(i); i++) {
        char key[MAX_KEY];
        squash(ct_mix_at(i)->name, key);
        const char *at = strstr(rest, key);
        if (at && ends_quant(at + strlen(key)))
            return ct_mix_at(i)->name;
    }
    return NULL;
}

/* ---- refusals ---- */

static bool unknown(const char *name, const char *key, carat_err *err)
{
    static const char *const names[] = { "270m",
                                         "1b",
                                         "4b",
                                         "12b",
                                         "27b",
                                         "gemma-3-4b-it",
                                         "medgemma-4b",
                                         "medgemma-27b",
                                         "shieldgemma-2-4b",
                                         "translategemma-4b",
                                         "translategemma-12b",
                                         "translategemma-27b",
                                         "functiongemma-270m",
                                         "embeddinggemma-300m",
                                         "sheet" };
    const char *best = names[0];
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char other[MAX_KEY];
        squash(names[i], other);
        size_t d = ct_edit_distance(key, strlen(key), other, strlen(other));
        if (d < least)
            least = d, best = names[i];
    }
    if (*key && least <= 1 + strlen(key) / 3)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "no model or file '%.80s'; did you mean %s?", name, best);
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                   "no model or file '%.60s'; known are 270m, 1b, 4b, 12b, 27b, medgemma-4b, medgemma-27b, "
                   "shieldgemma-2, translategemma-4b, functiongemma, embeddinggemma",
                   name);
}

static bool refuse_others(const char *key, carat_err *err)
{
    const char *other = ct_other_model(key);
    return !other ||
           ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                   "%s has another architecture; Carat weighs Gemma 3, its fine-tunes and EmbeddingGemma", other);
}

/* ---- the name ---- */

static bool fill(const family *f, const ct_published *p, const char *rest, ct_named *out)
{
    bool is_text = strncmp(rest, "text", 4) == 0; /* medgemma-27b-text-it */
    if (p->is_encoder)
        snprintf(out->title, sizeof out->title, "%s", p->title);
    else
        snprintf(out->title, sizeof out->title, "%s %s%s", f->title, p->name, is_text ? " text" : "");
    out->p = p;
    out->has_vision = p->has_vision && !is_text;
    out->quant = find_quant(rest);
    return true;
}

bool ct_weigh_name(const char *name, ct_named *out, carat_err *err)
{
    char key[MAX_KEY];
    const family *gemma = &families[sizeof families / sizeof *families - 1];
    squash(name, key);
    *out = (ct_named){ .title = "" };
    const char *rest = key;
    const ct_published *p = find_size(key, &rest);
    if (p && (!*rest || strncmp(rest, "it", 2) == 0 || strncmp(rest, "pt", 2) == 0 || find_quant(rest)))
        return fill(gemma, p, rest, out);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        const char *at = strstr(key, families[i].key);
        if (!at || (at == key ? false : strstr(key, "t5gemma") != NULL))
            continue;
        rest = at + strlen(families[i].key);
        if (*rest == 'n') /* gemma-3n */
            break;
        p = find_size(rest, &rest);
        if (!p && !*rest && &families[i] != gemma) {
            char first[8];
            snprintf(first, sizeof first, "%.*s", (int)strcspn(families[i].sizes, " "), families[i].sizes);
            p = ct_published_by_name(first);
        }
        if (!p || !has_size(&families[i], p->name))
            break;
        return fill(&families[i], p, rest, out);
    }
    return refuse_others(key, err) && unknown(name, key, err);
}
