/* Finds the mmproj file that belongs to a model among what publishers put into one folder: a projector in several
 * precisions (mmproj-BF16.gguf, mmproj-F16.gguf), several models with theirs (mmproj-gemma-3-4b-it-f16.gguf).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/find_tower.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/source.h"
#include "model/tower.h"

#define MAX_FILES 64
#define MAX_WORDS 24

/* ---- names ---- */

/* The words of a file's name that say which model it is of. */
typedef struct words {
    char word[MAX_WORDS][32]; /* lower case */
    size_t n;
} words;

/* Not: what says how it is stored. Q4_K_M is three words, of which single characters go as well. */
static bool is_about_storage(const char *w)
{
    static const char *const known[] = { "mmproj", "model", "gguf", "f16", "bf16", "f32", "fp16", "fp32",
                                         "ud",     "imat",  "of",   "xl",  "xs",   "xxs", "nl",   "vision" };
    size_t len = strlen(w);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(w, known[i]) == 0)
            return true;
    const char *q = *w == 'i' ? w + 1 : w;
    bool is_quant = *q == 'q' && isdigit((unsigned char)q[1]);
    bool is_part = len == 5 && strspn(w, "0123456789") == 5; /* -00001-of-00003 */
    return is_quant || is_part || (len == 1 && strchr("01kmsl", *w));
}

static words words_of(const char *name)
{
    words out = { .n = 0 };
    while (*name && out.n < MAX_WORDS) {
        char *w = out.word[out.n];
        size_t len = strcspn(name, "-._ "), kept = len < sizeof *out.word - 1 ? len : sizeof *out.word - 1;
        for (size_t i = 0; i < kept; i++)
            w[i] = (char)tolower((unsigned char)name[i]);
        w[kept] = '\0';
        if (len && !is_about_storage(w))
            out.n++;
        name += len + (name[len] != '\0');
    }
    return out;
}

static bool has_word(const words *all, const char *w)
{
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->word[i], w) == 0)
            return true;
    return false;
}

/* How many words of the projector's name the model's has; -1 if it has one that the model's lacks. */
static int agreement(const words *model, const words *tower)
{
    for (size_t i = 0; i < tower->n; i++)
        if (!has_word(model, tower->word[i]))
            return -1;
    return (int)tower->n;
}

static bool same_words(const words *a, const words *b)
{
    return a->n == b->n && agreement(a, b) >= 0;
}

/* ---- candidates ---- */

typedef struct candidate {
    char name[256];
    words words;
    int agreement;
    ct_type type; /* of its layers' matrices */
} candidate;

typedef struct search {
    const ct_model *m;
    char folder[4096];
    candidate *items; /* [MAX_FILES] */
    size_t n;
    carat_err why; /* the first one's that does not fit */
    char why_name[256];
} search;

static bool is_mmproj_name(const char *name)
{
    size_t n = strlen(name);
    return n > 5 && n < 256 && strcasecmp(name + n - 5, ".gguf") == 0 && strcasestr(name, "mmproj");
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The folder part of a path, "." if it has none. */
static bool folder_of(const char *path, char out[4096])
{
    const char *slash = strrchr(path, '/');
    int n = slash == path ? 1 : slash ? (int)(slash - path) : 1;
    return snprintf(out, 4096, "%.*s", n, slash ? path : ".") < 4096;
}

static bool list(search *s, carat_err *err)
{
    DIR *d = opendir(s->folder);
    if (!d && errno == ENOMEM)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory to look for vision files", s->folder);
    if (!d) /* a file may be readable in a folder that is not */
        return true;
    bool ok = true;
    for (const struct dirent *f; ok && (f = readdir(d));) {
        if (!is_mmproj_name(f->d_name))
            continue;
        if (s->n == MAX_FILES)
            ok = ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                         "%s: more than %d vision files beside it: choose one with --mmproj", s->m->path, MAX_FILES);
        else
            snprintf(s->items[s->n++].name, sizeof s->items->name, "%s", f->d_name);
    }
    closedir(d);
    return ok;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const candidate *)a)->name, ((const candidate *)b)->name);
}

