/* Response formats: a grammar over the engine's vocabulary, and its masks for generators.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "api/sized.h"
#include "chat/tools.h"
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

/* Those of the tools that may be called, by names; of the others that they exist. */
static bool take_tools(const carat_format_options *o, ct_call_form *calls, carat_err *err)
{
    const carat_tools *t = o->tools;
    for (size_t i = 0; i < t->n; i++) {
        const bool takes_none = strcmp(t->v[i].schema, CT_TOOLS_NO_ARGUMENTS) == 0;
        calls[i] =
            (ct_call_form){ t->v[i].name, takes_none ? NULL : t->v[i].schema, t->v[i].schema_len, o->n_names == 0 };
    }
    for (size_t i = 0; i < o->n_names; i++) {
        const char *name = o->names ? o->names[i] : NULL;
        const ct_tool *tool = name ? ct_tools_find(t, name, strlen(name)) : NULL;
        if (!tool)
            return ct_fail(err, CARAT_EARG, i, "the calls: '%.64s' is none of the functions", name ? name : "");
        calls[tool - t->v].may_be_called = true;
    }
    return true;
}

static bool compile(const carat_engine *e, const carat_format_options *o, const ct_call_form *calls, ct_grammar **out,
                    carat_err *err)
{
    ct_heap heap;
    ct_rules rules = { .heap = &heap };
    uint32_t root;
    ct_heap_init(&heap, CT_FORMAT_MOST_HEAP);
    const bool ok = ct_format_rules(o, calls, calls ? o->tools->n : 0, &rules, &root, err) &&
                    ct_grammar_open(ct_format_what(o->kind), &rules, root, &e->trie, out, err);
    ct_heap_deinit(&heap);
    return ok;
}

bool carat_format_open(carat_engine *e, const carat_format_options *from, carat_format **out, carat_err *err)
{
    carat_format_options o;
    *out = NULL;
    if (!CT_TAKE(carat_format_options, from, &o, err) || !need_trie(e, err))
        return false;
    carat_format *f = calloc(1, sizeof *f);
    ct_call_form *calls = o.tools ? calloc(o.tools->n + 1, sizeof *calls) : NULL;
    bool ok =
        (f && (calls || !o.tools)) || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a response format");
    if (ok)
        f->engine = e;
    ok = ok && (!calls || take_tools(&o, calls, err)) && compile(e, &o, calls, &f->grammar, err);
    free(calls);
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

bool carat_format_matches(const carat_format *f, const char *text, size_t len, bool *matches, carat_err *err)
{
    *matches = false;
    return ct_grammar_matches(f->grammar, text, len, matches, err);
}

bool ct_api_format_mask(const carat_engine *e, const carat_format *f, ct_mask *out, carat_err *err)
{
    if (f->engine != e)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a response format of another engine");
    return ct_grammar_mask(f->grammar, e->model->cfg.n_vocab, out, err);
}
