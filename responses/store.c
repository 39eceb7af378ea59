/* Responses that were given lately, as texts, so that what they take is known to the byte.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "responses/inside.h"

typedef struct entry {
    char *id, *response, *items;
    size_t bytes;
    double until;
    struct entry *next;
} entry;

struct ct_responses_store {
    pthread_mutex_t lock;
    ct_responses_limits limits;
    entry *first, **end; /* the oldest first */
    size_t count, bytes;
};

static void free_entry(entry *e)
{
    free(e->id);
    free(e->response);
    free(e->items);
    free(e);
}

ct_responses_store *ct_responses_store_open(const ct_responses_limits *limits)
{
    ct_responses_store *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->limits = *limits;
    s->end = &s->first;
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

/* ---- with the lock ---- */

static void remove_at(ct_responses_store *s, entry **at)
{
    entry *e = *at;
    *at = e->next;
    if (s->end == &e->next)
        s->end = at;
    s->count--;
    s->bytes -= e->bytes;
    free_entry(e);
}

/* What has been kept for long enough goes, and of the rest the oldest until there is room. */
static void make_room(ct_responses_store *s, size_t n, size_t bytes)
{
    const double now = ct_now();
    while (s->first && (s->first->until <= now || s->count + n > s->limits.count || s->bytes > s->limits.bytes - bytes))
        remove_at(s, &s->first);
}

static entry **find(ct_responses_store *s, const char *id)
{
    make_room(s, 0, 0);
    entry **at = &s->first;
    while (*at && strcmp((*at)->id, id) != 0)
        at = &(*at)->next;
    return *at ? at : NULL;
}

/* ---- without ---- */

void ct_responses_store_close(ct_responses_store *s)
{
    if (!s)
        return;
    while (s->first)
        remove_at(s, &s->first);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

bool ct_responses_put(ct_responses_store *s, const char *id, char *response, char *items)
{
    entry *e = calloc(1, sizeof *e);
    char *name = strdup(id);
    const size_t bytes = response && items ? strlen(response) + strlen(items) + sizeof *e + 64 : 0;
    if (!e || !name || !response || !items || !s || s->limits.count == 0 || bytes > s->limits.bytes) {
        free(e);
        free(name);
        free(response);
        free(items);
        return false;
    }
    *e = (entry){
        .id = name, .response = response, .items = items, .bytes = bytes, .until = ct_now() + s->limits.seconds
    };
    pthread_mutex_lock(&s->lock);
    make_room(s, 1, bytes);
    *s->end = e;
    s->end = &e->next;
    s->count++;
    s->bytes += bytes;
    pthread_mutex_unlock(&s->lock);
    return true;
}

static bool unknown(const char *id, ct_openai_fault *f)
{
    return ct_openai_refuse(f, 404, "not_found", "response_id", "there is no response '%.60s'", id);
}

/* A copy of one of its texts, parsed outside the lock. */
static bool load(ct_responses_store *s, const char *id, bool wants_items, json_t **out, ct_openai_fault *f)
{
    *out = NULL;
    if (!s)
        return unknown(id, f);
    pthread_mutex_lock(&s->lock);
    entry **at = find(s, id);
    char *text = at ? strdup(wants_items ? (*at)->items : (*at)->response) : NULL;
    pthread_mutex_unlock(&s->lock);
    if (!at)
        return unknown(id, f);
    const bool ok = text && ct_json_parse("a stored response", text, strlen(text), out, &f->err);
    free(text);
    return ok || ct_responses_no_memory(f);
}

bool ct_responses_items(ct_responses_store *s, const char *id, json_t **items, ct_openai_fault *f)
{
    return load(s, id, true, items, f);
}

bool ct_responses_get(ct_responses_store *s, const char *id, json_t **reply, ct_openai_fault *f)
{
    return load(s, id, false, reply, f);
}

bool ct_responses_delete(ct_responses_store *s, const char *id, json_t **reply, ct_openai_fault *f)
{
    bool is_there = false;
    if (s) {
        pthread_mutex_lock(&s->lock);
        entry **at = find(s, id);
        is_there = at != NULL;
        if (at)
            remove_at(s, at);
        pthread_mutex_unlock(&s->lock);
    }
    if (!is_there)
        return unknown(id, f);
    *reply = json_pack("{s:s, s:s, s:b}", "id", id, "object", "response", "deleted", 1);
    return *reply || ct_responses_no_memory(f);
}

bool ct_responses_cancel(ct_responses_store *s, const char *id, ct_openai_fault *f)
{
    json_t *response;
    if (!load(s, id, false, &response, f))
        return false;
    json_decref(response);
    return ct_openai_refuse(f, 400, "invalid_value", "response_id",
                            "only a response that runs in the background can be cancelled, and none does here");
}
