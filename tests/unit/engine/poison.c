/* Copies the tiny model and changes one weight of it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "poison.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"

enum { HIDDEN = 128, COLUMN = 77, BF16_HUGE = 0x7f62 /* 3.0e38 */, BF16_MINUS_1 = 0xbf80, BF16_1000 = 0x447a };

static const char *const files[] = { "config.json",    "preprocessor_config.json", "processor_config.json",
                                     "tokenizer.json", "tokenizer_config.json",    "generation_config.json" };
#define N_FILES (sizeof files / sizeof *files)

/* Where in the file a bf16 tensor's element is; 0 if it is not there. */
static size_t place_of(const char *bytes, const char *name, size_t element)
{
    uint64_t header;
    memcpy(&header, bytes, sizeof header);
    json_t *all = json_loadb(bytes + sizeof header, (size_t)header, 0, NULL);
    const json_t *t = json_object_get(all, name);
    const char *type = json_string_value(json_object_get(t, "dtype"));
    size_t at = 0;
    if (type && strcmp(type, "BF16") == 0) {
        const json_t *offsets = json_object_get(t, "data_offsets");
        at = sizeof header + (size_t)header + (size_t)json_integer_value(json_array_get(offsets, 0)) + 2 * element;
    }
    json_decref(all);
    return at;
}

static bool write_weights(const char *folder, uint16_t scale)
{
    char *bytes, path[128];
    size_t len;
    if (!ct_read_file(POISONED "/model.safetensors", 1 << 26, &bytes, &len, NULL))
        return false;
    const uint16_t huge = BF16_HUGE;
    size_t row = place_of(bytes, "language_model.model.embed_tokens.weight", (size_t)POISON * HIDDEN + COLUMN);
    size_t norm = place_of(bytes, "language_model.model.norm.weight", COLUMN);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    FILE *f = row && norm ? fopen(path, "wb") : NULL;
    bool ok = f != NULL;
    if (ok) {
        memcpy(bytes + row, &huge, sizeof huge);
        memcpy(bytes + norm, &scale, sizeof scale); /* norms multiply by 1 + weight */
        ok = fwrite(bytes, 1, len, f) == len;
        ok = fclose(f) == 0 && ok;
    }
    free(bytes);
    return ok;
}

static bool make(char folder[64], uint16_t scale)
{
    snprintf(folder, 64, "/tmp/carat-poison-XXXXXX");
    bool ok = mkdtemp(folder) != NULL;
    for (size_t i = 0; i < N_FILES && ok; i++) {
        char from[512], to[128];
        snprintf(from, sizeof from, POISONED "/%s", files[i]);
        snprintf(to, sizeof to, "%s/%s", folder, files[i]);
        ok = symlink(from, to) == 0;
    }
    return ok && write_weights(folder, scale);
}

bool poison_make(char folder[64])
{
    return make(folder, BF16_MINUS_1);
}

bool poison_make_logits(char folder[64])
{
    return make(folder, BF16_1000);
}

void poison_remove(const char *folder)
{
    char path[128];
    for (size_t i = 0; i < N_FILES; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    unlink(path);
    rmdir(folder);
}
