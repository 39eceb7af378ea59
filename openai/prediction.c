/* "prediction": what the answer is expected to be like, from which its tokens are guessed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "openai/fields.h"
#include "openai/inside.h"

static bool refuse(const char *param, const json_t *v, const char *expected, ct_openai_fault *f)
{
    return ct_openai_refuse(f, 400, "invalid_value", param, "body: '%s' is %s, expected %s", param,
                            v ? ct_json_kind(v) : "missing", expected);
}

static bool add_text(ct_buf *to, const json_t *v, const char *param, ct_openai_fault *f)
{
    if (!json_is_string(v))
        return refuse(param, v, "a text", f);
    return ct_buf_add(to, json_string_value(v), json_string_length(v)) || ct_openai_no_memory(f, "a prediction");
}

static bool add_part(ct_buf *to, const json_t *part, ct_openai_list *unknown, ct_openai_fault *f)
{
    const char *type = json_string_value(json_object_get(part, "type"));
    if (!json_is_object(part) || !type || strcmp(type, "text") != 0)
        return ct_openai_refuse(f, 400, "invalid_value", "prediction.content",
                                "body: a part of 'prediction.content' is not of the type 'text'");
    return ct_openai_check_fields(part, CT_IN_TEXT, "prediction.content", unknown, f) &&
           add_text(to, json_object_get(part, "text"), "prediction.content.text", f);
}

static bool add_content(ct_buf *to, const json_t *content, ct_openai_list *unknown, ct_openai_fault *f)
{
    if (!json_is_array(content))
        return content && json_is_string(content)
                   ? add_text(to, content, "prediction.content", f)
                   : refuse("prediction.content", content, "a text or a list of parts", f);
    for (size_t i = 0; i < json_array_size(content); i++)
        if (!add_part(to, json_array_get(content, i), unknown, f))
            return false;
    return true;
}

bool ct_openai_read_prediction(ct_openai_request *r, ct_openai_fault *f)
{
    const json_t *v = json_object_get(r->body, "prediction");
    const char *type = json_string_value(json_object_get(v, "type"));
    if (!v || json_is_null(v))
        return true;
    if (!json_is_object(v))
        return refuse("prediction", v, "an object", f);
    if (!type || strcmp(type, "content") != 0)
        return ct_openai_refuse(f, 400, "invalid_value", "prediction.type",
                                "body: 'prediction.type' can only be 'content'");
    if (!ct_openai_check_fields(v, CT_IN_PREDICTION, "prediction", &r->unknown, f) ||
        !add_content(&r->prediction, json_object_get(v, "content"), &r->unknown, f))
        return false;
    if (r->prediction.len) {
        r->generation.prediction = r->prediction.data;
        r->generation.prediction_len = r->prediction.len;
    }
    return true;
}
