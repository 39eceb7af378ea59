/* Files of tests in a folder of their own.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"

static char folder[160];

int files_setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "%.120s/carat-eval-XXXXXX", unit_tmp());
    return mkdtemp(folder) ? 0 : -1;
}

int files_teardown(void **state)
{
    (void)state;
    char command[200];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

const char *files_folder(void)
{
    return folder;
}

const char *files_path(const char *name)
{
    static char paths[8][288];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

const char *put(const char *name, const char *text)
{
    const char *path = files_path(name);
    char part[288];
    for (const char *slash = strchr(path + strlen(folder) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        mkdir(part, 0755);
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

void open_task(ct_eval_task *t, const char *name, const ct_eval_source *s)
{
    carat_err err;
    if (!ct_eval_task_open(t, name, s, &err))
        fail_msg("%s: %s", name, err.msg);
}

const ct_eval_item *only(ct_eval_task *t, const char *name, const char *file, const char *text)
{
    const ct_eval_source s = { .data = put(file, text) };
    open_task(t, name, &s);
    assert_int_equal(t->n, 1);
    return t->items;
}

void refuses(const char *name, const char *file, const char *text, const char *says)
{
    carat_err err;
    ct_eval_task t;
    const ct_eval_source s = { .data = put(file, text) };
    if (ct_eval_task_open(&t, name, &s, &err)) {
        ct_eval_task_close(&t);
        fail_msg("%s: is not refused: %s", name, says);
    }
    if (!strstr(err.msg, says))
        fail_msg("'%s' does not say '%s'", err.msg, says);
}
