/* Which pulled model a name means.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/near.h"
#include "hub/name.h"
#include "hub/short.h"
#include "hub/store.h"

#define HINT 120 /* bytes of a message for names that come near */

static bool same(const char *a, const char *b)
{
    return strcasecmp(a, b) == 0;
}

static bool same_n(const char *a, size_t n, const char *b)
{
    return strlen(b) == n && strncasecmp(a, b, n) == 0;
}

/* ---- ways to be meant, the surest first ---- */

typedef struct asked {
    const char *text; /* as it was given */
    ct_hub_name name; /* the same read as a hub's name */
    bool is_hub_name, may_be_file;
    char loose[HUB_MAX_REPO]; /* without a tag behind a colon: "gemma-3-4b-it-GGUF" */
    const char *loose_tag;    /* "" */
} asked;

static bool is_whole_name(const ct_stored *m, const asked *a)
{
    return same(m->name, a->text) ||
           (a->is_hub_name && a->name.tag[0] && same(m->repo, a->name.repo) && same(m->tag, a->name.tag));
}

static bool was_pulled_so(const ct_stored *m, const asked *a)
{
    const bool is_page =
        a->is_hub_name && a->name.host[0] && !a->name.tag[0] && !a->name.file[0]; /* "hf.co/OWNER/REPO" */
    return *m->asked && same(m->asked, is_page ? a->name.repo : a->text);
}

static bool has_file(const ct_stored *m, const char *file)
{
    const char *base = ct_hub_base(m->path);
    return same(base, ct_hub_base(file)) || (ct_hub_has_end(base, ".gguf") && same_n(base, strlen(base) - 5, file));
}

static bool is_of_repo(const ct_stored *m, const asked *a)
{
    return a->is_hub_name && same(m->repo, a->name.repo) && (!a->name.tag[0] || same(m->tag, a->name.tag)) &&
           (!a->name.file[0] || has_file(m, a->name.file));
}

/* "gemma-3-4b-it-GGUF", "gemma-3-4b-it", and "owner_gemma-3-4b-it" as some write it. */
static bool is_called(const ct_stored *m, const asked *a)
{
    const char *base = ct_hub_base(m->repo), *low = strchr(base, '_');
    size_t n = strlen(base), plain = ct_hub_has_end(base, "-gguf") ? n - 5 : n;
    return (same_n(base, n, a->loose) || same_n(base, plain, a->loose) ||
            (low && same_n(low + 1, (size_t)(base + plain - low - 1), a->loose))) &&
           (!*a->loose_tag || same(m->tag, a->loose_tag));
}

static bool is_file(const ct_stored *m, const asked *a)
{
    return !strchr(a->text, '/') && has_file(m, a->text);
}

static bool (*const ways[])(const ct_stored *m, const asked *a) = { is_whole_name, was_pulled_so, is_of_repo, is_called,
                                                                    is_file };

/* ---- what is said where nothing, or too much, is meant ---- */

static void add_hint(char *to, const char *name)
{
    size_t n = strlen(to);
    if (n + strlen(name) + 3 < HINT)
        snprintf(to + n, HINT - n, "%s%s", n ? ", " : "", name);
    else if (n + 6 < HINT && !ct_hub_has_end(to, " ..."))
        snprintf(to + n, HINT - n, " ...");
}

static void try_near(const char *text, const char *name, char *best, size_t *least)
{
    size_t d = ct_edit_distance(text, strlen(text), name, strlen(name)), limit = 1 + strlen(text) / 4;
    if (d <= limit && d < *least && strlen(name) < HINT)
        *least = d, snprintf(best, HINT, "%s", name);
}

/* The nearest of the models that are there, or of the short names. */
static void nearest(const ct_stored_list *l, const char *text, char best[HINT])
{
    size_t least = SIZE_MAX;
    *best = '\0';
    for (size_t i = 0; i < l->n; i++) {
        try_near(text, l->v[i].name, best, &least);
        try_near(text, l->v[i].repo, best, &least);
        try_near(text, ct_hub_base(l->v[i].repo), best, &least);
        try_near(text, l->v[i].asked, best, &least);
    }
    char name[64];
    for (size_t i = 0; ct_short_at(i); i++)
        try_near(text, ct_short_shown(ct_short_at(i), name), best, &least);
}

