/* models.h - models by name: loaded when they are asked for, unloaded when memory or time asks for it.
 *
 * A model is held by each call that uses its engine. One that nobody holds may be unloaded: by request, after a time without
 * calls, or when another needs its memory. Loading is a thread's work; the loop never waits for it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SERVER_MODELS_H
#define CT_SERVER_MODELS_H

#include <stdatomic.h>

#include "server/server.h"
#include "server/workers.h"

#define CT_MODEL_NAME 256

typedef struct ct_models ct_models;
typedef struct ct_model ct_model;

typedef enum ct_model_state { CT_MODEL_UNLOADED, CT_MODEL_LOADING, CT_MODEL_LOADED, CT_MODEL_UNLOADING } ct_model_state;

struct ct_model { /* the loop's, but for what is named */
    char name[CT_MODEL_NAME];
    char *path;
    ct_model_state state;
    carat_engine *engine;       /* LOADED */
    char fingerprint[40];       /* of engine and settings */
    ct_openai_options requests; /* with this model's own sampling */
    ct_openai_forms forms;
    size_t n_held;
    size_t n_waiting;             /* calls that wait until it is loaded */
    double used_at;               /* ct_now() of the last call's end */
    double idle_seconds;          /* unloaded after so long without a call; 0: never */
    double load_seconds;          /* that the last load took */
    carat_err err;                /* why the last load failed; CARAT_OK: it did not */
    _Atomic uint64_t done, total; /* bytes, of a load that runs; the loader's */
    atomic_bool gives_up;         /* the loader is to stop */
    ct_models *all;
    ct_task task;
    ct_model *next;
};

/* What models.c tells the loop. */
typedef void ct_models_fn(void *arg, ct_model *m); /* m is loaded, or could not be */

bool ct_models_open(const ct_server_options *o, ct_workers *w, ct_models_fn *changed, void *arg, ct_models **out,
                    carat_err *err);
void ct_models_close(ct_models *all); /* after all calls, before the workers; accepts NULL */

ct_model *ct_models_first(const ct_models *all); /* NULL: there is none */
/* By name; "" and NULL: the first. NULL: there is none of that name. */
ct_model *ct_models_find(const ct_models *all, const char *name);

/* Begins to load it, if it is not. changed is called later, never from here. */
void ct_model_want(ct_model *m);
void ct_model_hold(ct_model *m);
void ct_model_release(ct_model *m);
/* Unloads it once nobody holds it; false: it is not loaded, or held. */
bool ct_model_unload(ct_model *m);
/* Once a second: what was idle for too long goes. */
void ct_models_tick(ct_models *all, double now);
/* Loads that run are stopped. */
void ct_models_give_up(ct_models *all);

#endif
