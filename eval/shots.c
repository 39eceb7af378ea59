/* Heads of prompts. Shots come from one file for all groups, from one for each, or by the group that each shot is of; of a task whose
 * authors give its prompts as texts, a file of each group is the head.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/shots.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/rng.h"
#include "eval/files.h"
#include "eval/fill.h"
#include "eval/item.h"
#include "eval/rows.h"

#define MOST_TEXT ((size_t)4 << 20)

bool ct_eval_items_read(ct_eval_task *t, const char *file, size_t limit, size_t nth, ct_eval_item **items, size_t *n,
                        carat_err *err)
{
    json_t *rows, *row;
    size_t i;
    const ct_eval_form form =
        ct_eval_form_of(file, json_object_get(t->about, "columns"), ct_eval_text_of(t->about, "rows", NULL));
    *items = NULL;
    *n = 0;
    if (!ct_eval_rows_read(file, &form, limit, &rows, err))
        return false;
    *n = json_array_size(rows);
    *items = calloc(*n + 1, sizeof **items);
    bool ok = *n || ct_fail(err, CARAT_EFORMAT, 0, "%s: no items in it", file);
    ok = ok && (*items || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu items", *n));
    const json_t *first = json_array_get(rows, 0), *layout = ok ? ct_eval_layout(t, first, err) : NULL;
    ok = ok && (layout || ct_eval_fail_in_row(file, first, err));
    t->from = layout ? ct_eval_text_of(layout, "from", "") : NULL;
    json_array_foreach(rows, i, row)
        if (ok)
            ok = ct_eval_item_read(t, layout, row, nth + i, &(*items)[i], err) || ct_eval_fail_in_row(file, row, err);
    if (!*items)
        *n = 0;
    json_decref(rows);
    return ok;
}

/* An order of `of` things, of which the first n are drawn. */
static void choose_shots(size_t *which, size_t of, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < of; i++)
        which[i] = i;
    uint64_t state = seed;
    for (size_t i = 0; seed && i < n && i < of; i++) {
        const size_t k = i + (size_t)(ct_rng_unit(&state) * (double)(of - i)), was = which[i];
        which[i] = which[k];
        which[k] = was;
    }
}

static void add_shot(const ct_eval_task *t, const ct_eval_item *shot, ct_buf *head)
{
    ct_buf_str(head, shot->contexts[shot->n_contexts > 1 ? shot->answer : 0]);
    if (shot->solution) {
        ct_buf_str(head, shot->solution);
    } else {
        ct_buf_char(head, ' ');
        ct_buf_str(head, shot->n ? shot->choices[shot->answer] : json_string_value(json_array_get(shot->targets, 0)));
    }
    ct_buf_str(head, ct_eval_text_of(t->about, "separator", "\n\n"));
}

/* only: of which group; SIZE_MAX: of any. */
static bool add_shots(ct_eval_task *t, const ct_eval_source *s, const char *file, size_t only, ct_buf *head,
                      carat_err *err)
{
    ct_eval_item *shots = NULL;
    size_t n = 0, had = 0, *which = NULL;
    const bool all = s->seed || only != SIZE_MAX;
    bool ok = ct_eval_items_read(t, file, all ? 0 : s->n_shots, 0, &shots, &n, err);
    which = calloc(n + 1, sizeof *which);
    ok = ok && (which || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for shots"));
    if (ok)
        choose_shots(which, n, n, s->seed);
    for (size_t i = 0; ok && i < n && had < s->n_shots; i++) {
        const ct_eval_item *shot = &shots[which[i]];
        if (only != SIZE_MAX && shot->group != only)
            continue;
        ok = shot->solution || shot->n || json_array_size(shot->targets) ||
             ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                     "%s: its items have no solution that could be shown: --shots is not offered", t->title);
        if (ok)
            add_shot(t, shot, head);
        had++;
    }
    ok = ok && (had == s->n_shots ||
                ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: has %zu items%s%s, expected %zu shots at least", file, had,
                        only != SIZE_MAX ? " of " : "", only != SIZE_MAX ? t->groups[only].name : "", s->n_shots));
    for (size_t i = 0; shots && i < n; i++)
        ct_eval_item_free(&shots[i]);
    free(shots);
    free(which);
    return ok;
}

