/* From a description and a user's files to items and groups.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/task.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "eval/calls.h"
#include "eval/files.h"
#include "eval/formulas.h"
#include "eval/item.h"
#include "eval/mmmu.h"
#include "eval/needle.h"
#include "eval/shots.h"
#include "eval/tasks.h"

#define MOST_ITEMS ((size_t)4 << 20)

const char *ct_eval_task_name(size_t i)
{
    return i < ct_eval_n_descriptions ? ct_eval_descriptions[i].name : NULL;
}

const char *ct_eval_text_of(const json_t *o, const char *key, const char *otherwise)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : otherwise;
}

static bool open_description(ct_eval_task *t, const char *name, carat_err *err)
{
    size_t d = 0;
    while (d < ct_eval_n_descriptions && strcmp(ct_eval_descriptions[d].name, name) != 0)
        d++;
    if (d == ct_eval_n_descriptions)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "no task '%s'", name);
    if (!ct_json_parse(name, ct_eval_descriptions[d].text, *ct_eval_descriptions[d].len, &t->about, err))
        return false;
    t->title = ct_eval_text_of(t->about, "title", name);
    t->protocol = ct_eval_text_of(t->about, "protocol", "");
    t->is_generated = strcmp(ct_eval_text_of(t->about, "kind", "choices"), "answers") == 0;
    t->figure = ct_eval_text_of(t->about, "figure", t->is_generated ? "score" : "plain");
    t->has_pictures = json_is_true(json_object_get(t->about, "pictures"));
    return true;
}

bool ct_eval_task_is_made_up(const char *name)
{
    ct_eval_task t = { 0 };
    const bool is = open_description(&t, name, NULL) && json_object_get(t.about, "made_up");
    ct_eval_task_close(&t);
    return is;
}

bool ct_eval_task_has_pictures(const char *name)
{
    ct_eval_task t = { 0 };
    const bool has = open_description(&t, name, NULL) && t.has_pictures;
    ct_eval_task_close(&t);
    return has;
}

bool ct_eval_task_is_generated(const char *name)
{
    ct_eval_task t = { 0 };
    const bool is = open_description(&t, name, NULL) && t.is_generated;
    ct_eval_task_close(&t);
    return is;
}

/* ---- items ---- */

bool ct_eval_task_group(ct_eval_task *t, const char *name, size_t *group, carat_err *err)
{
    for (*group = 0; *group < t->n_groups; ++*group)
        if (strcmp(t->groups[*group].name, name) == 0)
            return true;
    ct_eval_group *more = realloc(t->groups, (t->n_groups + 1) * sizeof *more);
    char *copy = strdup(name);
    if (more)
        t->groups = more;
    if (!more || !copy) {
        free(copy);
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a group");
    }
    t->groups[t->n_groups++] = (ct_eval_group){ .name = copy };
    return true;
}

ct_eval_item *ct_eval_task_add(ct_eval_task *t, carat_err *err)
{
    if (t->n >= MOST_ITEMS) {
        ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "more than %zu items", MOST_ITEMS);
        return NULL;
    }
    ct_eval_item *all = realloc(t->items, (t->n + 1) * sizeof *all);
    if (!all) {
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu items", t->n + 1);
        return NULL;
    }
    t->items = all;
    all[t->n] = (ct_eval_item){ 0 };
    return &all[t->n++];
}

