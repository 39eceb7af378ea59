/* Finds the vision tower that belongs to a model: named, in the model's own file, or an mmproj beside it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/vision.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/source.h"

static bool is_mmproj_name(const char *name)
{
    size_t n = strlen(name);
    return n > 5 && strcasecmp(name + n - 5, ".gguf") == 0 && strcasestr(name, "mmproj");
}

/* The folder part of a path, "." if it has none. */
static bool folder_of(const char *path, char out[4096])
{
    const char *slash = strrchr(path, '/');
    int n = slash == path ? 1 : slash ? (int)(slash - path) : 1;
    return snprintf(out, 4096, "%.*s", n, slash ? path : ".") < 4096;
}

static bool look_beside(const ct_model *m, char out[4096], carat_err *err)
{
    char folder[4096], first[256] = "";
    if (!folder_of(m->path, folder))
        return true;
    DIR *d = opendir(folder);
    if (!d)
        return true;
    bool ok = true;
    for (const struct dirent *f; ok && (f = readdir(d));) {
        if (!is_mmproj_name(f->d_name))
            continue;
        if (*first)
            ok = ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                         "%s: several vision files beside it ('%.60s', '%.60s'): say which by --mmproj", m->path, first,
                         f->d_name);
        else
            snprintf(first, sizeof first, "%s", f->d_name);
    }
    closedir(d);
    if (ok && *first && !ct_source_join(folder, first, out))
        *out = '\0';
    return ok;
}

bool ct_vision_find(const ct_model *m, const char *mmproj, char out[4096], carat_err *err)
{
    *out = '\0';
    const char *known = mmproj ? mmproj : m->cfg.vision.present ? m->path : NULL;
    if (!known)
        return look_beside(m, out, err);
    if (snprintf(out, 4096, "%s", known) < 4096)
        return true;
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a path of %zu bytes is too long", strlen(known));
}

/* The names of the tower's tensors in all the layouts. */
static bool is_of_tower(const char *name)
{
    return strncmp(name, "v.", 2) == 0 || strncmp(name, "mm.", 3) == 0 || strstr(name, "vision_tower.") ||
           strstr(name, "multi_modal_projector.");
}

bool ct_vision_describe(const char *path, size_t text_width, const ct_kernels *k, int n_threads, bool exact,
                        ct_vision_facts *out, ct_buf *types, carat_err *err)
{
    ct_source s = { 0 };
    size_t n[CT_N_TYPE] = { 0 };
    const ct_vision_options o = { .exact = exact };
    bool ok = ct_source_open_vision(&s, path, &out->shape, err);
    for (size_t i = 0; ok && i < s.tensors->n; i++)
        if (is_of_tower(s.tensors->items[i].name))
            n[s.tensors->items[i].type]++;
    ct_source_close(&s);
    for (uint32_t t = 0; t < CT_N_TYPE; t++)
        if (n[t])
            ct_buf_fmt(types, "%s%s %zu", types->len ? ", " : "", ct_type_get(t)->name, n[t]);
    return ok && ct_vision_bytes(path, text_width, k, n_threads, &o, &out->size, err);
}
