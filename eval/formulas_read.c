/* MATH's problems: a file for each, in folders of subjects; or all of them as lines.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "eval/files.h"
#include "eval/formulas.h"
#include "eval/item.h"
#include "eval/rows.h"

#define MOST_FILE ((size_t)1 << 20)

static bool no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a problem");
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool ct_eval_math_add_fields(json_t *row, carat_err *err)
{
    const char *solution = json_string_value(json_object_get(row, "solution")),
               *given = json_string_value(json_object_get(row, "answer"));
    char *boxed = solution ? ct_eval_math_boxed(solution) : NULL;
    const char *answer = given ? given : boxed;
    ct_buf b;
    ct_buf_init(&b, MOST_FILE);
    ct_buf_add(&b, "", 0);
    if (answer && !strstr(solution ? solution : "", "The final answer is"))
        ct_buf_fmt(&b, "\nFinal Answer: The final answer is $%s$. I hope it is correct.", answer);
    bool ok = answer ? !b.failed || no_memory(err)
                     : ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'solution' has no \\boxed{answer} in it");
    ok = ok && ((json_object_set_new(row, "boxed", json_string(answer)) == 0 &&
                 json_object_set_new(row, "box", json_string("\\boxed{}")) == 0 &&
                 json_object_set_new(row, "ending", json_string(b.data)) == 0) ||
                no_memory(err));
    ct_buf_deinit(&b);
    free(boxed);
    return ok;
}

static const char *subject_of(const json_t *row)
{
    const char *subject = json_string_value(json_object_get(row, "subject"));
    subject = subject ? subject : json_string_value(json_object_get(row, "type"));
    return subject ? subject : "all";
}

static bool add_row(void *arg, json_t *row, carat_err *err)
{
    ct_eval_task *t = arg;
    const size_t nth = t->n;
    const json_t *layout = ct_eval_layout(t, row, err);
    ct_eval_item *item = layout ? ct_eval_task_add(t, err) : NULL;
    t->from = ct_eval_text_of(layout, "from", "");
    return item && ct_eval_item_read(t, layout, row, nth, item, err) &&
           ct_eval_task_group(t, subject_of(row), &item->group, err);
}

static bool read_problem(ct_eval_task *t, const char *path, carat_err *err)
{
    json_t *row = NULL;
    bool ok = ct_json_load(path, MOST_FILE, &row, err);
    ok = ok && (json_is_object(row) ||
                ct_fail(err, CARAT_EFORMAT, 0, "%s: is %s, expected an object", path, ct_json_kind(row)));
    ok = ok && (json_object_set_new(row, CT_EVAL_LINE, json_integer(1)) == 0 || no_memory(err));
    ok = ok && (add_row(t, row, err) || ct_eval_fail_in_row(path, row, err));
    json_decref(row);
    return ok;
}

static int by_number(const void *a, const void *b)
{
    const char *x = ((const ct_eval_file *)a)->name, *y = ((const ct_eval_file *)b)->name;
    const long n = strtol(x, NULL, 10), m = strtol(y, NULL, 10);
    return n != m ? (n > m) - (n < m) : strcmp(x, y);
}

/* 1.json, 2.json ... of a subject, in the order of their numbers. */
static bool read_subject(ct_eval_task *t, const char *path, carat_err *err)
{
    ct_eval_files f;
    json_t *endings = json_pack("[s]", ".json");
    bool ok = endings && ct_eval_files_open(&f, path, endings, NULL, NULL, err);
    json_decref(endings);
    if (!ok)
        return false;
    qsort(f.list, f.n, sizeof *f.list, by_number);
    for (size_t i = 0; ok && i < f.n; i++)
        ok = read_problem(t, f.list[i].path, err);
    ct_eval_files_close(&f);
    return ok;
}

static int no_dots(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static bool read_folder(ct_eval_task *t, const char *path, carat_err *err)
{
    struct dirent **entries;
    bool ok = true, has_folders = false;
    const int n = scandir(path, &entries, no_dots, alphasort);
    if (n < 0)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: cannot be opened: %s", path, strerror(errno));
    for (int i = 0; i < n; i++) {
        ct_buf b;
        ct_buf_init(&b, 1 << 16);
        ct_buf_fmt(&b, "%s/%s", path, entries[i]->d_name);
        if (ok && !b.failed && is_folder(b.data)) {
            has_folders = true;
            ok = read_subject(t, b.data, err);
        }
        ct_buf_deinit(&b);
        free(entries[i]);
    }
    free(entries);
    return ok && (has_folders || read_subject(t, path, err));
}

bool ct_eval_math_read(ct_eval_task *t, const char *path, carat_err *err)
{
    const size_t len = strlen(path);
    const bool is_one = len > 5 && strcmp(path + len - 5, ".json") == 0;
    return (is_folder(path) ? read_folder(t, path, err)
            : is_one        ? read_problem(t, path, err)
                            : ct_eval_rows_each(path, add_row, t, err)) &&
           (t->n || ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: no problems in it", path));
}
