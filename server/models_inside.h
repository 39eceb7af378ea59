/* models_inside.h - what the files of models share.
 *
 *     models.c        which there are
 *     models_load.c   loading, unloading, making room
 *     adapters.c      adapters that clients load and unload
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SERVER_MODELS_INSIDE_H
#define CT_SERVER_MODELS_INSIDE_H

#include "server/models.h"

struct ct_models {
    const ct_server_options *o;
    ct_workers *workers;
    ct_models_fn *changed;
    void *arg;
    ct_model *first, **end;
    ct_model *forgotten; /* calls may still have them */
    size_t n;
};

/* With all that belongs to it. On any thread. */
void ct_model_close_engine(ct_model *m);

/* adapters.c: of a new engine, those that clients have loaded before. On the loader's thread. */
void ct_model_reload_adapters(ct_model *m);
/* Before its engine is closed. */
void ct_model_free_adapters(ct_model *m);

#endif
