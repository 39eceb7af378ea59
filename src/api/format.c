/* Response formats: a grammar over the engine's vocabulary, and its masks for generators.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api/internal.h"
#include "api/sized.h"
#include "sample/grammar/compile.h"
#include "sample/grammar/grammar.h"

struct carat_format {
    const carat_engine *engine;
    ct_grammar *grammar; /* a reference: masks have others */
};

/* The engine's tree of its vocabulary, which the first caller builds. */
static bool need_trie(carat_engine *e, carat_err *err)
{
    const ct_model *m = e->model;
    if (!m->tok)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "a response format needs a vocabulary, the model has none");
    pthread_mutex_lock(&e->trie_lock);
    if (!e->has_trie)
        e->has_trie = ct_trie_open(m->tok, m->cfg.n_vocab, &e->trie, err);
    const bool ok = e->has_trie;
    pthread_mutex_unlock(&e->trie_lock);
    return ok;
}

bool carat_format_open(carat_engine *e, const carat_format_options *from, carat_format **out, carat_err *err)
{
    carat_format_options o;
    ct_heap heap;
    ct_rules rules = { .heap = &heap };
    uint32_t root;
    *out = NULL;
    if (!CT_TAKE(carat_format_options, from, &o, err) || !need_trie(e, err))
        return false;
    carat_format *f = calloc(1, sizeof *f);
    if (!f)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a response format");
    f->engine = e;
    ct_heap_init(&heap, CT_FORMAT_MOST_HEAP);
    const bool ok = ct_format_rules(&o, &rules, &root, err) &&
                    ct_grammar_open(ct_format_what(o.kind), &rules, root, &e->trie, &f->grammar, err);
    ct_heap_deinit(&heap);
    if (ok)
        *out = f;
    else
        carat_format_close(f);
    return ok;
}

void carat_format_close(carat_format *f)
{
    if (!f)
        return;
    ct_grammar_release(f->grammar);
    free(f);
}

bool ct_api_take_format(const carat_engine *e, const carat_format *f, ct_generator *gen, carat_err *err)
{
    ct_mask mask;
    if (!f)
        return true;
    if (f->engine != e)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a response format of another engine");
    return ct_grammar_mask(f->grammar, e->model->cfg.n_vocab, &mask, err) && ct_generator_take_mask(gen, &mask, err);
}
