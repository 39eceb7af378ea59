/* models.h - models by name: loaded when they are asked for, unloaded when memory or time asks for it.
 *
 * A model is held by each call that uses its engine. One that nobody holds may be unloaded: by request, after a time without
 * calls, or when another needs its memory. What takes long is done by workers; the loop never waits for it, and owns
 * everything here but for what is named.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SERVER_MODELS_H
#define CT_SERVER_MODELS_H

#include <math.h>
#include <stdatomic.h>

#include "server/digest.h"
#include "server/server.h"
#include "server/workers.h"

#define CT_MODEL_NAME 256

typedef struct ct_models ct_models;
typedef struct ct_model ct_model;

typedef enum ct_engine_state {
    CT_ENGINE_AWAY,
    CT_ENGINE_LOADING,
    CT_ENGINE_READY,
    CT_ENGINE_LEAVING, /* it is being closed */
} ct_engine_state;

/* A LoRA adapter of a model, and how much of it counts in answers that do not say. Those that the server was started with
 * come first, in the order of the engine's; behind them those that clients have loaded (adapters.c). */
typedef struct ct_model_adapter {
    char name[CT_MODEL_NAME];
    const char *path;   /* of one that a client has loaded its own, malloc'd */
    double scale;       /* 0: it is there for those who ask for it */
    bool is_later;      /* a client has loaded it */
    carat_adapter *own; /* is_later, and the engine is READY; else NULL */
} ct_model_adapter;

struct ct_model {
    char name[CT_MODEL_NAME];
    char *path;
    int64_t modified;            /* of its file, in seconds since 1970 */
    carat_model_info *info;      /* from its headers; NULL: not read yet, or err says why it cannot be */
    char read_digest[CT_DIGEST]; /* a worker's, until it is digest */
    char digest[CT_DIGEST];      /* once info is there */
    carat_model_info *described; /* a worker's, until it is info */
    ct_engine_state state;
    carat_engine *engine;       /* READY */
    char fingerprint[40];       /* of engine and settings */
    ct_openai_options requests; /* with this model's own sampling */
    ct_openai_forms forms;
    ct_model_adapter adapters[CT_OPENAI_ALL_ADAPTERS]; /* [n_adapters] */
    size_t n_adapters;
    carat_adapter *retired[CT_OPENAI_ALL_ADAPTERS]; /* [n_retired]: unloaded, but calls may have them still */
    size_t n_retired;
    size_t n_held;
    bool has_template;            /* the operator's chat template is of this model */
    double used_at;               /* ct_now() of the last call's end */
    double idle_seconds;          /* unloaded after so long without a call; INFINITY: never */
    double load_seconds;          /* that the last load took */
    carat_err err;                /* why the last load failed; CARAT_OK: it did not */
    _Atomic uint64_t done, total; /* bytes, of a load that runs; the loader's */
    atomic_bool gives_up;         /* the loader is to stop */
    bool must_leave;  /* READY: it takes no new calls, and goes when nobody holds it; LOADING: so it will be */
    bool must_return; /* on its way out, and asked for meanwhile: it is loaded again */
    bool may_halve,
        wants_room; /* for the loader: it may take fewer conversations; of it: it needs memory that others have */
    ct_models *all;
    ct_task task, describing;
    ct_model *next;
};

/* m has been loaded or unloaded, or could not be loaded. */
typedef void ct_models_fn(void *arg, ct_model *m);

bool ct_models_open(const ct_server_options *o, ct_workers *w, ct_models_fn *changed, void *arg, ct_models **out,
                    carat_err *err);
void ct_models_close(ct_models *all); /* after all calls and the workers; accepts NULL */

ct_model *ct_models_first(const ct_models *all); /* NULL: there is none */
size_t ct_models_n(const ct_models *all);
/* By name, or by that of an adapter of it; "" and NULL: the first. NULL: there is none of that name. */
ct_model *ct_models_find(const ct_models *all, const char *name);
/* The adapter of that name; NULL: there is none. */
const ct_model_adapter *ct_model_adapter_of(const ct_model *m, const char *name);
/* One more, from its path; as it is if there is one of that name. NULL: no memory. */
ct_model *ct_models_add(ct_models *all, const char *name, const char *path);

/* Its files are gone: no name finds it any more, no list has it. What runs with it goes on. */
void ct_models_forget(ct_model *m);

/* Begins to load it, if it is not; others that nobody holds make room. `changed` is called later, never from here. */
void ct_model_want(ct_model *m);
void ct_model_hold(ct_model *m);
void ct_model_release(ct_model *m);
/* Unloads it; false: it is not loaded, or held. */
bool ct_model_unload(ct_model *m);
/* The same, or as soon as nobody holds it, or as it is loaded: until then it takes no new calls. */
void ct_model_leave(ct_model *m);
/* It is wanted whatever was said before: one that is being unloaded is loaded again. */
void ct_model_stay(ct_model *m);
/* Once a second: what was idle for too long goes. */
void ct_models_tick(ct_models *all, double now);
/* Loads that run are stopped. */
void ct_models_give_up(ct_models *all);

#endif
