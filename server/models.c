/* Models by name: which there are.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "server/models_inside.h"

/* The last part of a path without ".gguf". */
static void name_of_path(const char *path, char *to, size_t size)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    size_t from = n;
    while (from > 0 && path[from - 1] != '/')
        from--;
    if (n - from > 5 && strncasecmp(path + n - 5, ".gguf", 5) == 0)
        n -= 5;
    snprintf(to, size, "%.*s", (int)(n - from), path + from);
}

static ct_model *of_describing(ct_task *t)
{
    return (ct_model *)((char *)t - offsetof(ct_model, describing));
}

/* Its headers, for lists: on a worker, so that a slow disk keeps nobody waiting. */
static void describe(ct_task *t)
{
    ct_model *m = of_describing(t);
    carat_model_info *info = NULL;
    ct_digest_of(m->path, m->read_digest);
    if (carat_model_describe(m->path, &info, NULL))
        m->described = info;
}

static void described(ct_task *t)
{
    ct_model *m = of_describing(t);
    m->info = m->described;
    memcpy(m->digest, m->read_digest, sizeof m->digest);
}

static ct_model *add(ct_models *all, const char *name, const char *path)
{
    ct_model *m = calloc(1, sizeof *m);
    char *copy = strdup(path);
    struct stat st;
    if (!m || !copy) {
        free(m);
        free(copy);
        return NULL;
    }
    *m = (ct_model){ .path = copy, .all = all, .idle_seconds = all->o->idle_seconds };
    m->modified = stat(path, &st) == 0 ? st.st_mtime : time(NULL);
    if (name)
        snprintf(m->name, sizeof m->name, "%s", name);
    else
        name_of_path(path, m->name, sizeof m->name);
    *all->end = m;
    all->end = &m->next;
    all->n++;
    m->describing = (ct_task){ .work = describe, .done = described };
    ct_workers_give(all->workers, &m->describing);
    return m;
}

ct_model *ct_models_add(ct_models *all, const char *name, const char *path)
{
    for (ct_model *m = all->first; m; m = m->next)
        if (strcmp(m->name, name) == 0)
            return m;
    return add(all, name, path);
}

/* It is what clients call an adapter by, and the engine, which has 127 bytes for it. */
static bool can_be_called(const ct_model_adapter *a, carat_err *err)
{
    const size_t n = strlen(a->name);
    if (n > 0 && n < 128 && ct_utf8_valid(a->name, n) == n)
        return true;
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                   "%s: an adapter's name is 1 to 127 bytes of UTF-8: give it one of its own, --lora NAME=FILE",
                   a->path ? a->path : "");
}

/* The operator's adapters belong to the first model. */
static bool add_adapters(ct_model *m, const carat_options *o, carat_err *err)
{
    if (o->n_adapters > CT_OPENAI_ALL_ADAPTERS)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu adapters, expected at most %d", o->n_adapters,
                       CT_OPENAI_ALL_ADAPTERS);
    for (size_t i = 0; i < o->n_adapters; i++) {
        ct_model_adapter *a = &m->adapters[m->n_adapters++];
        *a = (ct_model_adapter){ .path = o->adapters[i].path, .scale = o->adapters[i].scale };
        if (o->adapters[i].name)
            snprintf(a->name, sizeof a->name, "%s", o->adapters[i].name);
        else
            name_of_path(a->path ? a->path : "", a->name, sizeof a->name);
        if (!can_be_called(a, err))
            return false;
    }
    return true;
}

static bool adapters_differ(const ct_models *all, carat_err *err)
{
    for (const ct_model *m = all->first; m; m = m->next)
        for (size_t i = 0; m == all->first && i < m->n_adapters; i++)
            for (const ct_model *b = all->first; b; b = b->next)
                if (strcmp(m->adapters[i].name, b->name) == 0)
                    return ct_fail(
                        err, CARAT_EARG, CARAT_NOWHERE,
                        "an adapter is called '%.80s' as a model is: give it a name of its own, --lora NAME=FILE",
                        b->name);
    return true;
}

static bool names_differ(const ct_models *all, carat_err *err)
{
    for (const ct_model *a = all->first; a; a = a->next)
        for (const ct_model *b = a->next; b; b = b->next)
            if (strcmp(a->name, b->name) == 0)
                return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                               "two models are called '%.80s': give one a name of its own, NAME=PATH", a->name);
    return true;
}

bool ct_models_open(const ct_server_options *o, ct_workers *w, ct_models_fn *changed, void *arg, ct_models **out,
                    carat_err *err)
{
    ct_models *all = calloc(1, sizeof *all);
    *out = all;
    if (!all)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for models");
    *all = (ct_models){ .o = o, .workers = w, .changed = changed, .arg = arg };
    all->end = &all->first;
    for (size_t i = 0; i < o->n_models; i++)
        if (!add(all, o->models[i].name, o->models[i].path))
            return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a model");
    if (all->first)
        all->first->has_template = true;
    return (!all->first || add_adapters(all->first, &o->engine, err)) && names_differ(all, err) &&
           adapters_differ(all, err);
}

static void free_list(ct_model *m)
{
    for (ct_model *next; m; m = next) {
        next = m->next;
        ct_model_close_engine(m);
        carat_model_info_free(m->described);
        for (size_t i = 0; i < m->n_adapters; i++)
            if (m->adapters[i].is_later)
                free((char *)(uintptr_t)m->adapters[i].path);
        free(m->path);
        free(m);
    }
}

void ct_models_close(ct_models *all)
{
    if (!all)
        return;
    free_list(all->first);
    free_list(all->forgotten);
    free(all);
}

void ct_models_forget(ct_model *m)
{
    ct_models *all = m->all;
    ct_model **at = &all->first;
    while (*at && *at != m)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = m->next;
    if (all->end == &m->next)
        all->end = at;
    all->n--;
    m->next = all->forgotten;
    all->forgotten = m;
}

ct_model *ct_models_first(const ct_models *all)
{
    return all->first;
}

size_t ct_models_n(const ct_models *all)
{
    return all->n;
}

const ct_model_adapter *ct_model_adapter_of(const ct_model *m, const char *name)
{
    for (size_t i = 0; i < m->n_adapters; i++)
        if (strcmp(m->adapters[i].name, name) == 0)
            return &m->adapters[i];
    return NULL;
}

ct_model *ct_models_find(const ct_models *all, const char *name)
{
    if (!name || !*name)
        return all->first;
    for (ct_model *m = all->first; m; m = m->next)
        if (strcmp(m->name, name) == 0 || ct_model_adapter_of(m, name))
            return m;
    /* Ollama's clients add a tag to a name that has none. */
    size_t n = strlen(name);
    for (ct_model *m = all->first; m && n > 7 && strcmp(name + n - 7, ":latest") == 0; m = m->next)
        if (strlen(m->name) == n - 7 && strncmp(m->name, name, n - 7) == 0)
            return m;
    return all->o->answers_any_name ? all->first : NULL;
}

void ct_model_hold(ct_model *m)
{
    m->n_held++;
}

void ct_model_release(ct_model *m)
{
    m->n_held--;
    m->used_at = ct_now();
    if (m->must_leave)
        ct_model_unload(m);
}

void ct_models_tick(ct_models *all, double now)
{
    for (ct_model *m = all->first; m; m = m->next)
        if (m->idle_seconds < INFINITY && now - m->used_at > m->idle_seconds)
            ct_model_unload(m);
}

void ct_models_give_up(ct_models *all)
{
    for (ct_model *m = all->first; m; m = m->next)
        m->gives_up = true;
}
