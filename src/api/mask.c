/* What limits an answer's tokens: a response format, or a mask of the caller's own.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api/internal.h"
#include "api/sized.h"

/* The caller's mask of one answer. */
typedef struct own_mask {
    carat_mask m;
    void *state; /* what its open gave */
    size_t n_tokens;
} own_mask;

static bool allows(void *self, int32_t id)
{
    const own_mask *o = self;
    return o->m.allows(o->state, id);
}

static bool fill(void *self, uint32_t *bits, carat_err *err)
{
    (void)err;
    const own_mask *o = self;
    if (o->m.fill) {
        o->m.fill(o->state, bits);
        return true;
    }
    for (size_t i = 0; i < o->n_tokens; i += 32) {
        uint32_t word = 0;
        for (size_t k = 0; k < 32 && i + k < o->n_tokens; k++)
            word |= (uint32_t)o->m.allows(o->state, (int32_t)(i + k)) << k;
        bits[i / 32] = word;
    }
    return true;
}

static size_t forced(void *self, int32_t *ids, size_t most)
{
    (void)self, (void)ids, (void)most;
    return 0;
}

static void accept(void *self, int32_t id)
{
    const own_mask *o = self;
    if (o->m.accept)
        o->m.accept(o->state, id);
}

static bool may_end(const void *self)
{
    const own_mask *o = self;
    return !o->m.may_end || o->m.may_end(o->state);
}

static void close_own(void *self)
{
    own_mask *o = self;
    if (o->m.close)
        o->m.close(o->state);
    free(o);
}

static bool open_own(const carat_engine *e, const carat_mask *from, size_t answer, ct_mask *out, carat_err *err)
{
    carat_mask m;
    if (!CT_TAKE(carat_mask, from, &m, err))
        return false;
    if (!m.allows)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a mask without 'allows'");
    own_mask *o = malloc(sizeof *o);
    if (!o)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a mask");
    *o = (own_mask){ .m = m, .state = m.arg, .n_tokens = e->model->cfg.n_vocab };
    if (m.open && !(o->state = m.open(m.arg, answer))) {
        free(o);
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "the mask could not be opened for answer %zu", answer);
    }
    *out = (ct_mask){ o, "the mask", allows, fill, forced, accept, may_end, close_own };
    return true;
}

bool ct_api_limit(const carat_engine *e, const carat_generation *g, size_t answer, ct_generator *gen, carat_err *err)
{
    ct_mask mask;
    if (!g->format && !g->mask)
        return true;
    if (g->format && g->mask)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a response format and a mask: give one of them");
    return (g->format ? ct_api_format_mask(e, g->format, &mask, err) : open_own(e, g->mask, answer, &mask, err)) &&
           ct_generator_take_mask(gen, &mask, err);
}
