/* routes.h - every path that the server knows, and who answers there: one table, routes.c.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SERVER_ROUTES_H
#define CT_SERVER_ROUTES_H

#include "openai/talk.h"

typedef struct ct_call ct_call;

/* JSON in, JSON out, on a worker's thread, with a model. */
typedef bool ct_ask_fn(const ct_talk_scene *s, const json_t *body, json_t **reply, ct_openai_fault *f);
/* An answer out of the server's own state, on the loop's thread: replies to c->x. */
typedef void ct_state_fn(ct_call *c);

typedef struct ct_route {
    const char *method;
    const char *path;         /* "/v1/models/{model}": the rest of the path is the call's `tail` */
    const ct_talk_kind *talk; /* it generates; else NULL */
    ct_ask_fn *ask;           /* or this answers; else NULL */
    ct_state_fn *did;         /* of `ask`: on the loop's thread after it has succeeded, and replies; NULL: its reply */
    ct_state_fn *state;       /* or this */
    const ct_talk_kind *protocol; /* whose errors its clients understand */
    bool is_open;                 /* no key is asked for */
    bool needs_no_model;          /* of `ask`: the scene has no engine */
    bool has_body;                /* of `state`: it is parsed first, into c->json */
} ct_route;

extern const ct_route ct_routes[];
extern const size_t ct_n_routes;

/* The route of a method and a path as it was sent; its tail, unescaped, into tail[size]. NULL: none; *allow is then the
 * methods that the path has, "" if there is no such path. */
const ct_route *ct_route_find(const char *method, const char *path, char *tail, size_t size, const char **allow);

/* In whose words a client of that path understands errors, also where there is nothing at it. */
const ct_talk_kind *ct_route_protocol(const ct_route *route, const char *path);

#endif
