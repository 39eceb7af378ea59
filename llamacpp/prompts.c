/* "prompt" of POST /completion: a text, ids, both in one list, a text with pictures, or a list of these.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "llamacpp/completion.h"

#define MARKER       "<__media__>" /* stands for the next picture; llama-server's */
#define MARKER_LEN   (sizeof MARKER - 1)
#define MAX_PICTURES 64

size_t ct_llamacpp_n_prompts(const json_t *v)
{
    for (size_t i = 0; i < json_array_size(v); i++)
        if (json_is_number(json_array_get(v, i)))
            return 0; /* a list of ids, with texts among them */
    return json_array_size(v);
}

/* ---- pictures ---- */

typedef struct pieces {       /* of a text with pictures */
    carat_content *content;   /* [n] */
    carat_picture **pictures; /* [n_pictures] */
    size_t n, n_pictures;
} pieces;

static void free_pieces(pieces *p)
{
    for (size_t i = 0; i < p->n_pictures; i++)
        carat_picture_free(p->pictures[i]);
    free(p->pictures);
    free(p->content);
}

/* Base64, alone or in a data: URL. */
static bool decode(const json_t *v, size_t at, carat_picture **out, ct_openai_fault *f)
{
    static const char param[] = "prompt.multimodal_data";
    const char *text = json_string_value(v), *comma;
    if (!text)
        return ct_openai_refuse(f, 400, "invalid_value", param, "%s[%zu] is %s, expected base64", param, at,
                                ct_json_kind(v));
    size_t len = json_string_length(v), n;
    if (strncmp(text, "data:", 5) == 0 && (comma = memchr(text, ',', len))) {
        len -= (size_t)(comma + 1 - text);
        text = comma + 1;
    }
    char *data = malloc(ct_base64_room(len));
    if (!data)
        return ct_llamacpp_no_memory(f, "a picture");
    const bool ok = (ct_base64_decode(text, len, data, &n, &f->err) && carat_picture_decode(data, n, out, &f->err)) ||
                    (ct_fail_in(&f->err, "%s[%zu]", param, at), ct_openai_refuse_err(f, param));
    free(data);
    return ok;
}

static size_t count_markers(const char *text)
{
    size_t n = 0;
    for (const char *s = text; (s = strstr(s, MARKER)); s += MARKER_LEN)
        n++;
    return n;
}

static void add_text(pieces *p, const char *text, size_t len)
{
    if (len)
        p->content[p->n++] = (carat_content){ .struct_size = sizeof *p->content, .text = text, .text_len = len };
}

static bool cut(pieces *p, const char *text, const json_t *data, ct_openai_fault *f)
{
    const char *s = text;
    for (const char *marker; (marker = strstr(s, MARKER)); s = marker + MARKER_LEN) {
        add_text(p, s, (size_t)(marker - s));
        if (!decode(json_array_get(data, p->n_pictures), p->n_pictures, &p->pictures[p->n_pictures], f))
            return false;
        p->content[p->n++] =
            (carat_content){ .struct_size = sizeof *p->content, .picture = p->pictures[p->n_pictures++] };
    }
    add_text(p, s, strlen(s));
    return true;
}

/* {"prompt_string", "multimodal_data"} */
static bool with_pictures(const ct_talk_scene *s, const json_t *v, carat_prompt **out, ct_openai_fault *f)
{
    const json_t *data = json_object_get(v, "multimodal_data");
    const char *text = json_string_value(json_object_get(v, "prompt_string"));
    if (!text || strlen(text) != json_string_length(json_object_get(v, "prompt_string")))
        return ct_openai_refuse(f, 400, "invalid_value", "prompt.prompt_string",
                                "'prompt.prompt_string' is missing, or not a text without NUL characters");
    const size_t n = count_markers(text);
    if ((data && !json_is_array(data) && !json_is_null(data)) || n != json_array_size(data) || n > MAX_PICTURES)
        return ct_openai_refuse(f, 400, "invalid_value", "prompt.multimodal_data",
                                "'prompt.multimodal_data' has %zu pictures, and the text has " MARKER
                                " %zu times; expected the same, at most %d",
                                json_array_size(data), n, MAX_PICTURES);
    pieces p = { .content = calloc(2 * n + 2, sizeof *p.content), .pictures = calloc(n + 1, sizeof(carat_picture *)) };
    const carat_prompt_options o = { .struct_size = sizeof o, .pan_scan = &s->options->pan_scan, .has_control = true };
    bool ok = (p.content && p.pictures) || ct_llamacpp_no_memory(f, "the prompt");
    ok = ok && cut(&p, text, data, f);
    ok = ok && (carat_prompt_text(s->engine, p.content, p.n, &o, out, &f->err) || ct_openai_refuse_err(f, "prompt"));
    free_pieces(&p);
    return ok;
}

bool ct_llamacpp_prompt(const ct_talk_scene *s, const json_t *v, carat_prompt **out, ct_openai_fault *f)
{
    int32_t *ids;
    size_t n;
    if (json_is_object(v))
        return with_pictures(s, v, out, f);
    if (!ct_llamacpp_ids(carat_engine_tokenizer(s->engine), v, true, true, "prompt", &ids, &n, f))
        return false;
    const bool ok =
        n ? carat_prompt_ids(s->engine, ids, n, NULL, 0, NULL, out, &f->err) || ct_openai_refuse_err(f, "prompt")
          : ct_openai_refuse(f, 400, "invalid_value", "prompt", "'prompt' is empty");
    free(ids);
    return ok;
}
