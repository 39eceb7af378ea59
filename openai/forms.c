/* Forms of answers that were asked for lately, shared by the threads that read requests.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "openai/forms.h"

#include <stdlib.h>
#include <string.h>

#include "openai/inside.h"

void ct_openai_form_drop(ct_openai_form *form)
{
    if (!form || atomic_fetch_sub(&form->n_refs, 1) != 1)
        return;
    carat_format_close(form->format);
    free(form->key);
    free(form);
}

void ct_openai_forms_deinit(ct_openai_forms *forms)
{
    while (forms->n)
        ct_openai_form_drop(forms->v[--forms->n]);
    pthread_mutex_destroy(&forms->lock);
}

/* ---- with the lock ---- */

/* The one that was used last stands first. */
static void put_first(ct_openai_forms *forms, size_t i)
{
    ct_openai_form *form = forms->v[i];
    memmove(forms->v + 1, forms->v, i * sizeof *forms->v);
    forms->v[0] = form;
}

static ct_openai_form *hold(ct_openai_forms *forms, const char *key)
{
    for (size_t i = 0; i < forms->n; i++)
        if (strcmp(forms->v[i]->key, key) == 0) {
            put_first(forms, i);
            atomic_fetch_add(&forms->v[0]->n_refs, 1);
            return forms->v[0];
        }
    return NULL;
}

static void add(ct_openai_forms *forms, ct_openai_form *form)
{
    if (forms->n == CT_OPENAI_MAX_FORMS)
        ct_openai_form_drop(forms->v[--forms->n]);
    atomic_fetch_add(&form->n_refs, 1);
    forms->v[forms->n++] = form;
    put_first(forms, forms->n - 1);
}

/* ---- without ---- */

ct_openai_form *ct_openai_form_find(ct_openai_forms *forms, const char *key)
{
    if (!forms)
        return NULL;
    pthread_mutex_lock(&forms->lock);
    ct_openai_form *form = hold(forms, key);
    pthread_mutex_unlock(&forms->lock);
    return form;
}

ct_openai_form *ct_openai_form_keep(ct_openai_forms *forms, ct_openai_form *form)
{
    if (!forms)
        return form;
    pthread_mutex_lock(&forms->lock);
    ct_openai_form *same = hold(forms, form->key);
    if (!same)
        add(forms, form);
    pthread_mutex_unlock(&forms->lock);
    if (same)
        ct_openai_form_drop(form); /* another thread was quicker */
    return same ? same : form;
}

bool ct_openai_form_open(char *key, const carat_format_options *o, carat_engine *e, ct_openai_form **out,
                         const char *param, ct_openai_fault *f)
{
    ct_openai_form *form = calloc(1, sizeof *form);
    *out = form;
    if (!form) {
        free(key);
        return ct_openai_no_memory(f, "a response format");
    }
    atomic_init(&form->n_refs, 1);
    form->key = key;
    form->kind = o->kind;
    return carat_format_open(e, o, &form->format, &f->err) || ct_openai_refuse_err(f, param);
}
