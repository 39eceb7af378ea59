/* POST /tokenize, POST /detokenize and GET /tokenizer_info: the tokenizer, for clients that have none.
 *
 * llama-server says "content" where vLLM says "prompt" or "messages"; a reply has the keys of both.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "llamacpp/inside.h"

/* clang-format off */
static const ct_openai_field tokenize_fields[] = {
#define X(field) { field, 0, CT_FIELD_HONOURED, NULL, NULL },
    X("content") X("add_special") X("parse_special") X("with_pieces")
    X("model") X("prompt") X("messages") X("add_special_tokens") X("return_token_strs")
    X("tools") X("add_generation_prompt") X("continue_final_message")
#undef X
#define X(field) { field, 0, CT_FIELD_REFUSED, NULL, NULL },
    X("chat_template") X("chat_template_kwargs") X("mm_processor_kwargs")
#undef X
};
static const ct_openai_field detokenize_fields[] = {
    { "tokens", 0, CT_FIELD_HONOURED, NULL, NULL },
    { "model", 0, CT_FIELD_HONOURED, NULL, NULL },
};
/* clang-format on */
static const ct_openai_rows tokenize_rows = { tokenize_fields, sizeof tokenize_fields / sizeof *tokenize_fields, 0,
                                              "a request for /tokenize" };
static const ct_openai_rows detokenize_rows = { detokenize_fields, sizeof detokenize_fields / sizeof *detokenize_fields,
                                                0, "a request for /detokenize" };

/* ---- replies ---- */

/* As llama-server has it: a text, or the bytes of what is none. */
static json_t *piece_of(const carat_tokenizer *tok, int32_t id)
{
    size_t len;
    const char *piece = carat_tokenizer_piece(tok, id, &len);
    if (!piece)
        return NULL;
    if (ct_utf8_valid(piece, len) == len)
        return json_stringn_nocheck(piece, len);
    json_t *bytes = json_array();
    bool ok = bytes != NULL;
    for (size_t i = 0; ok && i < len; i++)
        ok = json_array_append_new(bytes, json_integer((unsigned char)piece[i])) == 0;
    if (ok)
        return bytes;
    json_decref(bytes);
    return NULL;
}

/* As the vocabulary has it: a space is U+2581, a byte that is no character <0xE2>. */
static json_t *string_of(const carat_tokenizer *tok, int32_t id)
{
    size_t len;
    ct_buf text;
    const char *piece = carat_tokenizer_piece(tok, id, &len);
    ct_buf_init(&text, 1 << 20);
    bool ok = piece && ct_buf_str(&text, "");
    const bool is_text = piece && ct_utf8_valid(piece, len) == len, is_name = carat_tokenizer_is_control(tok, id);
    for (size_t i = 0; ok && i < len; i++)
        ok = !is_text                      ? ct_buf_fmt(&text, "<0x%02X>", (unsigned char)piece[i])
             : piece[i] == ' ' && !is_name ? ct_buf_str(&text, "\xe2\x96\x81")
                                           : ct_buf_char(&text, piece[i]);
    json_t *v = ok ? json_stringn_nocheck(text.data, text.len) : NULL;
    ct_buf_deinit(&text);
    return v;
}

typedef enum shape { AS_ID, AS_PAIR, AS_STRING } shape;

/* NULL: no memory. */
static json_t *list_of(const carat_tokenizer *tok, const int32_t *ids, size_t n, shape as)
{
    json_t *list = json_array();
    bool ok = list != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        json_t *v = as == AS_ID     ? json_integer(ids[i])
                    : as == AS_PAIR ? json_pack("{s:i, s:o}", "id", ids[i], "piece", piece_of(tok, ids[i]))
                                    : string_of(tok, ids[i]);
        ok = json_array_append_new(list, v) == 0;
    }
    if (ok)
        return list;
    json_decref(list);
    return NULL;
}

static bool reply_with(const ct_talk_scene *s, const int32_t *ids, size_t n, bool has_pieces, bool has_strings,
                       json_t **reply, ct_openai_fault *f)
{
    const carat_tokenizer *tok = carat_engine_tokenizer(s->engine);
    json_t *strings = has_strings ? list_of(tok, ids, n, AS_STRING) : json_null();
    *reply =
        json_pack("{s:o, s:I, s:I, s:o}", "tokens", list_of(tok, ids, n, has_pieces ? AS_PAIR : AS_ID), "count",
                  (json_int_t)n, "max_model_len", (json_int_t)carat_engine_n_ctx(s->engine), "token_strs", strings);
    return *reply || ct_llamacpp_no_memory(f, "the reply");
}

/* ---- POST /tokenize ---- */

typedef struct flags {
    bool add_special, parse_special, with_pieces, add_special_tokens, return_token_strs;
} flags;

static bool tokenize_messages(const ct_talk_scene *s, const json_t *body, const flags *o, json_t **reply,
                              ct_openai_fault *f)
{
    static const char *const own[] = { "content",
                                       "prompt",
                                       "add_special",
                                       "parse_special",
                                       "with_pieces",
                                       "chat_template",
                                       "add_special_tokens",
                                       "return_token_strs",
                                       "chat_template_kwargs",
                                       "mm_processor_kwargs",
                                       NULL };
    ct_openai_request r = { 0 };
    size_t n = 0;
    bool ok = ct_llamacpp_read_chat(s, body, own, &r, f);
    if (ok) {
        const int32_t *ids = carat_prompt_tokens(r.prompt, &n);
        ok = reply_with(s, ids, n, o->with_pieces, o->return_token_strs, reply, f);
    }
    ct_openai_request_deinit(&r);
    return ok;
}

