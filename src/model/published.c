/* The published Gemma 3 models. Sources: Gemma 3 Technical Report, arXiv:2503.19786, table 1; google/gemma_pytorch
 * gemma/config.py; the model cards (context, windows).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <strings.h>

#include "model/config.h"

static const ct_published models[] = {
    /* name  layers hidden   ffn   heads kv  dim  window context vocab  text   factor qpa  vision */
    { "270M", 18, 640, 2048, 4, 1, 256, 512, 32768, 262144, 262144, 1, 256, false },
    { "1B", 26, 1152, 6912, 4, 1, 256, 512, 32768, 262144, 262144, 1, 256, false },
    { "4B", 34, 2560, 10240, 8, 4, 256, 1024, 131072, 262208, 262144, 8, 256, true },
    { "12B", 48, 3840, 15360, 16, 8, 256, 1024, 131072, 262208, 262144, 8, 256, true },
    /* 27B scales queries by hidden/heads = 168 although its heads are 128 wide. */
    { "27B", 62, 5376, 21504, 32, 16, 128, 1024, 131072, 262208, 262144, 8, 168, true },
};

const ct_published *ct_published_at(size_t i)
{
    return i < sizeof models / sizeof *models ? &models[i] : NULL;
}

const ct_published *ct_published_by_name(const char *name)
{
    for (size_t i = 0; ct_published_at(i); i++)
        if (strcasecmp(models[i].name, name) == 0)
            return &models[i];
    return NULL;
}

const ct_published *ct_published_by_shape(uint32_t n_layer, uint32_t hidden)
{
    for (size_t i = 0; ct_published_at(i); i++)
        if (models[i].n_layer == n_layer && models[i].hidden == hidden)
            return &models[i];
    return NULL;
}
