/* The table of fields, and what is done about those that are not honoured.
 *
 * Names that OpenAI's API does not have are those of vLLM, llama.cpp's server, Ollama, TGI and SGLang.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "openai/fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/near.h"
#include "base/utf8.h"
#include "openai/inside.h"

#define CHAT        CT_IN_CHAT
#define COMPLETIONS CT_IN_COMPLETIONS
#define BODY        CT_IN_BODY
#define MESSAGE     CT_IN_MESSAGE
#define PART        CT_IN_PART
#define EMBED       CT_IN_EMBEDDINGS

/* clang-format off */
const ct_openai_field ct_openai_fields[] = {
#define X(where, field) { field, where, CT_FIELD_HONOURED, NULL, NULL },
    X(BODY | EMBED, "model")
    X(CHAT, "messages") X(CHAT, "add_generation_prompt") X(CHAT, "continue_final_message")
    X(COMPLETIONS, "prompt")
    X(EMBED, "input") X(EMBED, "encoding_format") X(EMBED, "dimensions") X(EMBED, "normalize")
    X(EMBED, "task") X(EMBED, "prompt_name") X(EMBED, "title")
    X(CHAT, "max_completion_tokens") X(BODY, "max_tokens") X(BODY, "min_tokens") X(BODY, "ignore_eos")
    X(BODY, "temperature") X(BODY, "top_p") X(BODY, "top_k") X(BODY, "min_p") X(BODY, "seed")
    X(BODY, "presence_penalty") X(BODY, "frequency_penalty") X(BODY, "repeat_penalty") X(BODY, "repetition_penalty")
    X(BODY, "logit_bias") X(BODY, "stop") X(BODY, "n") X(BODY, "best_of") X(BODY, "lora")
    X(BODY, "logprobs") X(CHAT, "top_logprobs") X(COMPLETIONS, "echo") X(BODY, "prompt_logprobs")
    X(BODY, "stream") X(BODY, "stream_options") X(CT_IN_STREAM, "include_usage")
    X(BODY, "response_format") X(BODY, "modalities")
    X(CHAT, "prediction") X(CT_IN_PREDICTION, "content")
    X(BODY, "grammar") X(BODY, "json_schema") X(BODY, "guided_json") X(BODY, "guided_regex") X(BODY, "guided_choice")
    X(BODY, "guided_grammar") X(BODY, "regex") X(BODY, "structured_outputs")
    X(CT_IN_STRUCTURED, "json") X(CT_IN_STRUCTURED, "regex") X(CT_IN_STRUCTURED, "choice") X(CT_IN_STRUCTURED, "grammar")
    X(CT_IN_STRUCTURED, "json_object")
    X(CT_IN_FORMAT, "json_schema") X(CT_IN_FORMAT, "schema") X(CT_IN_SCHEMA, "name") X(CT_IN_SCHEMA, "schema") X(CT_IN_SCHEMA, "strict")
    X(CHAT, "tools") X(CHAT, "tool_choice") X(CHAT, "parallel_tool_calls") X(CHAT, "functions") X(CHAT, "function_call")
    X(CT_IN_TOOL, "function") X(CT_IN_FUNCTION, "name") X(CT_IN_FUNCTION, "description") X(CT_IN_FUNCTION, "parameters")
    X(CT_IN_FUNCTION, "strict")
    X(MESSAGE, "role") X(MESSAGE, "content") X(MESSAGE, "tool_calls") X(MESSAGE, "function_call")
    X(MESSAGE, "tool_call_id") X(MESSAGE, "name") X(MESSAGE, "tool_name")
    X(CT_IN_CALL, "id") X(CT_IN_CALL, "function") X(CT_IN_CALLED, "name") X(CT_IN_CALLED, "arguments")
    X(PART | CT_IN_FORMAT | CT_IN_TOOL | CT_IN_CALL | CT_IN_PREDICTION, "type") X(CT_IN_TEXT, "text") X(CT_IN_TEXT | CT_IN_IMAGE, "source_lang_code") X(CT_IN_TEXT | CT_IN_IMAGE, "target_lang_code") X(CT_IN_TEXT | MESSAGE, "refusal") X(CT_IN_IMAGE, "image_url")
    X(CT_IN_IMAGE_URL, "url") X(CT_IN_IMAGE_URL, "detail")
    X(CT_IN_LINE, "custom_id") X(CT_IN_LINE, "method") X(CT_IN_LINE, "url") X(CT_IN_LINE, "body")
#undef X
#define X(where, field) { field, where, CT_FIELD_HARMLESS, NULL, NULL },
    /* who asks, what for, at what price; what is kept of it */
    X(BODY | EMBED, "user") X(BODY | CT_IN_LINE | EMBED, "metadata") X(BODY | EMBED, "store") X(BODY | EMBED, "service_tier") X(BODY | EMBED, "safety_identifier")
    X(BODY, "moderation") X(BODY | EMBED, "priority") X(BODY | EMBED, "request_id")
    /* caches and guesses that only save time: ours are exact */
    X(BODY, "prompt_cache_key") X(BODY, "prompt_cache_options") X(BODY, "prompt_cache_retention") X(COMPLETIONS, "prediction")
    X(BODY, "cache_prompt") X(BODY | EMBED, "cache_salt") X(BODY, "id_slot") X(BODY | EMBED, "keep_alive")
    X(PART | MESSAGE | CT_IN_TOOL | CT_IN_FUNCTION, "cache_control") X(PART, "prompt_cache_breakpoint") X(CT_IN_IMAGE, "uuid")
    X(CT_IN_STREAM, "include_obfuscation")
    /* of what there is not: reasoning, searches */
    X(BODY, "reasoning_effort") X(BODY, "verbosity") X(BODY, "web_search_options") X(COMPLETIONS, "parallel_tool_calls")
    /* of ways to draw tokens that are off: the fields that switch them on are refused */
    X(BODY, "mirostat_tau") X(BODY, "mirostat_eta") X(BODY, "dynatemp_exponent") X(BODY, "xtc_threshold")
    X(BODY, "dry_base") X(BODY, "dry_allowed_length") X(BODY, "dry_penalty_last_n") X(BODY, "dry_sequence_breakers")
    /* what replies carry along */
    X(CT_IN_SCHEMA, "description") X(MESSAGE, "annotations") X(CT_IN_CALL, "index") X(MESSAGE, "id")
    X(MESSAGE, "parsed") X(CT_IN_CALLED, "parsed_arguments") X(MESSAGE, "status")
    X(MESSAGE | CT_IN_CALL | CT_IN_CALLED, "provider_specific_fields") X(MESSAGE | CT_IN_CALL, "extra_content")
    /* thoughts, which no template gives back */
    X(MESSAGE, "thinking") X(MESSAGE, "reasoning") X(MESSAGE, "reasoning_content") X(MESSAGE, "reasoning_details")
#undef X
#define X(where, field) { field, where, CT_FIELD_REFUSED, NULL, NULL },
#define Y(where, field, unless) { field, where, CT_FIELD_REFUSED, unless, NULL },
#define Z(where, field, instead) { field, where, CT_FIELD_REFUSED, NULL, instead },
    X(COMPLETIONS, "tools") X(COMPLETIONS, "functions") Y(COMPLETIONS, "tool_choice", "none auto")
    Y(COMPLETIONS, "function_call", "none auto")
    X(CHAT, "echo") X(BODY, "suffix") X(BODY, "audio")
    /* what the answer has to look like */
    X(BODY, "structural_tag") Z(BODY, "ebnf", "grammar") Z(BODY, "format", "response_format")
    X(CT_IN_STRUCTURED, "structural_tag") X(CT_IN_STRUCTURED, "whitespace_pattern")
    X(CT_IN_STRUCTURED, "disable_additional_properties") X(CT_IN_STRUCTURED, "disable_any_whitespace")
    /* how tokens are drawn */
    Y(BODY, "typical_p", "=1") Y(BODY, "typical", "=1") Y(BODY, "tfs_z", "=1") X(BODY, "top_a") X(BODY, "top_n_sigma")
    X(BODY, "mirostat") X(BODY, "dynatemp_range") X(BODY, "xtc_probability") X(BODY, "dry_multiplier")
    X(BODY, "samplers") X(BODY, "repeat_last_n") X(BODY, "penalize_nl") X(BODY, "no_repeat_ngram_size")
    X(BODY, "use_beam_search") Y(BODY, "num_beams", "1") Y(BODY, "length_penalty", "=1") X(BODY, "early_stopping")
    Y(BODY, "do_sample", "=true") X(BODY, "logits_processors") X(BODY, "custom_logit_processor")
    X(BODY, "allowed_token_ids") X(BODY, "bad_words") X(BODY, "watermark") X(BODY, "penalty_alpha")
    X(BODY, "guidance_scale") Z(BODY, "random_seed", "seed") X(BODY, "min_keep")
    /* how long it gets, and where it ends */
    Z(BODY, "max_new_tokens", "max_tokens") Z(BODY, "num_predict", "max_tokens") Z(BODY, "n_predict", "max_tokens")
    Z(BODY, "max_output_tokens", "max_tokens") Z(BODY, "max_length", "max_tokens") Z(BODY, "stop_sequences", "stop")
    X(BODY, "stop_token_ids") X(BODY, "stop_regex") X(BODY, "include_stop_str_in_output") X(BODY, "no_stop_trim")
    X(BODY, "t_max_predict_ms") X(BODY, "num_ctx") X(BODY, "num_keep") X(BODY, "n_keep") X(BODY | EMBED, "truncate")
    X(BODY | EMBED, "truncate_prompt_tokens")
    /* what is said of it */
    X(BODY, "n_probs") X(BODY, "post_sampling_probs") X(BODY, "return_tokens")
    X(BODY, "return_token_ids") X(BODY, "return_tokens_as_token_ids") X(BODY, "return_full_text") X(BODY, "details")
    X(BODY, "decoder_input_details") X(BODY, "timings_per_token") X(CT_IN_STREAM, "continuous_usage_stats") X(BODY, "response_fields")
    Y(BODY, "skip_special_tokens", "=true") Y(BODY, "spaces_between_special_tokens", "=true")
    /* the prompt and its template */
    Z(BODY, "system", "a message of the role system") Z(BODY, "instructions", "a message of the role system")
    X(BODY, "input") X(BODY, "inputs") Z(BODY, "images", "parts of the type image_url")
    Z(BODY, "image_data", "parts of the type image_url") X(BODY, "prompt_embeds") X(BODY, "documents")
    X(BODY, "template") X(BODY, "raw") X(BODY, "context") X(BODY, "chat_template") X(BODY, "chat_template_kwargs")
    X(BODY, "mm_processor_kwargs") Y(COMPLETIONS, "add_generation_prompt", "=true") X(COMPLETIONS, "continue_final_message")
    Y(BODY, "add_special_tokens", "=") X(BODY, "prefix") X(BODY, "prefill") X(BODY, "think") X(BODY, "thinking")
    X(BODY, "reasoning") X(BODY, "enable_thinking")
    /* of embeddings */
    X(EMBED, "stream") Y(EMBED, "embd_normalize", "=2") Z(EMBED, "content", "input") Z(EMBED, "prompt", "input")
    Z(EMBED, "inputs", "input") X(EMBED, "messages") Z(EMBED, "input_type", "task")
    Y(EMBED, "add_special_tokens", "=true") X(EMBED, "image_data") X(EMBED, "images")
    /* whole sets of settings; other weights; other models */
    X(BODY, "options") X(BODY, "parameters") X(BODY, "extra_body") X(BODY, "vllm_xargs")
    X(BODY, "lora_path") X(BODY, "adapter_id") X(BODY, "models") X(BODY, "kv_transfer_params")
    /* of messages and their parts */
    X(MESSAGE, "audio")
    Z(MESSAGE, "images", "parts of the type image_url") Z(MESSAGE, "image", "parts of the type image_url")
    Z(MESSAGE, "image_url", "parts of the type image_url") X(MESSAGE, "video") X(MESSAGE, "files")
    X(MESSAGE, "attachments") X(MESSAGE, "prefix") X(MESSAGE, "partial")
    Z(CT_IN_IMAGE, "detail", "'detail' within image_url") X(CT_IN_IMAGE | CT_IN_IMAGE_URL, "min_pixels")
    X(CT_IN_IMAGE | CT_IN_IMAGE_URL, "max_pixels")
#undef X
#undef Y
#undef Z
};
/* clang-format on */
const size_t ct_openai_n_fields = sizeof ct_openai_fields / sizeof *ct_openai_fields;

