/* LoRA adapters: those that an engine is opened with, those that are loaded later, and which of them a sequence uses.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/adapter.h"

#include <inttypes.h>
#include <math.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/sized.h"
#include "base/hex.h"
#include "base/mem.h"

struct carat_adapter {
    carat_adapter_info info;
    carat_engine *engine;
    ct_shared_adapter *shared; /* a reference */
    char *path, *chat_template;
    char name[CT_LORA_NAME];
    char digest[2 * CT_DIGEST_BYTES + 1];
};

/* ---- files ---- */

static bool check_name(const char *name, carat_err *err)
{
    if (*name && strlen(name) < CT_LORA_NAME)
        return true;
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "an adapter's name of %zu bytes, expected 1 to %d", strlen(name),
                   CT_LORA_NAME - 1);
}

/* One that float32 holds, and does not make nothing of. */
static bool check_scale(double scale, const char *of, carat_err *err)
{
    if (!isfinite((float)scale))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: a scale that is not a number", of);
    return scale == 0 || (float)scale != 0 ||
           ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: a scale of %g is nothing in float32; 0 is no adapter", of,
                   scale);
}

static bool open_file(const carat_adapter_file *f, ct_lora **out, carat_err *err)
{
    *out = NULL;
    if (!f->path)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "an adapter without a path");
    if (!check_scale(f->scale, f->path, err))
        return false;
    if ((f->name && !check_name(f->name, err)) || !ct_lora_open(f->path, out, err))
        return false;
    if (f->name)
        snprintf((*out)->name, sizeof(*out)->name, "%s", f->name);
    return true;
}

static bool is_new_name(const ct_adapter_files *all, carat_err *err)
{
    const char *name = all->v[all->n - 1]->name;
    for (size_t i = 0; i + 1 < all->n; i++)
        if (strcmp(all->v[i]->name, name) == 0)
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "two adapters are called '%s': give one a name of its own",
                           name);
    return true;
}

bool ct_adapter_files_open(const carat_options *o, ct_adapter_files *all, carat_err *err)
{
    *all = (ct_adapter_files){ 0 };
    if ((o->n_adapters > 0) != (o->adapters != NULL) || o->n_adapters > CT_MAX_ADAPTERS)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu adapters%s, expected at most %d", o->n_adapters,
                       o->adapters ? "" : " that are not given", CT_MAX_ADAPTERS);
    for (size_t i = 0; i < o->n_adapters; i++) {
        carat_adapter_file f;
        if (!CT_TAKE_AT(carat_adapter_file, o->adapters, i, &f, err) || !open_file(&f, &all->v[i], err))
            return false;
        all->scale[i] = f.scale;
        all->n++;
        if (!is_new_name(all, err))
            return false;
    }
    return true;
}

void ct_adapter_files_close(ct_adapter_files *all)
{
    for (size_t i = 0; i < all->n; i++)
        ct_lora_close(all->v[i]);
    *all = (ct_adapter_files){ 0 };
}

const char *ct_adapter_files_template(const ct_adapter_files *all, bool of_used_ones)
{
    for (size_t i = 0; i < all->n; i++)
        if (all->v[i]->chat_template && (!of_used_ones || all->scale[i] != 0))
            return all->v[i]->chat_template;
    return NULL;
}

/* ---- loading ---- */

static void describe(carat_adapter *a, const ct_lora *l, uint64_t bytes, const uint8_t digest[CT_DIGEST_BYTES])
{
    snprintf(a->name, sizeof a->name, "%s", l->name);
    ct_hex_write(digest, CT_DIGEST_BYTES, a->digest);
    a->info = (carat_adapter_info){ .name = a->name,
                                    .path = a->path,
                                    .n_matrices = l->n,
                                    .rank = l->max_rank,
                                    .bytes = bytes,
                                    .digest = a->digest,
                                    .chat_template_text = a->chat_template };
}

static bool no_memory(const char *path, carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for an adapter", path);
}

/* Of one that was checked. */
static bool load(carat_engine *e, const ct_lora *l, carat_adapter **out, carat_err *err)
{
    const ct_backend *b = &e->backend;
    carat_adapter *a = calloc(1, sizeof *a);
    ct_adapter *loaded;
    uint8_t digest[CT_DIGEST_BYTES];
    uint64_t bytes;
    if (!a)
        return no_memory(l->path, err);
    a->engine = e;
    a->path = strdup(l->path);
    a->chat_template = strdup(l->chat_template ? l->chat_template : "");
    bool ok = (a->path && a->chat_template) || no_memory(l->path, err);
    ok = ok && b->adapter_bytes(b->self, l, &bytes, err) && b->adapter_load(b->self, l, &loaded, digest, err);
    if (ok) {
        a->shared = ct_shared_adapter_new(b, loaded, atomic_fetch_add(&e->n_adapters_ever, 1), digest);
        ok = a->shared || no_memory(l->path, err);
    }
    if (!ok) {
        carat_adapter_free(a);
        return false;
    }
    describe(a, l, bytes, digest);
    *out = a;
    return true;
}

