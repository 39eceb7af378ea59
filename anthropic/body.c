/* What translators of a request share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "anthropic/inside.h"

bool ct_anthropic_no_memory(ct_openai_fault *f)
{
    ct_fail(&f->err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a request");
    return ct_openai_refuse_err(f, "");
}

bool ct_anthropic_set(ct_anthropic_reading *r, const char *key, json_t *v, const char *path)
{
    if (json_object_set_new(r->ours, key, v) != 0)
        return ct_anthropic_no_memory(r->f);
    return !path || ct_openai_path_add(r->paths, key, path, r->f);
}

bool ct_anthropic_wrong(ct_anthropic_reading *r, const char *path, const json_t *v, const char *expected)
{
    return ct_openai_refuse(r->f, 400, v ? "invalid_value" : "missing_required_parameter", path,
                            "'%s' is %s, expected %s", path, v ? ct_json_kind(v) : "missing", expected);
}

const char *ct_anthropic_type(const json_t *v)
{
    const char *type = json_string_value(json_object_get(v, "type"));
    return type ? type : "";
}