/* Reads its header. False with s->why where it does not belong to a model of this width. */
static bool fits(search *s, candidate *c, carat_err *err)
{
    char path[4096];
    ct_source src = { .path = NULL };
    ct_tower *t = NULL;
    bool ok = ct_source_join(s->folder, c->name, path)
                  ? ct_tower_describe(path, s->m->cfg.hidden, &src, &t, err)
                  : ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "its path is too long");
    if (ok)
        c->type = ct_tower_type(t, CT_TOWER_FC1, 0);
    ct_tower_close(t);
    ct_source_close(&src);
    return ok;
}

/* Keeps those that fit. */
static bool sift(search *s, carat_err *err)
{
    const words model = words_of(base_of(s->m->path));
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++) {
        candidate *c = &s->items[i];
        carat_err why;
        if (fits(s, c, &why)) {
            c->words = words_of(c->name);
            c->agreement = agreement(&model, &c->words);
            if (i != kept)
                s->items[kept] = *c;
            kept++;
        } else if (why.code == CARAT_ENOMEM) {
            *err = why;
            return false;
        } else if (!*s->why_name) {
            s->why = why;
            snprintf(s->why_name, sizeof s->why_name, "%s", c->name);
        }
    }
    s->n = kept;
    return true;
}

/* ---- choosing ---- */

/* Published towers are BF16. */
static int rank(ct_type type)
{
    static const ct_type order[] = { CT_BF16, CT_F16, CT_F32, CT_Q8_0 };
    int n = sizeof order / sizeof *order;
    for (int i = 0; i < n; i++)
        if (order[i] == type)
            return i;
    return n + (int)type;
}

static bool is_better(const candidate *a, const candidate *b)
{
    return a->agreement != b->agreement ? a->agreement > b->agreement : rank(a->type) < rank(b->type);
}

static bool choose(const search *s, const candidate **out, carat_err *err)
{
    const candidate *best = &s->items[0];
    for (size_t i = 1; i < s->n; i++)
        if (is_better(&s->items[i], best))
            best = &s->items[i];
    for (size_t i = 0; i < s->n; i++) {
        const candidate *c = &s->items[i];
        bool is_other_precision = same_words(&c->words, &best->words) && c->type != best->type;
        if (c != best && c->agreement == best->agreement && !is_other_precision)
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                           "%s: several vision files beside it fit ('%.60s', '%.60s'): choose one with --mmproj",
                           s->m->path, c < best ? c->name : best->name, c < best ? best->name : c->name);
    }
    *out = best;
    return true;
}

static bool none_fits(const search *s, size_t n, carat_err *err)
{
    const ct_published *p = s->m->cfg.published;
    if (p && !p->has_vision) /* they are of the other models in the folder */
        return s->why.code == CARAT_EARG || ct_fail(err, s->why.code, s->why.at, "%s", s->why.msg);
    if (n == 1)
        return ct_fail(err, s->why.code, s->why.at, "%s", s->why.msg);
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "none of the %zu vision files beside it fits: %s", n, s->why.msg);
}

static bool search_folder(search *s, char out[4096], carat_err *err)
{
    const candidate *c = NULL;
    if (!list(s, err))
        return false;
    size_t n = s->n;
    if (!n)
        return true;
    qsort(s->items, n, sizeof *s->items, by_name); /* so that messages do not depend on the file system */
    if (!sift(s, err))
        return false;
    if (!s->n)
        return none_fits(s, n, err);
    return choose(s, &c, err) && ct_source_join(s->folder, c->name, out); /* its path was opened: it has room */
}

bool ct_find_tower(const ct_model *m, char out[4096], carat_err *err)
{
    search s = { .m = m };
    *out = '\0';
    if (!folder_of(m->path, s.folder))
        return true;
    s.items = calloc(MAX_FILES, sizeof *s.items);
    if (!s.items)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory to look for vision files", s.folder);
    bool ok = search_folder(&s, out, err);
    free(s.items);
    return ok;
}