static bool none(const ct_stored_list *l, const asked *a, carat_err *err)
{
    char near[HINT];
    nearest(l, a->text, near);
    char what[120];
    snprintf(what, sizeof what,
             a->may_be_file ? "no file '%.60s', and nothing was pulled under that name"
                            : "nothing was pulled under the name '%.60s'",
             a->text);
    const bool is_other = *near && !same(near, a->text);
    if (a->is_hub_name && !ct_hub_has_end(a->text, ".gguf")) /* which is a file's name, not a repository's */
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s; carat pull %.60s would fetch it%s%s%s", what, a->text,
                       is_other ? " (did you mean " : "", is_other ? near : "", is_other ? "?)" : "");
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s%s%s%s", what,
                   *near ? "; did you mean " : "; carat list shows what was", near, *near ? "?" : "");
}

static bool several(const ct_stored_list *l, const asked *a, bool (*is_meant)(const ct_stored *, const asked *),
                    carat_err *err)
{
    char names[HINT] = "";
    for (size_t i = 0; i < l->n; i++)
        if (is_meant(&l->v[i], a))
            add_hint(names, l->v[i].name);
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "'%.60s' means several models: %s", a->text, names);
}

/* ---- the search ---- */

static void read_asked(const char *name, asked *a)
{
    *a = (asked){ .text = name };
    a->is_hub_name = ct_hub_name_read(name, &a->name, NULL);
    const char *colon = strchr(name, ':');
    size_t n = colon ? (size_t)(colon - name) : strlen(name);
    a->loose_tag = colon ? colon + 1 : "";
    if (n < sizeof a->loose)
        snprintf(a->loose, sizeof a->loose, "%.*s", (int)n, name);
}

/* only_whole: others are passed by. *n: how many are meant. */
static bool match(const ct_stored_list *l, const asked *a, bool only_whole, const ct_stored **out, size_t *n,
                  carat_err *err)
{
    *out = NULL;
    *n = 0;
    for (size_t w = 0; *a->text && w < sizeof ways / sizeof *ways; w++) {
        for (size_t i = 0; i < l->n; i++)
            if ((l->v[i].is_whole || !only_whole) && ways[w](&l->v[i], a))
                *out = &l->v[i], ++*n;
        if (*n == 1)
            return true;
        *out = NULL;
        if (*n > 1)
            return several(l, a, ways[w], err);
    }
    return none(l, a, err);
}

bool ct_store_match(const ct_stored_list *l, const char *name, const ct_stored **out, carat_err *err)
{
    asked a;
    size_t n;
    read_asked(name, &a);
    return match(l, &a, false, out, &n, err);
}

static bool path_of(const ct_stored *m, char **path, carat_err *err)
{
    if (!m->is_whole)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "%.100s: its files are not as they were pulled; carat pull %.100s fetches what is missing",
                       m->name, m->name);
    *path = strdup(m->path);
    return *path || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a path");
}

static bool find(const char *name, bool may_be_file, char **path, carat_err *err)
{
    ct_stored_list l;
    const ct_stored *m;
    asked a;
    size_t n;
    *path = NULL;
    if (!ct_store_list(&l, NULL, NULL, err))
        return false;
    read_asked(name, &a);
    a.may_be_file = may_be_file;
    bool ok = match(&l, &a, true, &m, &n, err) ||
              (n == 0 && match(&l, &a, false, &m, &n, err)); /* what is whole goes first */
    ok = ok && path_of(m, path, err);
    ct_stored_list_free(&l);
    return ok;
}

bool ct_store_find(const char *name, char **path, carat_err *err)
{
    return find(name, false, path, err);
}

/* Can it be nothing but a path? */
static bool is_path(const char *name)
{
    return *name == '/' || strncmp(name, "./", 2) == 0 || strncmp(name, "../", 3) == 0 || name[strlen(name) - 1] == '/';
}

bool ct_store_resolve(const char *name, char **path, carat_err *err)
{
    struct stat st;
    if (!*name || stat(name, &st) == 0 || errno != ENOENT || is_path(name)) {
        *path = strdup(name); /* whoever opens it says what is wrong with it */
        return *path || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a path");
    }
    return find(name, true, path, err);
}