static bool is_of(const ct_openai_rows *t, size_t i)
{
    return t->in == 0 || (t->rows[i].in & t->in);
}

static const ct_openai_field *row_of(const char *name, const ct_openai_rows *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (is_of(t, i) && strcmp(t->rows[i].name, name) == 0)
            return &t->rows[i];
    return NULL;
}

const ct_openai_field *ct_openai_field_of(const char *name, ct_openai_place place)
{
    return row_of(name, &(ct_openai_rows){ ct_openai_fields, ct_openai_n_fields, place, "" });
}

/* ---- does a value ask for something? ---- */

static bool is_empty(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_FALSE:
        return true;
    case JSON_STRING:
        return json_string_length(v) == 0;
    case JSON_ARRAY:
        return json_array_size(v) == 0;
    case JSON_OBJECT:
        return json_object_size(v) == 0;
    case JSON_INTEGER:
    case JSON_REAL:
        return json_number_value(v) == 0;
    default:
        return false;
    }
}

static bool is_word(const json_t *v, const char *word, size_t len)
{
    const char *s = json_is_string(v)  ? json_string_value(v)
                    : json_is_true(v)  ? "true"
                    : json_is_false(v) ? "false"
                                       : "";
    char *end;
    if (json_is_number(v))
        return strtod(word, &end) == json_number_value(v) && end == word + len;
    return strlen(s) == len && memcmp(s, word, len) == 0;
}

