/* The published Gemma 3 models and EmbeddingGemma. Sources: Gemma 3 Technical Report, arXiv:2503.19786, table 1; google/gemma_pytorch
 * gemma/config.py; the model cards (context, windows); EmbeddingGemma, arXiv:2509.20354.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <strings.h>

#include "model/config.h"

static const ct_published models[] = {
    /* name  title  encoder  layers hidden   ffn   heads kv  dim  window context vocab  text   factor qpa  vision dense */
    { "270M", "Gemma 3 270M", false, 18, 640, 2048, 4, 1, 256, 512, 32768, 262144, 262144, 1, 256, false, 0 },
    { "1B", "Gemma 3 1B", false, 26, 1152, 6912, 4, 1, 256, 512, 32768, 262144, 262144, 1, 256, false, 0 },
    { "4B", "Gemma 3 4B", false, 34, 2560, 10240, 8, 4, 256, 1024, 131072, 262208, 262144, 8, 256, true, 0 },
    { "12B", "Gemma 3 12B", false, 48, 3840, 15360, 16, 8, 256, 1024, 131072, 262208, 262144, 8, 256, true, 0 },
    /* 27B scales queries by hidden/heads = 168 although its heads are 128 wide. */
    { "27B", "Gemma 3 27B", false, 62, 5376, 21504, 32, 16, 128, 1024, 131072, 262208, 262144, 8, 168, true, 0 },
    { "300M", "EmbeddingGemma 300M", true, 24, 768, 1152, 3, 1, 256, 512, 2048, 262144, 262144, 1, 256, false, 3072 },
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

const ct_published *ct_published_by_shape(uint32_t n_layer, uint32_t hidden, bool is_encoder)
{
    for (size_t i = 0; ct_published_at(i); i++)
        if (models[i].n_layer == n_layer && models[i].hidden == hidden && models[i].is_encoder == is_encoder)
            return &models[i];
    return NULL;
}