static bool can_have(const carat_engine *e, carat_err *err)
{
    return e->backend.adapter_load || ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "this backend has no adapters");
}

bool ct_adapters_load(carat_engine *e, const ct_adapter_files *all, carat_err *err)
{
    ct_share shares[CT_MAX_ADAPTERS];
    if (all->n && !can_have(e, err))
        return false;
    for (size_t i = 0; i < all->n; i++) {
        if (!load(e, all->v[i], &e->adapters[i], err))
            return false;
        e->scales[i] = all->scale[i];
        e->n_adapters++;
        shares[i] = (ct_share){ e->adapters[i]->shared, (float)all->scale[i] };
    }
    return ct_blend_new(&e->blends, shares, all->n, &e->blend, err);
}

void ct_adapters_free(carat_engine *e)
{
    ct_blend_drop(e->blend);
    for (size_t i = 0; i < e->n_adapters; i++)
        carat_adapter_free(e->adapters[i]);
    e->blend = NULL;
    e->n_adapters = 0;
}

/* Is there memory for it beside all that there is? */
static bool fits(const carat_engine *e, const ct_lora *l, carat_err *err)
{
    ct_memlimit limit;
    uint64_t bytes;
    if (!e->backend.adapter_bytes(e->backend.self, l, &bytes, err))
        return false;
    e->backend.limits(e->backend.self, &limit);
    uint64_t left = limit.left;
    const char *who = limit.who;
    if (e->max_memory) {
        const uint64_t most = e->max_memory > limit.held ? e->max_memory - limit.held : 0;
        if (most < left)
            left = most, who = "--max-memory";
    }
    return ct_block_bytes((size_t)bytes) <= left ||
           ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: needs %.1f MiB, but only %.1f MiB are available (%s)",
                   l->path, (double)bytes / 0x1p20, (double)left / 0x1p20, who);
}

bool carat_adapter_load(carat_engine *e, const carat_adapter_file *file, carat_adapter **out, carat_err *err)
{
    carat_adapter_file own;
    ct_lora *l = NULL;
    *out = NULL;
    if (!CT_TAKE(carat_adapter_file, file, &own, err) || !can_have(e, err))
        return false;
    bool ok =
        open_file(&own, &l, err) && ct_lora_check(l, &e->model->cfg, err) && fits(e, l, err) && load(e, l, out, err);
    ct_lora_close(l);
    return ok;
}

void carat_adapter_free(carat_adapter *a)
{
    if (!a)
        return;
    ct_shared_adapter_drop(a->shared);
    free(a->path);
    free(a->chat_template);
    free(a);
}

const carat_adapter_info *carat_adapter_describe(const carat_adapter *a)
{
    return &a->info;
}

const carat_adapter *carat_engine_adapter(const carat_engine *e, size_t i, double *scale)
{
    if (i >= e->n_adapters)
        return NULL;
    if (scale)
        *scale = e->scales[i];
    return e->adapters[i];
}

/* ---- use ---- */

bool ct_api_blend(carat_engine *e, const carat_adapter_use *uses, size_t n, ct_blend **out, carat_err *err)
{
    ct_share shares[CT_MAX_USES];
    *out = NULL;
    if (n > CT_MAX_USES)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu adapters at once, expected at most %d", n, CT_MAX_USES);
    if (n && !uses)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu adapters that are not given", n);
    for (size_t i = 0; i < n; i++) {
        carat_adapter_use u;
        if (!CT_TAKE_AT(carat_adapter_use, uses, i, &u, err))
            return false;
        if (!u.adapter || u.adapter->engine != e)
            return ct_fail(err, CARAT_EARG, i, "adapter %zu of the list is %s", i,
                           u.adapter ? "another engine's" : "missing");
        if (!check_scale(u.scale, u.adapter->name, err))
            return false;
        shares[i] = (ct_share){ u.adapter->shared, (float)u.scale };
    }
    return ct_blend_new(&e->blends, shares, n, out, err);
}

void ct_api_fingerprint(const carat_engine *e, const ct_blend *b, uint8_t out[CT_FINGERPRINT])
{
    struct sha256_ctx h;
    memcpy(out, e->fingerprint, CT_FINGERPRINT);
    if (!b)
        return;
    sha256_init(&h);
    sha256_update(&h, CT_FINGERPRINT, out);
    for (size_t i = 0; i < b->n; i++) {
        sha256_update(&h, CT_DIGEST_BYTES, b->held[i]->digest);
        sha256_update(&h, sizeof b->uses[i].scale, (const uint8_t *)&b->uses[i].scale);
    }
    sha256_digest(&h, CT_FINGERPRINT, out);
}