/* A text of the authors: what is behind its line of dashes, if it has one. */
static bool add_text(const char *file, const char *separator, ct_buf *head, carat_err *err)
{
    char chunk[1 << 14];
    size_t n = strlen(file);
    ct_buf text;
    if (n < 4 || strcmp(file + n - 4, ".txt") != 0)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: expected the authors' texts of examples (.txt)", file);
    FILE *f = fopen(file, "rbe");
    if (!f)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be opened: %s", file, strerror(errno));
    ct_buf_init(&text, MOST_TEXT);
    ct_buf_add(&text, "", 0);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0 && ct_buf_add(&text, chunk, n))
        ;
    bool ok = !ferror(f) || ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be read: %s", file, strerror(errno));
    fclose(f);
    ok = ok && ((!text.failed && strlen(text.data) == text.len) ||
                ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: longer than 4 MiB, or has NUL characters", file));
    if (ok) {
        const char *line = strstr(text.data, "\n-----\n"), *begin = line ? line + 7 : text.data;
        size_t len = strlen(begin);
        while (len && (begin[len - 1] == '\n' || begin[len - 1] == ' '))
            len--;
        ct_buf_add(head, begin, len);
        ct_buf_str(head, separator);
    }
    ct_buf_deinit(&text);
    return ok;
}

static bool make_head(ct_eval_task *t, const ct_eval_source *s, const ct_eval_files *shots, size_t g, carat_err *err)
{
    ct_buf b;
    ct_buf_init(&b, MOST_TEXT);
    char *subject = strdup(t->groups[g].name);
    for (char *c = subject; c && *c; c++)
        *c = *c == '_' ? ' ' : *c;
    json_t *fields = subject ? json_pack("{s:o}", "subject", ct_json_from_str(subject)) : NULL;
    const ct_eval_file *file = !shots->n          ? NULL
                               : shots->is_folder ? ct_eval_files_find(shots, t->groups[g].name)
                                                  : shots->list;
    const bool by_group = json_object_get(json_array_get(json_object_get(t->about, "layouts"), 0), "group") != NULL;
    bool ok = fields || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the shots");
    ok = ok && (!shots->n || file ||
                ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: has no shots for '%s'", s->shots, t->groups[g].name));
    const bool is_text = file && json_is_true(json_object_get(t->about, "shots_are_texts"));
    ok = ok && (is_text ? add_text(file->path, ct_eval_text_of(t->about, "separator", "\n\n"), &b, err)
                        : ct_eval_fill(ct_eval_text_of(t->about, "description", ""), fields, &b, err));
    ok = ok && (!file || is_text || add_shots(t, s, file->path, by_group ? g : SIZE_MAX, &b, err));
    t->groups[g].head = ok ? (b.len ? ct_buf_take(&b) : strdup("")) : NULL;
    ok = ok && (t->groups[g].head || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the shots"));
    ct_buf_deinit(&b);
    json_decref(fields);
    free(subject);
    return ok;
}

static bool is_one_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A question behind its own solution is none. */
static bool check_shots(const ct_eval_task *t, const ct_eval_source *s, const ct_eval_files *shots, carat_err *err)
{
    ct_eval_files data = { 0 };
    bool ok = true;
    if (!ct_eval_files_open(&data, s->data, json_object_get(t->about, "files"),
                            ct_eval_text_of(t->about, "in_folders", NULL), json_object_get(t->about, "subject_suffix"),
                            NULL))
        return true; /* a folder that another reader knows */
    for (size_t i = 0; ok && i < data.n; i++)
        for (size_t k = 0; ok && k < shots->n; k++)
            ok = !is_one_file(data.list[i].path, shots->list[k].path) ||
                 ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                         "%s: holds the questions that are asked, which would stand behind their own answers; expected "
                         "another file for --shots-data, of training or development",
                         shots->list[k].path);
    ct_eval_files_close(&data);
    return ok;
}

bool ct_eval_heads_make(ct_eval_task *t, const ct_eval_source *s, carat_err *err)
{
    ct_eval_files shots = { 0 };
    const char *from = t->from;
    const json_t *endings = json_object_get(t->about, "shots_files");
    bool ok = !s->shots || ct_eval_files_open(&shots, s->shots, endings ? endings : json_object_get(t->about, "files"),
                                              ct_eval_text_of(t->about, "in_folders", NULL),
                                              json_object_get(t->about, "subject_suffix"), err);
    ok = ok && (!shots.n || json_object_get(t->about, "shots_are_texts") || check_shots(t, s, &shots, err));
    const size_t n = t->n_groups; /* shots of other groups are of no use */
    for (size_t g = 0; ok && g < n; g++)
        ok = make_head(t, s, &shots, g, err);
    t->from = from;
    ct_eval_files_close(&shots);
    return ok;
}
