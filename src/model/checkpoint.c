/* The model and the tower that goes with it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- where the tower is ---- */

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

static bool find_beside(const ct_model *m, char out[4096], carat_err *err)
{
    char folder[4096], first[256] = "";
    if (!folder_of(m->path, folder))
        return true;
    DIR *d = opendir(folder);
    if (!d && errno == ENOMEM)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory to look for vision files", folder);
    if (!d) /* a file may be readable in a folder that is not */
        return true;
    bool ok = true;
    for (const struct dirent *f; ok && (f = readdir(d));) {
        if (!is_mmproj_name(f->d_name))
            continue;
        if (*first)
            ok = ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                         "%s: several vision files beside it ('%.60s', '%.60s'): choose one with --mmproj", m->path,
                         first, f->d_name);
        else
            snprintf(first, sizeof first, "%s", f->d_name);
    }
    closedir(d);
    if (ok && *first && !ct_source_join(folder, first, out))
        *out = '\0';
    return ok;
}

static bool find_tower(const ct_model *m, const char *mmproj, char out[4096], carat_err *err)
{
    *out = '\0';
    const char *known = mmproj ? mmproj : m->cfg.vision.present ? m->path : NULL;
    if (!known)
        return find_beside(m, out, err);
    if (snprintf(out, 4096, "%s", known) < 4096)
        return true;
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a path of %zu bytes is too long", strlen(known));
}

/* ---- opening ---- */

static bool open_tower(ct_checkpoint *c, const ct_checkpoint_options *o, carat_err *err)
{
    char path[4096];
    if (!find_tower(c->model, o->mmproj, path, err))
        return false;
    c->could_see = path[0];
    return !path[0] || ct_tower_describe(path, c->model->cfg.hidden, &c->vision, &c->tower, err);
}

bool ct_checkpoint_open(const char *path, const ct_checkpoint_options *o, ct_checkpoint *c, carat_err *err)
{
    bool is_needed = o->vision == CARAT_VISION_REQUIRED || o->mmproj;
    carat_err why;
    *c = (ct_checkpoint){ .note = "" };
    if (!ct_model_describe(path, o->trust_header, &c->text, &c->model, err))
        return false;
    if (o->vision == CARAT_VISION_OFF) {
        c->could_see = c->model->cfg.vision.present;
        return true;
    }
    if (open_tower(c, o, &why))
        return c->tower || !is_needed ||
               ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: this model has no vision tower: none in it, no mmproj file beside it", path);
    if (is_needed || why.code == CARAT_ENOMEM) {
        if (err)
            *err = why;
        return false;
    }
    ct_source_close(&c->vision);
    snprintf(c->note, sizeof c->note, "text only: %s", why.msg);
    return true;
}

void ct_checkpoint_close_files(ct_checkpoint *c)
{
    ct_source_close(&c->text);
    ct_source_close(&c->vision);
}

void ct_checkpoint_close(ct_checkpoint *c)
{
    ct_checkpoint_close_files(c);
    ct_tower_close(c->tower);
    ct_model_close(c->model);
    *c = (ct_checkpoint){ .note = "" };
}
