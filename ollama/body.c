/* What translators of a request share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "ollama/inside.h"

bool ct_ollama_set(ct_ollama_reading *r, const char *key, json_t *v, const char *path)
{
    if (json_object_set_new(r->ours, key, v) == 0)
        return !path || ct_openai_path_add(r->paths, key, path, r->f);
    ct_fail(&r->f->err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a request");
    return ct_openai_refuse_err(r->f, "");
}

bool ct_ollama_wrong(ct_ollama_reading *r, const char *path, const json_t *v, const char *expected)
{
    return ct_openai_refuse(r->f, 400, "invalid_value", path, "'%s' is %s, expected %s", path, ct_json_kind(v),
                            expected);
}
