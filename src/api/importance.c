/* Sums of squared inputs: the backend adds them up, here they are read and written.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "api/sized.h"

bool ct_api_note_inputs(carat_engine *e, const char *from, carat_err *err)
{
    if (!e->backend.note_inputs)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                       "the backend %s does not sum what matrices are multiplied by", e->backend.name);
    if (*from && !ct_imatrix_read(from, &e->importance, err))
        return false;
    e->notes_inputs = true;
    return e->backend.note_inputs(e->backend.self, &e->importance, err);
}

size_t carat_engine_importance_chunks(const carat_engine *e)
{
    return e->importance.n_chunks;
}

const char *carat_engine_importance_dataset(const carat_engine *e, size_t *chunk)
{
    if (chunk)
        *chunk = e->importance.chunk;
    return e->importance.dataset;
}

bool carat_engine_write_importance(carat_engine *e, const char *path, const char *dataset, size_t chunk,
                                   size_t n_chunks, carat_err *err)
{
    if (!e->notes_inputs)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "the engine was opened without carat_options.importance");
    if (chunk > UINT32_MAX || n_chunks > UINT32_MAX)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu chunks of %zu tokens", n_chunks, chunk);
    char *name = dataset ? strdup(dataset) : NULL;
    if (dataset && !name)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the name of a text");
    if (name) {
        free(e->importance.dataset);
        e->importance.dataset = name;
    }
    e->importance.chunk = (uint32_t)chunk;
    e->importance.n_chunks = (uint32_t)n_chunks;
    return ct_imatrix_write(&e->importance, path, err);
}
