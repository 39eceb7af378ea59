/* Many requests waited for at one place.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api/internal.h"

struct carat_queue {
    ct_queue *queue; /* a reference: requests that are in it have their own */
    ct_public_event event;
};

bool carat_queue_open(carat_queue **out, carat_err *err)
{
    *out = NULL;
    carat_queue *q = calloc(1, sizeof *q);
    if (!q)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a queue");
    if (!ct_queue_open(true, &q->queue, err)) {
        free(q);
        return false;
    }
    *out = q;
    return true;
}

void carat_queue_close(carat_queue *q)
{
    if (!q)
        return;
    ct_queue_drop(q->queue);
    free(q);
}

int carat_queue_fd(const carat_queue *q)
{
    return ct_queue_fd(q->queue);
}

const carat_event *carat_queue_next(carat_queue *q, double seconds)
{
    ct_event e;
    ct_queue_next(q->queue, NULL, seconds, &e);
    return ct_api_event(&e, &q->event);
}

ct_queue *ct_api_queue(carat_queue *q)
{
    return q->queue;
}