static bool asks(const json_t *v, const char *unless)
{
    bool is_exact = unless && *unless == '=';
    if (json_is_null(v) || (!is_exact && is_empty(v)))
        return false;
    for (const char *w = unless ? unless + is_exact : ""; *w;) {
        size_t len = strcspn(w, " ");
        if (is_word(v, w, len))
            return false;
        w += len + (w[len] == ' ');
    }
    return true;
}

/* ---- what is not honoured ---- */

static const char *place_name(ct_openai_place place)
{
    switch (place) {
    case CT_IN_CHAT:
        return "a chat request";
    case CT_IN_COMPLETIONS:
        return "a completion request";
    case CT_IN_EMBEDDINGS:
        return "an embeddings request";
    case CT_IN_MESSAGE:
        return "a message";
    case CT_IN_TEXT:
        return "a text part";
    case CT_IN_IMAGE:
        return "an image_url part";
    case CT_IN_IMAGE_URL:
        return "an image_url";
    case CT_IN_FORMAT:
        return "a response_format";
    case CT_IN_STRUCTURED:
        return "structured_outputs";
    case CT_IN_STREAM:
        return "stream_options";
    case CT_IN_PREDICTION:
        return "a prediction";
    case CT_IN_LINE:
        return "a line of a batch";
    case CT_IN_TOOL:
        return "a tool";
    case CT_IN_FUNCTION:
        return "a function";
    case CT_IN_CALL:
    case CT_IN_CALLED:
        return "a call";
    default:
        return "it";
    }
}

