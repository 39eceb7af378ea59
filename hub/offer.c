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

/* Weighs the published model that the repository is called after. quant NULL: as its name says. False: not known. */
static bool weigh(const char *repo, const char *quant, bool has_vision, carat_estimate_result *w)
{
    const carat_options opening = { .struct_size = sizeof opening,
                                    .vision = has_vision ? CARAT_VISION_AUTO : CARAT_VISION_OFF };
    const carat_weigh_query q = { .struct_size = sizeof q, .model = repo, .quant = quant, .options = &opening };
    *w = (carat_estimate_result){ .struct_size = sizeof *w };
    return carat_weigh(&q, w, NULL);
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

static void weigh_offer(const ct_hub_repo *r, const ct_hub_model *m, bool has_vision, ct_pull_offer *o)
{
    carat_estimate_result w;
    char quant[64];
    quant_of(m, r->repo, quant);
    o->is_exact = weigh(r->repo, quant, has_vision, &w);
    if (o->is_exact) {
        o->memory = w.total;
    } else if (weigh(r->repo, "q8_0", has_vision, &w)) { /* all but the weights, which are about as large as the file */
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
    *out = v;
    *best = m->n;
    if (!v)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for its models", r->repo);
    for (size_t i = 0; i < m->n; i++) {
        const ct_hub_model *one = &m->v[i];
        v[i] = (ct_pull_offer){ .tag = one->tag, .file = one->files[0]->name };
        v[i].bytes = one->bytes + (one->is_folder ? 0 : beside);
        weigh_offer(r, one, one->is_folder || beside > 0, &v[i]);
        v[i].fits = one->n_missing == 0 && (v[i].memory ? v[i].memory : v[i].bytes) <= available;
        if (v[i].fits && (*best == m->n || is_better(m, i, *best)))
            *best = i;
    }
    return true;
}
