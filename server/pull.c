/* Pulling and deleting models in Ollama's words, each on a thread of its own; /api/pull tells how far it is.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/pull.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ollama/ollama.h"
#include "server/inside.h"

struct ct_pulling {
    ct_server *s;
    ct_call *call; /* NULL: its client has left */
    char name[512];
    bool streams;
    atomic_bool gives_up;
    pthread_mutex_t lock;
    char status[128], digest[128];
    uint64_t total, completed;
    bool has_news;
    bool ok;
    char *stored, *path;
    carat_err err;
    ct_task task;
};

static bool on_progress(void *arg, const ct_pull_event *e)
{
    struct ct_pulling *p = arg;
    pthread_mutex_lock(&p->lock);
    snprintf(p->status, sizeof p->status, "%s", e->status);
    snprintf(p->digest, sizeof p->digest, "%s", e->digest ? e->digest : "");
    p->total = e->total;
    p->completed = e->completed;
    p->has_news = true;
    pthread_mutex_unlock(&p->lock);
    return !p->gives_up;
}

static struct ct_pulling *of_task(ct_task *t)
{
    return (struct ct_pulling *)((char *)t - offsetof(struct ct_pulling, task));
}

static void pull(ct_task *t)
{
    struct ct_pulling *p = of_task(t);
    const ct_pull_options o = { .name = p->name, .progress = on_progress, .progress_arg = p };
    p->ok = ct_pull(&o, &p->stored, &p->path, &p->err);
}

static bool write_line(ct_call *c, const char *status, const char *digest, uint64_t total, uint64_t completed)
{
    ct_buf line;
    ct_buf_init(&line, SIZE_MAX);
    bool ok = ct_ollama_progress(status, *digest ? digest : NULL, total, completed, &line) &&
              ct_http_write(c->x, line.data, line.len);
    ct_buf_deinit(&line);
    return ok;
}

void ct_pulling_tick(ct_call *c)
{
    struct ct_pulling *p = c->pulling;
    char status[sizeof p->status], digest[sizeof p->digest];
    if (!p || !p->streams || !c->x)
        return;
    pthread_mutex_lock(&p->lock);
    bool has_news = p->has_news;
    uint64_t total = p->total, completed = p->completed;
    memcpy(status, p->status, sizeof status);
    memcpy(digest, p->digest, sizeof digest);
    p->has_news = false;
    pthread_mutex_unlock(&p->lock);
    if (has_news && !write_line(c, status, digest, total, completed))
        ct_http_cut(c->x);
}

void ct_pulling_leave(ct_call *c)
{
    c->pulling->gives_up = true;
    c->pulling->call = NULL;
    c->pulling = NULL;
}

static void tell_end(struct ct_pulling *p)
{
    ct_call *c = p->call;
    ct_openai_fault f = { .err = p->err };
    ct_buf line;
    if (!p->ok && !p->streams) {
        ct_openai_refuse_err(&f, "model");
        ct_call_refuse(c, &f);
        return;
    }
    ct_buf_init(&line, SIZE_MAX);
    if (p->ok ? ct_ollama_progress("success", NULL, 0, 0, &line) : ct_ollama_talk_chat.fault(NULL, &f, true, &line)) {
        if (!p->streams) {
            c->status = 200;
            ct_http_reply(c->x, 200, "application/json", line.data, line.len);
        } else if (ct_http_write(c->x, line.data, line.len)) {
            ct_http_finish(c->x);
        }
    }
    ct_buf_deinit(&line);
    c->stage = CT_CALL_GONE;
}

