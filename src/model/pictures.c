/* Fields of the image processor's files, each with the one value that is honoured.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/pictures.h"

#include <math.h>
#include <string.h>

#include "model/beside.h"
#include "model/int_keys.h"

#define HALF     0.5
#define BILINEAR 2 /* in Pillow's numbers */
#define N_COLOUR 3

/* ---- folders ---- */

/* A picture's mean and deviation: a number, or one for each colour. */
static bool all_half(const json_t *v)
{
    if (json_is_number(v))
        return json_number_value(v) == HALF;
    bool ok = json_array_size(v) == N_COLOUR;
    for (size_t i = 0; ok && i < N_COLOUR; i++)
        ok = json_is_number(json_array_get(v, i)) && json_number_value(json_array_get(v, i)) == HALF;
    return ok;
}

static bool check_shades(const json_t *o, const char *path, carat_err *err)
{
    static const char *const keys[] = { "image_mean", "image_std" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *v = json_object_get(o, keys[i]);
        if (v && !json_is_null(v) && !all_half(v))
            return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: '%s' is not 0.5, 0.5, 0.5, as Gemma 3's is",
                           path, keys[i]);
    }
    double factor = 1.0 / 255;
    if (!ct_json_num(o, path, "rescale_factor", &factor, err))
        return false;
    if (!(fabs(factor * 255 - 1) < 1e-6)) /* files round it */
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: 'rescale_factor' is %.9g, expected 1/255", path,
                       factor);
    return true;
}

static bool check_steps(const json_t *o, const char *path, carat_err *err)
{
    static const char *const keys[] = { "do_resize", "do_rescale", "do_normalize" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        bool does = true;
        if (!ct_json_bool(o, path, keys[i], &does, err))
            return false;
        if (!does)
            return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: '%s' is false, expected true", path, keys[i]);
    }
    int64_t filter = BILINEAR;
    if (!ct_json_int(o, path, "resample", 0, 5, &filter, err))
        return false;
    if (filter != BILINEAR)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: 'resample' is %d, expected %d (bilinear)", path,
                       (int)filter, BILINEAR);
    return true;
}

/* {"height", "width"}, or one number for both. */
static bool check_size(const json_t *o, const char *path, const ct_vision_config *v, carat_err *err)
{
    const json_t *size = json_object_get(o, "size");
    int64_t high = 0, wide = 0;
    if (!size || json_is_null(size))
        return true;
    if (json_is_object(size)) {
        if (!ct_json_int(size, path, "height", 1, CT_MAX_IMAGE_SIZE, &high, err) ||
            !ct_json_int(size, path, "width", 1, CT_MAX_IMAGE_SIZE, &wide, err))
            return false;
    } else if (!ct_json_int(o, path, "size", 1, CT_MAX_IMAGE_SIZE, &high, err)) {
        return false;
    } else {
        wide = high;
    }
    if (high == 0 || wide == 0)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: 'size' has no height and width", path);
    if (high != v->image_size || wide != v->image_size)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: 'size' is %d x %d, but the vision tower's is %u x %u",
                       path, (int)wide, (int)high, v->image_size, v->image_size);
    return true;
}

static bool check_tokens(const json_t *o, const char *path, const ct_vision_config *v, carat_err *err)
{
    int64_t n = v->tokens_per_image;
    if (!ct_json_int(o, path, "image_seq_length", 1, CT_MAX_PATCHES, &n, err))
        return false;
    return n == v->tokens_per_image ||
           ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: 'image_seq_length' is %d, but an image is %u tokens", path,
                   (int)n, v->tokens_per_image);
}

static bool check_processor(const json_t *o, const char *path, const ct_vision_config *v, carat_err *err)
{
    return check_shades(o, path, err) && check_steps(o, path, err) && check_size(o, path, v, err) &&
           check_tokens(o, path, v, err);
}

static bool check_file(const ct_source *s, const char *name, const ct_vision_config *v, carat_err *err)
{
    char path[4096];
    json_t *o;
    bool ok = ct_beside_json(s, name, path, &o, err);
    if (ok && o && !json_is_object(o))
        ok = ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: %s, expected an object", path, ct_json_kind(o));
    if (ok && o) {
        const json_t *inner = json_object_get(o, "image_processor");
        ok = check_processor(o, path, v, err) && (!json_is_object(inner) || check_processor(inner, path, v, err));
    }
    json_decref(o);
    return ok;
}

/* ---- mmproj files ---- */

static bool check_gguf(const ct_gguf *g, carat_err *err)
{
    static const char *const keys[] = { "clip.vision.image_mean", "clip.vision.image_std" };
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        const ct_gguf_kv *kv = ct_gguf_find(g, keys[k]);
        bool ok = !kv || (kv->kind == CT_GGUF_ARR && kv->count == N_COLOUR);
        for (size_t i = 0; kv && ok && i < N_COLOUR; i++)
            ok = ct_gguf_elem_num(kv, i) == HALF;
        if (!ok)
            return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: %s is not 0.5, 0.5, 0.5, as Gemma 3's is",
                           ct_gguf_path(g), keys[k]);
    }
    bool is_gelu = true, is_silu = false;
    if (!ct_gguf_bool(g, "clip.use_gelu", &is_gelu, err) || !ct_gguf_bool(g, "clip.use_silu", &is_silu, err))
        return false;
    if (!is_gelu || is_silu)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: %s, expected GELU", ct_gguf_path(g),
                       is_silu ? "clip.use_silu is true" : "clip.use_gelu is false");
    return true;
}

bool ct_pictures_check(const ct_source *s, const ct_vision_config *v, carat_err *err)
{
    if (s->gguf)
        return check_gguf(s->gguf, err);
    return check_file(s, "preprocessor_config.json", v, err) && check_file(s, "processor_config.json", v, err);
}
