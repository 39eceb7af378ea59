/* blend.h - which adapters a sequence is computed with, and how much of each.
 *
 * A loaded adapter is shared: by whoever loaded it, and by every blend that it is in. It is freed with its last reference, by
 * whichever thread drops that, so nobody waits for requests that still use it. A blend is made for a request or a session and
 * never changes.
 *
 * Blends of the same adapters and scales have the same variant (kv/kv.h), others never: a variant's number is not used again.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ENGINE_BLEND_H
#define CT_ENGINE_BLEND_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend/backend.h"

#define CT_DIGEST_BYTES 32

typedef struct ct_shared_adapter {
    atomic_size_t n_refs;
    const ct_backend *b; /* which has loaded it */
    ct_adapter *adapter;
    uint64_t serial; /* of the engine's adapters: never used again */
    uint8_t digest[CT_DIGEST_BYTES];
} ct_shared_adapter;

/* Takes what b has loaded; the first reference is the caller's. NULL: no memory, the adapter is freed. */
ct_shared_adapter *ct_shared_adapter_new(const ct_backend *b, ct_adapter *loaded, uint64_t serial,
                                         const uint8_t digest[CT_DIGEST_BYTES]);
ct_shared_adapter *ct_shared_adapter_hold(ct_shared_adapter *a);
void ct_shared_adapter_drop(ct_shared_adapter *a); /* accepts NULL */

typedef struct ct_blend {
    atomic_size_t n_refs;
    uint32_t variant; /* > 0 */
    size_t n;
    ct_adapter_use uses[CT_MAX_USES];     /* [n], by serial */
    ct_shared_adapter *held[CT_MAX_USES]; /* [n] references */
} ct_blend;

/* How much of an adapter is asked for. */
typedef struct ct_share {
    ct_shared_adapter *adapter; /* borrowed */
    float scale;
} ct_share;

#define CT_MAX_BLENDS 256 /* whose variants are remembered; of others the prefix cache is lost */

/* The variants of an engine. From any thread. */
typedef struct ct_blends {
    pthread_mutex_t lock;
    struct {
        uint32_t variant;
        size_t n;
        uint64_t serial[CT_MAX_USES];
        float scale[CT_MAX_USES];
        uint64_t used;
    } v[CT_MAX_BLENDS]; /* [n] */
    size_t n;
    uint32_t last; /* variant */
    uint64_t clock;
} ct_blends;

void ct_blends_init(ct_blends *all);
void ct_blends_deinit(ct_blends *all);

/* A blend of these, in whatever order. Shares of 0 are none: where nothing is left *out is NULL. Errors: CARAT_EARG (an adapter
 * twice, a scale that is not finite, more than CT_MAX_USES), CARAT_ELIMIT (as many variants as there are numbers),
 * CARAT_ENOMEM. */
bool ct_blend_new(ct_blends *all, const ct_share *shares, size_t n, ct_blend **out, carat_err *err);
ct_blend *ct_blend_hold(ct_blend *b); /* NULL stays NULL */
void ct_blend_drop(ct_blend *b);      /* accepts NULL */

#endif
