/* The model and the tower that goes with it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/checkpoint.h"

#include <stdio.h>
#include <string.h>

#include "model/find_tower.h"

/* ---- where the tower is ---- */

static bool find_tower(const ct_model *m, const char *mmproj, char out[4096], carat_err *err)
{
    *out = '\0';
    const char *known = mmproj ? mmproj : m->cfg.vision.present ? m->path : NULL;
    if (!known)
        return ct_find_tower(m, out, err);
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

/* A file that is named and not used must be one that could be. */
static bool check_mmproj(const ct_model *m, const char *path, carat_err *err)
{
    ct_source src;
    ct_tower *t;
    bool ok = ct_tower_describe(path, m->cfg.hidden, &src, &t, err);
    ct_source_close(&src);
    ct_tower_close(t);
    return ok;
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
        return !o->mmproj || check_mmproj(c->model, o->mmproj, err);
    }
    if (open_tower(c, o, &why))
        return c->tower || !is_needed ||
               ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "%s: this model has no vision tower: none in it, no mmproj file of its own beside it", path);
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
