/* Texts as an embedding model is given them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "api/sized.h"
#include "model/sentence.h"

#define MAX_TEXT ((size_t)1 << 31)

bool ct_api_writes_text(const carat_engine *e, carat_err *err)
{
    return !e->model->cfg.is_encoder ||
           ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                   "%.90s: an embedding model, which writes no text: use 'carat embed', or POST /v1/embeddings",
                   *e->info->published ? e->info->published : e->info->path);
}

bool ct_api_check_dims(const carat_engine *e, size_t n_dims, carat_err *err)
{
    const carat_model_info *i = e->info;
    char list[64] = "";
    for (size_t k = 0; k < i->n_embedding_dims; k++) {
        size_t len = strlen(list);
        if (n_dims == i->embedding_dims[k])
            return true;
        snprintf(list + len, sizeof list - len, "%s%zu", k ? ", " : "", i->embedding_dims[k]);
    }
    if (n_dims == 0 || (!i->n_embedding_dims && n_dims <= i->hidden))
        return true;
    if (!i->n_embedding_dims)
        snprintf(list, sizeof list, "1 to %zu", i->hidden);
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "an embedding of %zu dimensions, expected %s", n_dims, list);
}

/* ---- the string ---- */

static bool no_task(const carat_engine *e, const char *name, carat_err *err)
{
    const ct_tasks *t = e->model->tasks;
    char list[140] = "";
    for (size_t i = 0; t && i < t->n; i++) {
        size_t len = strlen(list);
        if (len + strlen(t->v[i].name) + 2 >= sizeof list)
            break;
        snprintf(list + len, sizeof list - len, "%s%s", i ? ", " : "", t->v[i].name);
    }
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, t ? "no task '%.40s'; the model has %s" : "no task '%.40s': %s",
                   name, t ? list : "this is no embedding model, and has no prompts by name");
}

/* Puts the title in its place: "title: none | text: ". */
static bool add_titled(const char *prompt, const char *title, ct_buf *out, carat_err *err)
{
    static const char before[] = "title: ", none[] = "none";
    const size_t at = sizeof before - 1, end = at + sizeof none - 1;
    if (!prompt || strncmp(prompt, before, at) != 0 || strncmp(prompt + at, none, end - at) != 0)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "a title, which only a document has a place for: the task 'document'");
    ct_buf_add(out, prompt, at);
    ct_buf_str(out, title);
    ct_buf_str(out, prompt + end);
    return true;
}

static bool add_prompt(const carat_engine *e, const carat_embedding_text *t, ct_buf *out, carat_err *err)
{
    const ct_tasks *tasks = e->model->tasks;
    const ct_task *task = t->task && tasks ? ct_tasks_find(tasks, t->task) : NULL;
    if (t->task && !task)
        return no_task(e, t->task, err);
    if (!task && tasks && tasks->deflt >= 0)
        task = &tasks->v[tasks->deflt];
    if (t->title)
        return add_titled(task ? task->prompt : NULL, t->title, out, err);
    ct_buf_str(out, task ? task->prompt : "");
    return true;
}

/* ---- its tokens ---- */

/* first, as many of the ids as fit, last; *n_cut: how many are left out. */
static bool frame(const carat_embedding_text *t, size_t most, bool has_end, const ct_tok_info *f, const ct_ids *ids,
                  ct_ids *out, size_t *n_cut, carat_err *err)
{
    const size_t ends = has_end ? 2 : 1, room = most > ends ? most - ends : 0, n = ids->n < room ? ids->n : room;
    *n_cut = ids->n - n;
    if (most < ends || (*n_cut && !t->truncates))
        return ct_fail(err, CARAT_ECONTEXT, CARAT_NOWHERE, "%zu tokens do not fit the context of %zu", ids->n + ends,
                       most);
    bool ok = ct_ids_push(out, f->bos);
    for (size_t i = 0; ok && i < n; i++)
        ok = ct_ids_push(out, ids->v[i]);
    ok = ok && (!has_end || ct_ids_push(out, f->eos));
    return ok || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the tokens of a text");
}

static bool make(const carat_engine *e, const carat_embedding_text *t, const ct_buf *text, carat_prompt **out,
                 carat_err *err)
{
    const carat_tokenizer *tok = e->model->tok;
    const bool is_encoder = e->model->cfg.is_encoder;
    const size_t all = e->plan.n_ctx, most = t->max_tokens && t->max_tokens < all ? t->max_tokens : all;
    ct_ids ids = { 0 }, framed = { 0 };
    size_t n_cut;
    bool ok = ct_tok_encode(tok, text->data, text->len, is_encoder ? CARAT_TOK_SPECIAL : 0, &ids, err) &&
              frame(t, most, is_encoder, ct_tok_facts(tok), &ids, &framed, &n_cut, err) &&
              carat_prompt_ids(e, framed.v, framed.n, NULL, 0, NULL, out, err);
    if (ok)
        (*out)->n_cut = n_cut;
    ct_ids_deinit(&ids);
    ct_ids_deinit(&framed);
    return ok;
}

bool carat_prompt_embedding(const carat_engine *e, const carat_embedding_text *from, carat_prompt **out, carat_err *err)
{
    carat_embedding_text t;
    ct_buf text;
    *out = NULL;
    if (!CT_TAKE(carat_embedding_text, from, &t, err))
        return false;
    if (!t.text)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "no text to embed");
    if (!e->model->tok)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: no tokenizer", e->info->path);
    ct_buf_init(&text, MAX_TEXT);
    bool ok = add_prompt(e, &t, &text, err);
    if (ok)
        ct_buf_add(&text, t.text, t.text_len ? t.text_len : strlen(t.text));
    if (ok && (text.failed || !text.data))
        ok = ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a text of %zu bytes", t.text_len);
    ok = ok && make(e, &t, &text, out, err);
    ct_buf_deinit(&text);
    return ok;
}

size_t carat_prompt_n_cut(const carat_prompt *p)
{
    return p->n_cut;
}
