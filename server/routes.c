/* The table of paths.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/routes.h"

#include <stdio.h>
#include <string.h>

#include "anthropic/anthropic.h"
#include "decisions/decisions.h"
#include "http/http.h"
#include "llamacpp/llamacpp.h"
#include "ollama/ollama.h"
#include "openai/talks.h"
#include "responses/responses.h"
#include "server/inside.h"

#define OPENAI    &ct_openai_talk_chat
#define OLLAMA    &ct_ollama_talk_chat
#define ANTHROPIC &ct_anthropic_talk
#define RESPONSES &ct_responses_talk

/* clang-format off */
const ct_route ct_routes[] = {
    { "POST", "/v1/chat/completions", .talk = &ct_openai_talk_chat, .protocol = OPENAI },
    { "POST", "/v1/completions", .talk = &ct_openai_talk_completions, .protocol = OPENAI },
    { "POST", "/v1/responses", .talk = &ct_responses_talk, .protocol = RESPONSES },
    { "POST", "/v1/responses/input_tokens", .ask = ct_responses_count, .protocol = RESPONSES },
    { "GET", "/v1/responses/{id}", .state = ct_state_response, .protocol = RESPONSES },
    { "DELETE", "/v1/responses/{id}", .state = ct_state_delete_response, .protocol = RESPONSES },
    { "POST", "/v1/responses/{id}", .state = ct_state_cancel_response, .protocol = RESPONSES },
    { "POST", "/v1/embeddings", .talk = &ct_openai_talk_embeddings, .protocol = OPENAI },
    { "POST", "/api/chat", .talk = &ct_ollama_talk_chat, .protocol = OLLAMA },
    { "POST", "/api/generate", .talk = &ct_ollama_talk_generate, .protocol = OLLAMA },
    { "POST", "/api/embed", .talk = &ct_ollama_talk_embed, .protocol = OLLAMA },
    { "POST", "/api/embeddings", .talk = &ct_ollama_talk_embeddings, .protocol = OLLAMA },
    { "GET", "/api/tags", .state = ct_state_tags, .protocol = OLLAMA },
    { "GET", "/api/ps", .state = ct_state_ps, .protocol = OLLAMA },
    { "POST", "/api/show", .state = ct_state_show, .protocol = OLLAMA, .has_body = true },
    { "GET", "/api/version", .state = ct_state_ollama_version, .protocol = OLLAMA, .is_open = true },
    { "POST", "/v1/messages", .talk = &ct_anthropic_talk, .protocol = ANTHROPIC },
    { "POST", "/v1/messages/count_tokens", .ask = ct_anthropic_count_tokens, .protocol = ANTHROPIC },
    { "POST", "/v1/systemone", .talk = &ct_decisions_talk, .protocol = OPENAI },
    { "POST", "/completion", .talk = &ct_llamacpp_talk_completion, .protocol = OPENAI },
    { "POST", "/completions", .talk = &ct_llamacpp_talk_completion, .protocol = OPENAI },
    { "POST", "/tokenize", .ask = ct_llamacpp_tokenize, .protocol = OPENAI },
    { "POST", "/detokenize", .ask = ct_llamacpp_detokenize, .protocol = OPENAI },
    { "GET", "/tokenizer_info", .ask = ct_llamacpp_tokenizer_info, .protocol = OPENAI },
    { "POST", "/apply-template", .ask = ct_llamacpp_apply_template, .protocol = OPENAI },
    { "POST", "/v1/chat/completions/input_tokens", .ask = ct_llamacpp_chat_input_tokens, .protocol = OPENAI },
    { "GET", "/lora-adapters", .state = ct_state_adapters, .protocol = OPENAI },
    { "POST", "/lora-adapters", .state = ct_state_set_adapters, .has_body = true, .protocol = OPENAI },
    { "POST", "/v1/load_lora_adapter", .ask = ct_ask_load_adapter, .did = ct_state_loaded_adapter, .protocol = OPENAI },
    { "POST", "/v1/unload_lora_adapter", .state = ct_state_unload_adapter, .has_body = true, .protocol = OPENAI },
    { "GET", "/metrics", .state = ct_state_metrics, .protocol = OPENAI },
    { "GET", "/props", .state = ct_state_props, .protocol = OPENAI },
    { "GET", "/slots", .state = ct_state_slots, .protocol = OPENAI },
    { "POST", "/models/load", .state = ct_state_load, .has_body = true, .protocol = OPENAI },
    { "POST", "/models/unload", .state = ct_state_unload, .has_body = true, .protocol = OPENAI },
    { "GET", "/models", .state = ct_state_models, .protocol = OPENAI },
    { "GET", "/v1/models", .state = ct_state_models, .protocol = OPENAI },
    { "GET", "/v1/models/{model}", .state = ct_state_model, .protocol = OPENAI },
    { "POST", "/carat/crops", .ask = ct_ask_crops, .protocol = OPENAI },
    { "POST", "/carat/weigh", .ask = ct_ask_weigh, .needs_no_model = true, .protocol = OPENAI },
    { "GET", "/health", .state = ct_state_health, .protocol = OPENAI, .is_open = true },
    { "GET", "/v1/health", .state = ct_state_health, .protocol = OPENAI, .is_open = true },
    { "GET", "/ready", .state = ct_state_ready, .protocol = OPENAI, .is_open = true },
    { "DELETE", "/api/delete", .state = ct_state_delete, .has_body = true, .protocol = OLLAMA },
    { "POST", "/api/pull", .state = ct_state_pull, .has_body = true, .protocol = OLLAMA },
    { "GET", "/openapi.json", .state = ct_state_openapi, .protocol = OPENAI, .is_open = true },
    { "GET", "/", .state = ct_state_page, .protocol = OPENAI, .is_open = true },
    { "GET", "/index.html", .state = ct_state_page, .protocol = OPENAI, .is_open = true },
    { "GET", "/page.css", .state = ct_state_page, .protocol = OPENAI, .is_open = true },
    { "GET", "/page.js", .state = ct_state_page, .protocol = OPENAI, .is_open = true },
    { "GET", "/icon.svg", .state = ct_state_page, .protocol = OPENAI, .is_open = true },
    { "GET", "/licences.txt", .state = ct_state_page, .protocol = OPENAI, .is_open = true },
};
/* clang-format on */
const size_t ct_n_routes = sizeof ct_routes / sizeof *ct_routes;

