/* Checkpoints loaded for the CPU by hand.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "loaded.h"

#include "cpu/vision_work.h"

bool loaded_open(const char *path, bool tokenizer, ct_pool *pool, const ct_load_progress *how, loaded *out,
                 carat_err *err)
{
    ct_source src;
    *out = (loaded){ .m = NULL };
    bool ok = ct_model_describe(path, false, &src, &out->m, err) &&
              (!tokenizer || ct_model_read_vocab(out->m, &src, err)) && ct_weights_describe(&out->w, out->m, err) &&
              ct_weights_load(&out->w, &src, pool, how, err);
    ct_source_close(&src);
    if (!ok)
        loaded_close(out);
    return ok;
}

void loaded_close(loaded *l)
{
    ct_weights_close(&l->w);
    ct_model_close(l->m);
    l->m = NULL;
}

bool loaded_peek(const char *path, ct_model **out, carat_err *err)
{
    ct_source src;
    bool ok = ct_model_describe(path, false, &src, out, err);
    ct_source_close(&src);
    return ok;
}

bool tower_open(const char *path, size_t text_width, const ct_kernels *k, ct_pool *pool, const ct_vision_options *o,
                ct_vision **out, carat_err *err)
{
    ct_source src;
    ct_tower *desc;
    *out = NULL;
    bool ok = ct_tower_describe(path, text_width, &src, &desc, err) && ct_vision_open(desc, &src, k, pool, o, out, err);
    ct_source_close(&src);
    if (!ok)
        ct_tower_close(desc);
    return ok;
}

void tower_close(ct_vision *v)
{
    if (!v)
        return;
    ct_tower *desc = (ct_tower *)(uintptr_t)v->tower.desc; /* tower_open's */
    ct_vision_close(v);
    ct_tower_close(desc);
}

bool tower_bytes(const char *path, size_t text_width, const ct_kernels *k, int n_threads, const ct_vision_options *o,
                 ct_vision_size *out, carat_err *err)
{
    ct_source src;
    ct_tower *desc;
    bool ok = ct_tower_describe(path, text_width, &src, &desc, err) && ct_vision_bytes(desc, k, n_threads, o, out, err);
    ct_source_close(&src);
    ct_tower_close(desc);
    return ok;
}
