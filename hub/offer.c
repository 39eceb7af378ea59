/* Weighs the models of a repository.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/offer.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "carat_weigh.h"

/* quant NULL: as the name says. False: not known. */
static bool weigh(const char *name, const char *quant, bool has_vision, carat_estimate_result *w)
{
    const carat_options opening = { .struct_size = sizeof opening,
                                    .vision = has_vision ? CARAT_VISION_AUTO : CARAT_VISION_OFF };
    const carat_weigh_query q = { .struct_size = sizeof q, .model = name, .quant = quant, .options = &opening };
    *w = (carat_estimate_result){ .struct_size = sizeof *w };
    return carat_weigh(&q, w, NULL);
}

/* Within a twentieth: a fine-tune may have some tokens more, and the tower may be counted or not. */
static bool is_about(uint64_t n, uint64_t of)
{
    return (n > of ? n - of : of - n) <= of / 20;
}

/* The published model that the repository is called after, or else that has as many parameters; NULL: not known. */
static const char *published(const ct_hub_repo *r)
{
    static const char *const sizes[] = { "270m", "1b", "4b", "12b", "27b" };
    carat_estimate_result w;
    if (weigh(r->repo, "q8_0", false, &w))
        return r->repo;
    for (size_t i = 0; r->n_params && i < sizeof sizes / sizeof *sizes; i++)
        if (weigh(sizes[i], "q8_0", true, &w) &&
            (is_about(r->n_params, w.n_params) || is_about(r->n_params, w.n_params + w.n_vision_params)))
            return sizes[i];
    return NULL;
}

/* The tag as weigh calls it: "UD-Q4_K_XL" and "Q4_K_S" are none that it knows. */
static void quant_of(const ct_hub_model *m, const char *repo, char out[64])
{
    const char *name = m->files[0]->name;
    char tag[HUB_MAX_TAG];
    if (m->is_folder) {
        snprintf(out, 64, "bf16");
        return;
    }
    ct_hub_tag_of(name, tag);
    bool is_qat = strcasecmp(tag, "Q4_0") == 0 && (strcasestr(repo, "qat") || strcasestr(ct_hub_base(name), "qat"));
    snprintf(out, 64, "%.60s", is_qat ? "qat-q4_0" : tag);
    for (char *c = out; *c; c++)
        *c = (char)tolower((unsigned char)*c);
}

static void weigh_offer(const ct_hub_repo *r, const char *name, const ct_hub_model *m, bool has_vision,
                        ct_pull_offer *o)
{
    carat_estimate_result w;
    char quant[64];
    if (!name)
        return;
    quant_of(m, r->repo, quant);
    o->is_exact = weigh(name, quant, has_vision, &w);
    if (o->is_exact) {
        o->memory = w.total;
    } else if (weigh(name, "q8_0", has_vision, &w)) { /* all but the weights, which are about as large as the file */
        o->memory = w.total - w.embedding - w.attention - w.ffn_weights - w.norms + m->bytes;
    }
}

/* At most 8 bits a weight, by its name. */
static bool is_small(const ct_hub_model *m)
{
    char tag[HUB_MAX_TAG];
    return !m->is_folder && ct_hub_tag_of(m->files[0]->name, tag) && strcasestr(tag, "Q");
}

static bool is_better(const ct_hub_models *m, size_t i, size_t than)
{
    if (is_small(&m->v[i]) != is_small(&m->v[than]))
        return is_small(&m->v[i]);
    return is_small(&m->v[i]) ? m->v[i].bytes > m->v[than].bytes : m->v[i].bytes < m->v[than].bytes;
}

bool ct_hub_offers(const ct_hub_repo *r, const ct_hub_models *m, uint64_t beside, uint64_t available,
                   ct_pull_offer **out, size_t *best, carat_err *err)
{
    ct_pull_offer *v = calloc(m->n ? m->n : 1, sizeof *v);
    const char *name = published(r);
    *out = v;
    *best = m->n;
    if (!v)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for its models", r->repo);
    for (size_t i = 0; i < m->n; i++) {
        const ct_hub_model *one = &m->v[i];
        v[i] = (ct_pull_offer){ .tag = one->tag, .file = one->files[0]->name };
        v[i].bytes = one->bytes + (one->is_folder ? 0 : beside);
        weigh_offer(r, name, one, one->is_folder || beside > 0, &v[i]);
        v[i].fits = one->n_missing == 0 && (v[i].memory ? v[i].memory : v[i].bytes) <= available;
        if (v[i].fits && (*best == m->n || is_better(m, i, *best)))
            *best = i;
    }
    return true;
}
