/* Members of a body of ours, and their names in the client's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "responses/inside.h"

bool ct_responses_no_memory(ct_openai_fault *f)
{
    ct_fail(&f->err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a request");
    return ct_openai_refuse_err(f, "");
}

bool ct_responses_set(ct_responses_reading *r, const char *key, json_t *v, const char *path)
{
    if (json_object_set_new(r->ours, key, v) != 0)
        return ct_responses_no_memory(r->f);
    return !path || ct_openai_path_add(r->paths, key, path, r->f);
}