/* The honoured field whose name is nearest, for a typing error; NULL: none is near. */
static const char *nearest(const char *name, const ct_openai_rows *t)
{
    const char *best = NULL;
    size_t len = strlen(name), least = len < 5 ? 2 : 3; /* must be fewer changes */
    for (size_t i = 0; len < 40 && i < t->n; i++) {
        const ct_openai_field *at = &t->rows[i];
        bool fits = is_of(t, i) && at->class == CT_FIELD_HONOURED;
        size_t d = fits ? ct_edit_distance(name, len, at->name, strlen(at->name)) : least;
        if (d < least) {
            least = d;
            best = at->name;
        }
    }
    return best;
}

/* A field's path; of a name from outside the beginning. */
#define MAX_NAME 64
#define MAX_PATH (MAX_NAME + 96)

static const char *path_of(const char *name, const char *where, char to[MAX_PATH])
{
    size_t n = strnlen(name, MAX_NAME);
    n -= ct_utf8_incomplete(name, n);
    snprintf(to, MAX_PATH, "%s%s%.*s", where, *where ? "." : "", (int)n, name);
    return to;
}

static bool refuse_row(const ct_openai_field *row, const char *where, ct_openai_fault *f)
{
    char path[MAX_PATH];
    const char *what = row->class == CT_FIELD_REFUSED ? "supported" : "honoured";
    return ct_openai_refuse(f, 400, "unsupported_parameter", path_of(row->name, where, path), "%s%s'%s' is not %s%s%s",
                            where, *where ? ": " : "", row->name, what, row->instead ? "; use " : "",
                            row->instead ? row->instead : "");
}

