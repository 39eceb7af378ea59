/* GGUF metadata -> ct_vision_config. Two layouts: the mmproj file of llama.cpp's converter (clip.vision.*) and the
 * file of Ollama's, which holds text and tower (gemma3.vision.*).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/int_keys.h"
#include "quant/kv_tile.h"

#define DEFAULT_POOL                                                                                                   \
    4 /* patches along a side of a pooled square where an mmproj file does not state it: the published */

static const ct_int_key keys[] = {
    { "vision.block_count", CT_TOWER_AT(n_layer), CT_MAX_TOWER_LAYERS, true },
    { "vision.embedding_length", CT_TOWER_AT(hidden), CT_MAX_HIDDEN, true },
    { "vision.feed_forward_length", CT_TOWER_AT(ffn), CT_MAX_FFN, true },
    { "vision.attention.head_count", CT_TOWER_AT(n_head), CT_MAX_HEADS, true },
    { "vision.image_size", CT_TOWER_AT(image_size), CT_MAX_IMAGE_SIZE, true },
    { "vision.patch_size", CT_TOWER_AT(patch_size), CT_MAX_PATCH_SIZE, true },
    { "vision.num_channels", CT_TOWER_AT(n_channel), 16, false },
    { "mm.tokens_per_image", CT_TOWER_AT(tokens_per_image), CT_MAX_PATCHES, false },
    { NULL, 0, 0, false },
};

static bool is_text(ct_str s, const char *text)
{
    return s.data && strlen(text) == s.len && memcmp(s.data, text, s.len) == 0;
}

static bool read_keys(const ct_gguf *g, const char *arch, ct_vision_config *v, carat_err *err)
{
    char key[80];
    if (!ct_int_keys_from_gguf(g, arch, keys, v, err))
        return false;
    double eps = 1e-6;
    snprintf(key, sizeof key, "%s.vision.attention.layer_norm_epsilon", arch);
    if (!ct_gguf_num(g, key, &eps, err))
        return false;
    v->eps = (float)eps;
    return true;
}

/* Projectors of other models come in files of the same architecture. */
static bool check_projector(const ct_gguf *g, carat_err *err)
{
    ct_str type = { NULL, 0 };
    bool has_vision = true;
    if (!ct_gguf_text(g, "clip.projector_type", &type, err) ||
        !ct_gguf_text(g, "clip.vision.projector_type", &type, err) ||
        !ct_gguf_bool(g, "clip.has_vision_encoder", &has_vision, err))
        return false;
    if (type.data && !is_text(type, "gemma3"))
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: a projector of type '%.*s', expected 'gemma3'",
                       ct_gguf_path(g), (int)(type.len < 40 ? type.len : 40), type.data);
    if (!has_vision)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: an mmproj file without a vision encoder",
                       ct_gguf_path(g));
    return true;
}

/* An mmproj file states how many patches along a side one token pools, if anything. */
static bool read_pool(const ct_gguf *g, ct_vision_config *v, carat_err *err)
{
    int64_t pool = DEFAULT_POOL;
    if (!ct_gguf_int(g, "clip.vision.projector.scale_factor", 1, 1024, &pool, err))
        return false;
    uint32_t side = ct_vision_grid(v) / (uint32_t)pool;
    if (side < 1 || side > 256)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "%s: %u patches along a side pooled by %d make no square of tokens", ct_gguf_path(g),
                       ct_vision_grid(v), (int)pool);
    v->tokens_per_image = side * side;
    if (ct_vision_pool(v) != (uint32_t)pool) /* the number of tokens would then mean larger squares */
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: %u patches along a side pooled by %d, expected by %u for %u tokens along a side",
                       ct_gguf_path(g), ct_vision_grid(v), (int)pool, ct_vision_pool(v), side);
    return true;
}

bool ct_vision_config_from_gguf(const ct_gguf *g, ct_vision_config *out, carat_err *err)
{
    ct_str arch = { NULL, 0 };
    *out = (ct_vision_config){ 0 };
    if (!ct_gguf_text(g, "general.architecture", &arch, err))
        return false;
    bool is_mmproj = is_text(arch, "clip") || is_text(arch, "mmproj") || ct_gguf_find(g, "clip.vision.block_count");
    if (!is_mmproj && !ct_gguf_find(g, "gemma3.vision.block_count"))
        return true;
    ct_vision_config v = { .present = true, .n_channel = 3, .tokens_per_image = 256 };
    if ((is_mmproj && !check_projector(g, err)) || !read_keys(g, is_mmproj ? "clip" : "gemma3", &v, err) ||
        (is_mmproj && !read_pool(g, &v, err)))
        return false;
    *out = v;
    return true;
}

uint32_t ct_vision_side(const ct_vision_config *v)
{
    return (uint32_t)sqrt((double)v->tokens_per_image); /* exact for squares of 32 bits */
}

bool ct_vision_config_check(const ct_vision_config *v, const char *what, carat_err *err)
{
    const struct {
        const char *name;
        uint32_t value, max;
    } fields[] = {
        { "layers", v->n_layer, CT_MAX_TOWER_LAYERS },
        { "width", v->hidden, CT_MAX_HIDDEN },
        { "FFN width", v->ffn, CT_MAX_FFN },
        { "heads", v->n_head, CT_MAX_HEADS },
        { "image size", v->image_size, CT_MAX_IMAGE_SIZE },
        { "patch size", v->patch_size, CT_MAX_PATCH_SIZE },
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].value < 1 || fields[i].value > fields[i].max)
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: vision tower's %s: %u, expected 1 to %u", what,
                           fields[i].name, fields[i].value, fields[i].max);
    if (v->n_channel != 3)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: images of %u channels, expected 3", what, v->n_channel);
    if (ct_vision_grid(v) < 1 || ct_vision_grid(v) > 256)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "%s: patches of %u in an image of %u, expected 1 to 256 along a side", what, v->patch_size,
                       v->image_size);
    if (v->hidden % v->n_head || v->hidden / v->n_head > CT_MAX_HEAD_DIM)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "%s: vision width %u over %u heads, expected a whole number, at most %d each", what, v->hidden,
                       v->n_head, CT_MAX_HEAD_DIM);
    uint32_t side = ct_vision_side(v), grid = ct_vision_grid(v);
    if (side < 1 || side > grid || side * side != v->tokens_per_image)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "%s: %u tokens an image from %u x %u patches, expected a square, at most as many", what,
                       v->tokens_per_image, grid, grid);
    uint32_t pool = ct_vision_pool(v);
    if (grid / pool != side) /* where the reference makes more tokens than it has places for */
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "%s: %u tokens an image from %u x %u patches, but squares of %u make %u x %u tokens", what,
                       v->tokens_per_image, grid, grid, pool, grid / pool, grid / pool);
    if (!(v->eps >= 0 && v->eps <= 0.1f))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: LayerNorm epsilon is %g, expected 0 to 0.1", what,
                       (double)v->eps);
    return true;
}
