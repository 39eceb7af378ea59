/* A request of /api/chat or /api/generate -> a body of ours.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "ollama/inside.h"

/* A field that is the same with us. */
static bool copy(ct_ollama_reading *r, const char *key)
{
    json_t *v = json_object_get(r->body, key);
    return !v || ct_ollama_set(r, key, json_incref(v), NULL);
}

/* "json", or a schema. */
static bool read_format(ct_ollama_reading *r)
{
    json_t *v = json_object_get(r->body, "format");
    const char *word = json_string_value(v);
    if (!v || json_is_null(v) || (word && !*word))
        return true;
    if (word && strcmp(word, "json") == 0)
        return ct_ollama_set(r, "response_format", json_pack("{s:s}", "type", "json_object"), "format");
    if (!json_is_object(v))
        return ct_openai_refuse(r->f, 400, "invalid_value", "format",
                                "'format' is %s%.40s%s, expected 'json' or a schema", word ? "'" : "",
                                word ? word : ct_json_kind(v), word ? "'" : "");
    return ct_openai_path_add(r->paths, "response_format.json_schema.schema", "format", r->f) &&
           ct_ollama_set(r, "response_format",
                         json_pack("{s:s, s:{s:O}}", "type", "json_schema", "json_schema", "schema", v), "format");
}

static bool read_context(ct_ollama_reading *r)
{
    const json_t *v = json_object_get(r->body, "context"), *images = json_object_get(r->body, "images");
    if (!v || json_is_null(v))
        return true;
    if (!json_is_array(v))
        return ct_ollama_wrong(r, "context", v, "an array of ids");
    if (json_array_size(v) == 0)
        return true;
    if (r->extras.is_raw)
        return ct_openai_refuse(r->f, 400, "unsupported_value", "context",
                                "'context' beside 'raw' is not supported: put its text in front of the prompt");
    if (json_array_size(images) > 0)
        return ct_openai_refuse(r->f, 400, "unsupported_value", "images",
                                "'images' beside 'context' are not supported; use /api/chat");
    r->extras.context = v;
    return true;
}

/* Without a template: a completion. Names of control tokens in it are these tokens, so its text is read once more when
 * the request is (reply.c). */
static bool read_raw(ct_ollama_reading *r)
{
    const json_t *images = json_object_get(r->body, "images"), *system = json_object_get(r->body, "system");
    json_t *prompt = json_object_get(r->body, "prompt");
    if (json_array_size(images) > 0)
        return ct_openai_refuse(r->f, 400, "unsupported_value", "images", "'images' beside 'raw' are not supported");
    if (json_string_length(system) > 0)
        return ct_openai_refuse(r->f, 400, "unsupported_value", "system",
                                "'system' beside 'raw' is not supported: put it into the prompt");
    if (prompt && !json_is_string(prompt))
        return ct_ollama_wrong(r, "prompt", prompt, "a string");
    return !prompt || ct_ollama_set(r, "prompt", json_incref(prompt), NULL);
}

static bool read_generate(ct_ollama_reading *r)
{
    if (!ct_json_bool(r->body, "body", "raw", &r->extras.is_raw, &r->f->err))
        return ct_openai_refuse_err(r->f, "raw");
    if (!read_context(r))
        return false;
    return r->extras.is_raw ? read_raw(r) : ct_ollama_prompt(r);
}

/* A completion has one field for both. */
static bool read_logprobs_of_raw(ct_ollama_reading *r)
{
    bool has = false;
    int64_t n = 0;
    if (!ct_json_bool(r->body, "body", "logprobs", &has, &r->f->err))
        return ct_openai_refuse_err(r->f, "logprobs");
    if (!ct_json_int(r->body, "body", "top_logprobs", 0, CT_OPENAI_MAX_TOP, &n, &r->f->err))
        return ct_openai_refuse_err(r->f, "top_logprobs");
    if (n && !has)
        return ct_openai_refuse(r->f, 400, "invalid_value", "top_logprobs",
                                "'top_logprobs' needs 'logprobs' to be true");
    return !has || ct_ollama_set(r, "logprobs", json_integer(n), NULL);
}

bool ct_ollama_translate(ct_ollama_reading *r, bool is_chat)
{
    if (!json_is_object(r->body))
        return ct_openai_refuse(r->f, 400, "invalid_value", "", "the request is %s, expected an object",
                                ct_json_kind(r->body));
    if (!ct_ollama_check(r->body, is_chat ? CT_OLLAMA_CHAT : CT_OLLAMA_GENERATE, "", r->ignored, r->f))
        return false;
    if (!copy(r, "model") || !read_format(r) || !ct_ollama_options(r))
        return false;
    if (!(is_chat ? ct_ollama_messages(r) && ct_ollama_tools(r) : read_generate(r)))
        return false;
    return r->extras.is_raw ? read_logprobs_of_raw(r) : copy(r, "logprobs") && copy(r, "top_logprobs");
}