static bool refuse_unknown(const char *name, const ct_openai_rows *t, const char *where, ct_openai_fault *f)
{
    char path[MAX_PATH], shown[MAX_PATH];
    const char *near = nearest(name, t);
    return ct_openai_refuse(f, 400, "unknown_parameter", path_of(name, where, path),
                            "%s%s'%s' is not a known field of %s%s%s%s", where, *where ? ": " : "",
                            path_of(name, "", shown), t->what, near ? "; did you mean '" : "", near ? near : "",
                            near ? "'?" : "");
}

/* Into a list that may stand in a header: what is not a plain character becomes %XX. */
static bool list(const char *name, const char *where, ct_openai_list *unknown, ct_openai_fault *f)
{
    char path[MAX_PATH];
    bool had_room = unknown->names.len < CT_OPENAI_MAX_LIST;
    unknown->n++;
    if (!had_room)
        return true; /* counted only */
    bool ok = ct_buf_str(&unknown->names, unknown->names.len ? ", " : "");
    for (const char *s = path_of(name, where, path); ok && *s; s++) {
        unsigned char c = (unsigned char)*s;
        bool is_plain =
            (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || strchr("_-.[]", c);
        ok = is_plain ? ct_buf_char(&unknown->names, (char)c) : ct_buf_fmt(&unknown->names, "%%%02X", c);
    }
    if (ok && unknown->names.len >= CT_OPENAI_MAX_LIST)
        ok = ct_buf_str(&unknown->names, ", ...");
    return ok || ct_openai_no_memory(f, "the names of unknown fields");
}

void ct_openai_list_init(ct_openai_list *to, ct_openai_mode mode)
{
    *to = (ct_openai_list){ .mode = mode };
    ct_buf_init(&to->names, 4 * CT_OPENAI_MAX_LIST); /* two that are full */
}

bool ct_openai_list_join(ct_openai_list *to, const ct_openai_list *from)
{
    const bool had_room = to->names.len < CT_OPENAI_MAX_LIST;
    to->n += from->n;
    if (from->names.len == 0 || !had_room)
        return true;
    return ct_buf_str(&to->names, to->names.len ? ", " : "") &&
           ct_buf_add(&to->names, from->names.data, from->names.len);
}

/* Is it not to be taken at all? */
static bool is_wrong(const ct_openai_field *row, const json_t *v, ct_openai_mode mode)
{
    switch (row ? row->class : CT_FIELD_UNKNOWN) {
    case CT_FIELD_UNKNOWN:
        return !json_is_null(v) && mode != CT_OPENAI_LENIENT;
    case CT_FIELD_HARMLESS:
        return mode == CT_OPENAI_STRICT && asks(v, row->unless);
    case CT_FIELD_PASSED_BY:
        return mode != CT_OPENAI_LENIENT && asks(v, row->unless);
    case CT_FIELD_REFUSED:
        return asks(v, row->unless);
    case CT_FIELD_HONOURED:
        break;
    }
    return false;
}

static bool is_listed(const ct_openai_field *row, const json_t *v)
{
    return row ? row->class == CT_FIELD_PASSED_BY && asks(v, row->unless) : !json_is_null(v);
}

bool ct_openai_check_rows(const json_t *object, const ct_openai_rows *t, const char *where, ct_openai_list *unknown,
                          ct_openai_fault *f)
{
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)object, name, v) {
        const ct_openai_field *row = row_of(name, t);
        if (is_wrong(row, v, unknown->mode))
            return row ? refuse_row(row, where, f) : refuse_unknown(name, t, where, f);
        if (is_listed(row, v) && !list(name, where, unknown, f))
            return false;
    }
    return true;
}

bool ct_openai_check_fields(const json_t *object, ct_openai_place place, const char *where, ct_openai_list *unknown,
                            ct_openai_fault *f)
{
    const ct_openai_rows rows = { ct_openai_fields, ct_openai_n_fields, place, place_name(place) };
    return ct_openai_check_rows(object, &rows, where, unknown, f);
}