/* The items of one file, behind those that are there. */
static bool add_file(ct_eval_task *t, const ct_eval_file *f, carat_err *err)
{
    ct_eval_item *items = NULL;
    size_t n = 0, group = 0;
    bool ok = ct_eval_items_read(t, f->path, 0, t->n, &items, &n, err);
    const bool by_item = json_object_get(json_array_get(json_object_get(t->about, "layouts"), 0), "group") != NULL;
    if (ok && !by_item) /* else items have named their groups */
        ok = ct_eval_task_group(t, f->name, &group, err);
    ct_eval_item *all = ok && n <= MOST_ITEMS - t->n ? realloc(t->items, (t->n + n) * sizeof *all) : NULL;
    ok = ok && (all || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for its items, or too many", f->path));
    for (size_t i = 0; i < n && !ok; i++)
        ct_eval_item_free(&items[i]);
    if (ok) {
        t->items = all;
        memcpy(all + t->n, items, n * sizeof *all);
        for (size_t i = 0; i < n && !by_item; i++)
            all[t->n + i].group = group;
        t->n += n;
    }
    free(items);
    return ok;
}

static bool add_files(ct_eval_task *t, const char *path, carat_err *err)
{
    ct_eval_files f;
    bool ok =
        ct_eval_files_open(&f, path, json_object_get(t->about, "files"), ct_eval_text_of(t->about, "in_folders", NULL),
                           json_object_get(t->about, "subject_suffix"), err);
    for (size_t i = 0; ok && i < f.n; i++) {
        /* a folder's files that are of another kind (BIG-bench has both) are not this task's */
        carat_err why;
        const size_t had = t->n;
        ok = add_file(t, &f.list[i], &why);
        if (!ok && f.is_folder && f.n > 1 && t->n == had && json_is_true(json_object_get(t->about, "passes_over")) &&
            why.code == CARAT_EFORMAT)
            ok = true;
        else if (!ok && err)
            *err = why;
    }
    if (ok && !t->n)
        ok = ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: has no items of %s", path, t->title);
    ct_eval_files_close(&f);
    return ok;
}

/* ---- what was asked ---- */

static uint64_t hash_text(uint64_t h, const char *s) /* FNV-1a; the NUL tells where texts end */
{
    do
        h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    while (*s++);
    return h;
}

static uint64_t hash_json(uint64_t h, const json_t *v)
{
    char *s = v ? ct_json_dump(v, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    h = hash_text(h, s ? s : "");
    free(s);
    return h;
}

static uint64_t hash_item(uint64_t h, const ct_eval_item *item, bool is_generated)
{
    for (size_t k = 0; k < item->n_contexts; k++)
        h = hash_text(h, item->contexts[k]);
    for (size_t k = 0; k < item->n; k++)
        h = hash_text(h, item->choices[k]);
    for (size_t k = 0; k < item->n; k++) /* a data file that is put right is another one */
        h = hash_text(h, item->right[k] ? "right" : "wrong");
    if (!is_generated)
        return h;
    const char *const texts[] = { item->chat, item->program, item->chat_program };
    for (size_t k = 0; k < 3; k++)
        h = hash_text(h, texts[k] ? texts[k] : "");
    h = hash_json(h, item->targets);
    for (size_t k = 0; k < item->n_pictures; k++)
        h = hash_text(h, item->pictures[k].name ? item->pictures[k].name : item->pictures[k].data);
    if (item->messages)
        h = hash_json(h, item->messages);
    h = hash_json(h, item->functions);
    h = hash_json(h, item->calls);
    return item->rules ? hash_json(h, item->rules) : h;
}

static void hash_all(ct_eval_task *t)
{
    static const char *const judged[] = { "max_tokens", "chat_max_tokens", "stops",  "chat_stops",
                                          "extract",    "chat_extract",    "compare" };
    t->hash = 0xcbf29ce484222325u;
    for (size_t g = 0; g < t->n_groups; g++)
        if (t->groups[g].head)
            t->hash = hash_text(t->hash, t->groups[g].head);
    /* of items that are made up, one of each kind tells all: as many of them are made as are asked */
    const size_t n =
        json_object_get(t->about, "made_up") ? json_array_size(json_object_get(t->about, "made_up")) : t->n;
    for (size_t i = 0; i < n; i++)
        t->hash = hash_item(t->hash, &t->items[i], t->is_generated);
    if (strcmp(ct_eval_text_of(t->about, "compare", ""), "mmmu") == 0) /* which draws where it finds nothing */
        t->hash ^= t->seed;
    for (size_t k = 0; k < sizeof judged / sizeof *judged && t->is_generated; k++)
        t->hash = hash_json(t->hash, json_object_get(t->about, judged[k]));
}

char *ct_eval_task_text(const ct_eval_task *t, const ct_eval_item *item, const char *context, carat_err *err)
{
    const char *head = t->groups[item->group].head;
    ct_buf b; /* in one piece: a token may cross the border */
    ct_buf_init(&b, (size_t)64 << 20);
    ct_buf_str(&b, head ? head : "");
    ct_buf_str(&b, context);
    char *s = ct_buf_take(&b);
    if (!s)
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a prompt");
    ct_buf_deinit(&b);
    return s;
}

/* ---- pictures ---- */

static char *folder_of(const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return strdup(path);
    const char *slash = strrchr(path, '/');
    return slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
}

/* Of the items that are asked. */
static bool find_pictures(ct_eval_task *t, const ct_eval_source *s, carat_err *err)
{
    t->folder = s->images ? strdup(s->images) : folder_of(s->data);
    bool ok = t->folder || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a folder's name");
    for (size_t i = 0; ok && i < t->n; i++)
        for (size_t k = 0; ok && k < t->items[i].n_pictures; k++)
            ok = ct_eval_picture_find(&t->items[i].pictures[k], t->folder, err) || ct_fail_in(err, "item %zu", i);
    return ok;
}

static bool read_or_make(ct_eval_task *t, const ct_eval_source *s, carat_err *err)
{
    const char *reader = ct_eval_text_of(t->about, "reader", "");
    if (s->n_shots && (t->has_pictures || strcmp(reader, "bfcl") == 0 || json_object_get(t->about, "made_up")))
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: its questions are asked without examples: --shots is not offered", t->title);
    if (json_object_get(t->about, "made_up"))
        return ct_eval_needles_make(t, s, err);
    if (strcmp(reader, "bfcl") == 0)
        return ct_eval_calls_read(t, s->data, err);
    if (strcmp(reader, "mmmu") == 0)
        return ct_eval_mmmu_read(t, s->data, err);
    const bool read = strcmp(reader, "math") == 0 ? ct_eval_math_read(t, s->data, err) : add_files(t, s->data, err);
    return read && ct_eval_heads_make(t, s, err);
}

bool ct_eval_task_open(ct_eval_task *t, const char *name, const ct_eval_source *s, carat_err *err)
{
    *t = (ct_eval_task){ .name = name, .n_shots = s->n_shots, .seed = s->seed };
    bool ok = open_description(t, name, err) && read_or_make(t, s, err);
    if (ok) {
        hash_all(t); /* of all items, so that a limit can be raised */
        while (s->limit && t->n > s->limit)
            ct_eval_item_free(&t->items[--t->n]);
    }
    ok = ok && (!t->has_pictures || find_pictures(t, s, err));
    if (!ok)
        ct_eval_task_close(t);
    return ok;
}

void ct_eval_task_close(ct_eval_task *t)
{
    for (size_t i = 0; t->items && i < t->n; i++)
        ct_eval_item_free(&t->items[i]);
    for (size_t g = 0; g < t->n_groups; g++) {
        free(t->groups[g].name);
        free(t->groups[g].head);
    }
    free(t->groups);
    free(t->items);
    free(t->folder);
    json_decref(t->about);
    *t = (ct_eval_task){ 0 };
}