/* Is it this path? A "{name}" at the pattern's end is the rest of it, which is not empty. */
static bool matches(const char *pattern, const char *path, char *tail, size_t size)
{
    const char *open = strchr(pattern, '{');
    if (!open)
        return strcmp(pattern, path) == 0;
    size_t n = (size_t)(open - pattern);
    return strncmp(pattern, path, n) == 0 && path[n] && ct_http_unescape(path + n, strlen(path + n), tail, size);
}

/* Methods of the path's routes, for "Allow". */
static const char *methods_of(const char *path, char *tail, size_t size)
{
    static _Thread_local char list[64];
    size_t n = 0;
    for (size_t i = 0; i < ct_n_routes; i++)
        if (matches(ct_routes[i].path, path, tail, size) && !strstr(list, n ? ct_routes[i].method : "?"))
            n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", ct_routes[i].method);
    list[n < sizeof list ? n : sizeof list - 1] = '\0';
    return list;
}

const ct_route *ct_route_find(const char *method, const char *path, char *tail, size_t size, const char **allow)
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method; /* libmicrohttpd leaves its body out */
    for (size_t i = 0; i < ct_n_routes; i++)
        if (strcmp(ct_routes[i].method, wanted) == 0 && matches(ct_routes[i].path, path, tail, size))
            return &ct_routes[i];
    *allow = methods_of(path, tail, size);
    return NULL;
}

const ct_talk_kind *ct_route_protocol(const ct_route *route, const char *path)
{
    if (route)
        return route->protocol;
    return strncmp(path, "/api/", 5) == 0 ? OLLAMA : strncmp(path, "/v1/messages", 12) == 0 ? ANTHROPIC : OPENAI;
}