/* NULL: it is not there, or null, which many clients send for what they leave out. */
static const json_t *given(const json_t *body, const char *name)
{
    const json_t *v = json_object_get(body, name);
    return json_is_null(v) ? NULL : v;
}

bool ct_llamacpp_tokenize(const ct_talk_scene *s, const json_t *body, json_t **reply, ct_openai_fault *f)
{
    const json_t *content = given(body, "content"), *prompt = given(body, "prompt"),
                 *messages = given(body, "messages");
    flags o = { .parse_special = true, .add_special_tokens = true };
    *reply = NULL;
    if (!ct_llamacpp_check(s, body, &tokenize_rows, f) || !ct_llamacpp_bool(body, "add_special", &o.add_special, f) ||
        !ct_llamacpp_bool(body, "parse_special", &o.parse_special, f) ||
        !ct_llamacpp_bool(body, "with_pieces", &o.with_pieces, f) ||
        !ct_llamacpp_bool(body, "add_special_tokens", &o.add_special_tokens, f) ||
        !ct_llamacpp_bool(body, "return_token_strs", &o.return_token_strs, f))
        return false;
    if ((content != NULL) + (prompt != NULL) + (messages != NULL) != 1)
        return ct_openai_refuse(f, 400, content || prompt || messages ? "invalid_value" : "missing_required_parameter",
                                content ? "content" : "prompt", "expected one of 'content', 'prompt' and 'messages'");
    if (messages)
        return tokenize_messages(s, body, &o, reply, f);
    int32_t *ids;
    size_t n;
    if (!ct_llamacpp_ids(carat_engine_tokenizer(s->engine), content ? content : prompt,
                         content ? o.add_special : o.add_special_tokens, o.parse_special,
                         content ? "content" : "prompt", &ids, &n, f))
        return false;
    const bool ok = reply_with(s, ids, n, o.with_pieces, o.return_token_strs, reply, f);
    free(ids);
    return ok;
}

/* ---- POST /detokenize ---- */

bool ct_llamacpp_detokenize(const ct_talk_scene *s, const json_t *body, json_t **reply, ct_openai_fault *f)
{
    const carat_tokenizer *tok = carat_engine_tokenizer(s->engine);
    const json_t *v = json_object_get(body, "tokens");
    int32_t *ids;
    size_t n, len;
    char *text;
    *reply = NULL;
    if (!ct_llamacpp_check(s, body, &detokenize_rows, f))
        return false;
    if (!json_is_array(v))
        return ct_openai_refuse(f, 400, v ? "invalid_value" : "missing_required_parameter", "tokens",
                                "'tokens' is %s, expected a list of ids", v ? ct_json_kind(v) : "missing");
    for (size_t i = 0; i < json_array_size(v); i++)
        if (json_is_string(json_array_get(v, i)))
            return ct_openai_refuse(f, 400, "invalid_value", "tokens", "'tokens'[%zu] is a string, expected an id", i);
    if (!ct_llamacpp_ids(tok, v, false, false, "tokens", &ids, &n, f))
        return false;
    bool ok = carat_tokenizer_decode(tok, ids, n, true, &text, &len, &f->err) || ct_openai_refuse_err(f, "tokens");
    free(ids);
    if (!ok)
        return false;
    *reply = json_pack("{s:o, s:o}", "content", ct_json_from_bytes(text, len), "prompt", ct_json_from_bytes(text, len));
    carat_free(text);
    return *reply || ct_llamacpp_no_memory(f, "the reply");
}

/* ---- GET /tokenizer_info ---- */

json_t *ct_llamacpp_control(const carat_tokenizer *tok, const char *name, json_t *otherwise)
{
    int32_t *ids;
    size_t n;
    if (!carat_tokenizer_encode(tok, name, strlen(name), CARAT_TOK_SPECIAL, &ids, &n, NULL)) {
        json_decref(otherwise);
        return NULL;
    }
    const bool is_one = n == 1 && carat_tokenizer_is_control(tok, ids[0]);
    carat_free(ids);
    if (!is_one)
        return otherwise;
    json_decref(otherwise);
    return json_string(name);
}

/* Or null. */
static json_t *control(const carat_tokenizer *tok, const char *name)
{
    return ct_llamacpp_control(tok, name, json_null());
}

bool ct_llamacpp_tokenizer_info(const ct_talk_scene *s, const json_t *body, json_t **reply, ct_openai_fault *f)
{
    (void)body;
    const carat_tokenizer *tok = carat_engine_tokenizer(s->engine);
    const carat_model_info *info = carat_engine_info(s->engine);
    const char *template = info->chat_template_text;
    *reply = json_pack("{s:s, s:o, s:o, s:o, s:o, s:b, s:b, s:I, s:I, s:o}", "tokenizer_class", "GemmaTokenizer",
                       "bos_token", control(tok, "<bos>"), "eos_token", control(tok, "<eos>"), "pad_token",
                       control(tok, "<pad>"), "unk_token", control(tok, "<unk>"), "add_bos_token", 1, "add_eos_token",
                       0, "model_max_length", (json_int_t)carat_engine_n_ctx(s->engine), "vocab_size",
                       (json_int_t)carat_tokenizer_n_pieces(tok), "chat_template",
                       *template ? ct_json_from_str(template) : json_null());
    return *reply || ct_llamacpp_no_memory(f, "the reply");
}