static struct ct_pulling *new_pulling(ct_call *c, const char *name)
{
    struct ct_pulling *p = strlen(name) < sizeof p->name ? calloc(1, sizeof *p) : NULL;
    if (!p)
        return NULL;
    p->s = c->s;
    p->call = c;
    snprintf(p->name, sizeof p->name, "%s", name);
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

static void free_pulling(struct ct_pulling *p)
{
    pthread_mutex_destroy(&p->lock);
    free(p->stored);
    free(p->path);
    free(p);
}

static void begin(ct_call *c, struct ct_pulling *p)
{
    c->pulling = p;
    c->stage = CT_CALL_RUN;
    if (p->streams) {
        c->status = 200;
        ct_http_stream(c->x, 200, "application/x-ndjson");
    }
    if (ct_workers_alone(c->s->workers, &p->task))
        return;
    ct_fail(&p->err, CARAT_ENOMEM, CARAT_NOWHERE, "no thread can be had that would do it");
    p->task.done(&p->task);
}

static void pulled(ct_task *t)
{
    struct ct_pulling *p = of_task(t);
    if (p->ok && p->path)
        ct_models_add(p->s->models, p->stored, p->path);
    if (p->call) {
        ct_pulling_tick(p->call);
        p->call->pulling = NULL;
        tell_end(p);
    }
    free_pulling(p);
}

/* What changes this machine's files is asked for at the start: --allow-pull. */
static bool may_change(ct_call *c)
{
    ct_openai_fault f = { 0 };
    if (c->s->o.allows_pull)
        return true;
    ct_openai_refuse(
        &f, 403, "not_allowed", "",
        "clients may not pull or delete models here: carat serve --allow-pull allows it, and 'carat pull' does it");
    ct_call_refuse(c, &f);
    return false;
}

void ct_state_pull(ct_call *c)
{
    const char *name = ct_call_wanted(c);
    ct_openai_fault f = { 0 };
    if (!may_change(c))
        return;
    struct ct_pulling *p = name && *name ? new_pulling(c, name) : NULL;
    if (!p) {
        ct_openai_refuse(&f, 400, "missing_required_parameter", "model",
                         "which model? OWNER/REPO:TAG or a published model's name");
        ct_call_refuse(c, &f);
        return;
    }
    p->streams = !json_is_false(json_object_get(c->json, "stream"));
    p->task = (ct_task){ .work = pull, .done = pulled };
    begin(c, p);
}

/* ---- deleting ---- */

/* A pulled model's files go; one that the operator gave by its path is not pulled. */
static void delete (ct_task *t)
{
    struct ct_pulling *p = of_task(t);
    ct_stored_list list = { 0 };
    const ct_stored *stored;
    uint64_t freed;
    p->ok = ct_store_list(&list, NULL, NULL, &p->err) && ct_store_match(&list, p->name, &stored, &p->err) &&
            ct_store_remove(stored, &freed, &p->err);
    ct_stored_list_free(&list);
}

static void deleted(ct_task *t)
{
    struct ct_pulling *p = of_task(t);
    ct_model *m = ct_models_find(p->s->models, p->name);
    ct_openai_fault f = { .err = p->err };
    if (p->ok && m && strcmp(m->name, p->name) == 0) {
        ct_model_leave(m);
        ct_models_forget(m);
    }
    if (p->call) {
        p->call->pulling = NULL;
        if (!p->ok)
            ct_openai_refuse_err(&f, "model");
        if (p->ok)
            ct_call_reply_text(p->call, 200, "text/plain", "");
        else
            ct_call_refuse(p->call, &f);
    }
    free_pulling(p);
}

/* The model that the body names; NULL: replied to. */
static const ct_model *named(ct_call *c)
{
    const char *name = ct_call_wanted(c);
    const ct_model *m = name && *name ? ct_models_find(c->s->models, name) : NULL;
    ct_openai_fault f = { 0 };
    if (m && !ct_model_adapter_of(m, name)) /* an adapter's name is no way to delete its model */
        return m;
    if (name && *name)
        ct_openai_refuse(&f, 404, "model_not_found", "model", "model '%.100s' not found", name);
    else
        ct_openai_refuse(&f, 400, "missing_required_parameter", "model", "model is required");
    ct_call_refuse(c, &f);
    return NULL;
}

void ct_state_delete(ct_call *c)
{
    ct_openai_fault f = { 0 };
    const ct_model *m = may_change(c) ? named(c) : NULL;
    if (!m)
        return;
    struct ct_pulling *p = new_pulling(c, m->name);
    if (!p) {
        ct_openai_refuse(&f, 500, "server_error", "", "no memory for deleting '%.100s'", m->name);
        ct_call_refuse(c, &f);
        return;
    }
    p->task = (ct_task){ .work = delete, .done = deleted };
    begin(c, p);
}
