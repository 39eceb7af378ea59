/* Short names of published models. Repositories of GGUF files that anyone may fetch come first; where only the maker has a
 * form (QAT in Q4_0), its gated repository.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/short.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "hub/quant.h"

#define GEMMA  "Gemma Terms of Use (ai.google.dev/gemma/terms)"
#define HEALTH "Health AI Developer Foundations Terms of Use"

/* clang-format off */
static const ct_short rows[] = {
    { "gemma-3-270m gemma-3-270m-pt gemma3:270m-pt", "ggml-org/gemma-3-270m-GGUF", GEMMA, false },
    { "gemma-3-270m-it gemma3:270m gemma3:270m-it", "ggml-org/gemma-3-270m-it-GGUF", GEMMA, false },
    { "gemma-3-270m-it-qat gemma3:270m-it-qat", "ggml-org/gemma-3-270m-it-qat-GGUF", GEMMA, false },
    { "gemma-3-1b-it gemma-3-1b gemma3:1b gemma3:1b-it", "ggml-org/gemma-3-1b-it-GGUF", GEMMA, false },
    { "gemma-3-4b-it gemma-3-4b gemma3:4b gemma3:4b-it gemma3 gemma3:latest gemma-3", "ggml-org/gemma-3-4b-it-GGUF", GEMMA, false },
    { "gemma-3-12b-it gemma-3-12b gemma3:12b gemma3:12b-it", "ggml-org/gemma-3-12b-it-GGUF", GEMMA, false },
    { "gemma-3-27b-it gemma-3-27b gemma3:27b gemma3:27b-it", "ggml-org/gemma-3-27b-it-GGUF", GEMMA, false },
    { "gemma-3-4b-pt gemma3:4b-pt", "ggml-org/gemma-3-4b-pt-GGUF", GEMMA, false },
    { "gemma-3-12b-pt gemma3:12b-pt", "ggml-org/gemma-3-12b-pt-GGUF", GEMMA, false },
    { "gemma-3-27b-pt gemma3:27b-pt", "ggml-org/gemma-3-27b-pt-GGUF", GEMMA, false },
    { "gemma-3-1b-it-qat gemma3:1b-it-qat", "google/gemma-3-1b-it-qat-q4_0-gguf", GEMMA, true },
    { "gemma-3-4b-it-qat gemma3:4b-it-qat", "google/gemma-3-4b-it-qat-q4_0-gguf", GEMMA, true },
    { "gemma-3-12b-it-qat gemma3:12b-it-qat", "google/gemma-3-12b-it-qat-q4_0-gguf", GEMMA, true },
    { "gemma-3-27b-it-qat gemma3:27b-it-qat", "google/gemma-3-27b-it-qat-q4_0-gguf", GEMMA, true },
    { "medgemma-4b-it medgemma-4b medgemma:4b", "unsloth/medgemma-4b-it-GGUF", HEALTH, false },
    { "medgemma-27b-text-it medgemma-27b medgemma:27b", "unsloth/medgemma-27b-text-it-GGUF", HEALTH, false },
    { "functiongemma-270m-it functiongemma functiongemma-270m functiongemma:270m", "ggml-org/functiongemma-270m-it-GGUF", GEMMA, false },
};
/* clang-format on */

const ct_short *ct_short_at(size_t i)
{
    return i < sizeof rows / sizeof *rows ? &rows[i] : NULL;
}

const char *ct_short_shown(const ct_short *s, char out[64])
{
    snprintf(out, 64, "%.*s", (int)strcspn(s->names, " "), s->names);
    return out;
}

/* What of a name stands behind this one: "" if they are equal, "q8_0" of "gemma3:4b-q8_0"; NULL: it does not begin so. */
static const char *rest_of(const char *name, const char *known, size_t n)
{
    if (strncasecmp(name, known, n) != 0)
        return NULL;
    if (!name[n])
        return name + n;
    return (name[n] == '-' || name[n] == ':') && ct_hub_is_quant(name + n + 1) ? name + n + 1 : NULL;
}

const ct_short *ct_short_find(const char *name, const char **tag)
{
    for (size_t i = 0; ct_short_at(i); i++)
        for (const char *k = rows[i].names; *k; k += strspn(k, " ")) {
            size_t n = strcspn(k, " ");
            *tag = rest_of(name, k, n);
            if (*tag)
                return &rows[i];
            k += n;
        }
    *tag = "";
    return NULL;
}
