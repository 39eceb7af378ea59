/* Models that are similar to Gemma 3 by name, and others that are often tried.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/others.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#define MAX_KEY 96

/* Of two names that one contains the other, the longer one first. */
static const char *const others[][2] = {
    { "embeddinggemma2", "EmbeddingGemma 2" },
    { "gemmaembedding2", "EmbeddingGemma 2" },
    { "gemma4embedding", "EmbeddingGemma 2" },
    { "t5gemma2", "T5Gemma 2" },
    { "t5gemma", "T5Gemma" },
    { "vaultgemma", "VaultGemma" },
    { "codegemma", "CodeGemma" },
    { "paligemma", "PaliGemma" },
    { "recurrentgemma", "RecurrentGemma" },
    { "gemma3n", "Gemma 3n" },
    { "gemma2", "Gemma 2" },
    { "gemma4", "Gemma 4" },
    { "llama", "Llama" },
    { "qwen", "Qwen" },
    { "mistral", "Mistral" },
    { "phi", "Phi" },
};

/* Lower case, letters and digits alone. */
static void squash(const char *name, char key[MAX_KEY])
{
    size_t n = 0;
    for (const char *p = name; *p && n < MAX_KEY - 1; p++)
        if (isalnum((unsigned char)*p))
            key[n++] = (char)tolower((unsigned char)*p);
    key[n] = '\0';
}

const char *ct_other_model(const char *name)
{
    char key[MAX_KEY];
    squash(name, key);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strstr(key, others[i][0]))
            return others[i][1];
    return NULL;
}
