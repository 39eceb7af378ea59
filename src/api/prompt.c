/* Messages, texts and pictures to the tokens a session is given.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "api/prompt_pictures.h"
#include "api/sized.h"
#include "chat/calls.h"
#include "chat/roles.h"
#include "chat/segments.h"
#include "chat/turns.h"

static bool no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the prompt");
}

/* ---- segments to a prompt ---- */

/* A boundary so near the beginning saves nothing. */
#define LEAST_MARK 32

static void add_mark(ct_stream *s, size_t at)
{
    if (at < LEAST_MARK || at >= s->n || s->n_marks == CT_MAX_MARKS)
        return;
    size_t i = s->n_marks;
    while (i > 0 && s->marks[i - 1] > at)
        i--;
    if (i > 0 && s->marks[i - 1] == at)
        return;
    memmove(s->marks + i + 1, s->marks + i, (s->n_marks - i) * sizeof *s->marks);
    s->marks[i] = at;
    s->n_marks++;
}

static void set_marks(ct_stream *s, const ct_boundaries *b)
{
    add_mark(s, ct_stream_whole(s->keys, s->n, b->system));
    for (int i = 0; i < 2; i++) {
        add_mark(s, b->turns[i]);
        add_mark(s, b->images[i]);
    }
}

/* A prompt in the making: its segments, and what they become. */
typedef struct draft {
    ct_prompt_pictures pictures;
    ct_segments segments;
    ct_ids ids;
    ct_image_place *places;
    size_t n_places;
    ct_boundaries boundaries;
} draft;

static void draft_deinit(draft *d)
{
    ct_segments_deinit(&d->segments);
    ct_ids_deinit(&d->ids);
    free(d->places);
    free(d->pictures.v);
}

static bool tokenise(draft *d, carat_err *err)
{
    const carat_engine *e = d->pictures.engine;
    d->n_places = 0;
    for (size_t i = 0; i < d->segments.n; i++)
        d->n_places += d->segments.segments[i].kind == CT_SEGMENT_IMAGE;
    d->places = calloc(d->n_places + 1, sizeof *d->places);
    return (d->places || no_memory(err)) &&
           ct_segments_ids(&d->segments, e->model->tok, ct_api_n_soft(e), &d->ids, d->places, &d->boundaries, err);
}

/* Control tokens by name, an image by its first. */
static bool write_text(const draft *d, carat_prompt *p, carat_err *err)
{
    const carat_tokenizer *t = d->pictures.engine->model->tok;
    ct_buf text;
    ct_buf_init(&text, (size_t)1 << 31);
    if (d->segments.n)
        ct_segments_text(&d->segments, &text);
    for (size_t i = 0; t && !d->segments.n && i < p->stream.n; i++) { /* a prompt of ids */
        size_t len;
        const char *piece = ct_tok_bytes(t, p->stream.ids[i], &len);
        if (p->stream.ids[i] != ct_tok_facts(t)->image_soft_token)
            ct_buf_add(&text, piece, len);
    }
    p->text_len = text.len;
    p->text = ct_buf_take(&text);
    return p->text || no_memory(err);
}

static bool finish(draft *d, carat_prompt **out, carat_err *err)
{
    carat_prompt *p = calloc(1, sizeof *p);
    if (!p)
        return no_memory(err);
    atomic_init(&p->n_refs, 1);
    ct_stream *s = &p->stream;
    s->ids = d->ids.v;
    s->n = d->ids.n;
    d->ids = (ct_ids){ 0 };
    s->n_soft = ct_api_n_soft(d->pictures.engine);
    s->keys = calloc(s->n + 1, sizeof *s->keys);
    p->repairs = d->segments.repairs;
    if (!(s->keys || no_memory(err)) || !write_text(d, p, err) ||
        !ct_prompt_pictures_place(&d->pictures, d->places, d->n_places, s, err)) {
        carat_prompt_free(p);
        return false;
    }
    ct_stream_label(s);
    set_marks(s, &d->boundaries);
    *out = p;
    return true;
}

/* ---- what callers give ---- */

/* Options and Pan & Scan as this library has them. */
typedef struct wishes {
    carat_prompt_options o;
    carat_pan_scan pan_scan;
} wishes;

static bool take_options(const carat_engine *e, const carat_prompt_options *from, wishes *to, draft *d, carat_err *err)
{
    if (!CT_TAKE(carat_prompt_options, from, &to->o, err) ||
        !CT_TAKE(carat_pan_scan, to->o.pan_scan, &to->pan_scan, err))
        return false;
    *d = (draft){ .pictures = { .engine = e, .pan_scan = &to->pan_scan } };
    return true;
}

static size_t length_of(const char *text, size_t len)
{
    return len ? len : strlen(text);
}

static bool add_content(draft *d, const carat_content *c, ct_chat_part *part, carat_err *err)
{
    if (c->text) {
        *part = (ct_chat_part){ .text = c->text, .len = length_of(c->text, c->text_len) };
        return true;
    }
    if (!c->picture)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a piece of content that is neither text nor picture");
    return ct_prompt_pictures_add(&d->pictures, c->picture, c->pan_scan, part, err);
}

static bool need_tokenizer(const carat_engine *e, carat_err *err)
{
    return e->model->tok || ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: no tokenizer", e->info->path);
}

/* ---- a chat ---- */

static bool has_chats(const carat_engine *e, carat_err *err)
{
    return !e->turns.is_refused || ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE,
                                           "messages need a chat template, but the engine was opened with none");
}

/* Messages as the template takes them. */
typedef struct chat {
    ct_chat_message *v;   /* [n] */
    ct_chat_part **parts; /* [n], owned */
    ct_chat_call **calls; /* likewise */
    size_t n;
} chat;

static void chat_deinit(chat *c)
{
    for (size_t i = 0; c->parts && i < c->n; i++)
        free(c->parts[i]);
    for (size_t i = 0; c->calls && i < c->n; i++)
        free(c->calls[i]);
    free(c->parts);
    free(c->calls);
    free(c->v);
}

static bool take_message(draft *d, const carat_message *m, ct_chat_message *to, ct_chat_part **parts, carat_err *err)
{
    const carat_content text = { .struct_size = sizeof text, .text = m->text, .text_len = m->text_len };
    const carat_content *content = m->text ? &text : m->content;
    carat_content c;
    size_t n = m->text ? 1 : m->n_content;
    *parts = calloc(n + 1, sizeof **parts);
    if (!*parts)
        return no_memory(err);
    *to = (ct_chat_message){ .role = m->role,
                             .parts = *parts,
                             .n_parts = n,
                             .is_null = n == 0,
                             .is_inline = m->is_inline,
                             .call_id = m->call_id,
                             .name = m->name };
    for (size_t i = 0; i < n; i++)
        if (!CT_TAKE_AT(carat_content, content, i, &c, err) || !add_content(d, &c, &(*parts)[i], err))
            return false;
    return true;
}

static bool take_calls(const carat_message *m, ct_chat_message *to, ct_chat_call **calls, carat_err *err)
{
    carat_call c;
    if (!m->n_calls)
        return true;
    *calls = calloc(m->n_calls, sizeof **calls);
    if (!*calls)
        return no_memory(err);
    for (size_t i = 0; i < m->n_calls; i++) {
        if (!CT_TAKE_AT(carat_call, m->calls, i, &c, err))
            return false;
        if (!c.name)
            return ct_fail(err, CARAT_EARG, i, "a call without the name of its function");
        const char *arguments = c.arguments ? c.arguments : "";
        (*calls)[i] = (ct_chat_call){
            .id = c.id, .name = c.name, .arguments = arguments, .len = length_of(arguments, c.arguments_len)
        };
    }
    to->calls = *calls;
    to->n_calls = m->n_calls;
    return true;
}

/* What belongs to calls stands where it can mean something. */
static bool check_role(const carat_message *m, const ct_chat_message *as, size_t i, carat_err *err)
{
    const ct_role role = ct_chat_role(as);
    const char *shown = m->role ? m->role : "";
    if (m->n_calls && !m->calls)
        return ct_fail(err, CARAT_EARG, i, "message %zu has %zu calls, but no list of them", i, m->n_calls);
    if (m->n_calls && role != CT_ROLE_MODEL)
        return ct_fail(err, CARAT_EARG, i, "message %zu, of role '%.40s', has calls, as only an assistant's may", i,
                       shown);
    if ((m->call_id || m->name) && role != CT_ROLE_TOOL)
        return ct_fail(err, CARAT_EARG, i, "message %zu, of role '%.40s', has a %s, as only a function's result may", i,
                       shown, m->call_id ? "call_id" : "name");
    return true;
}

static bool take_messages(draft *d, const carat_message *messages, size_t n, chat *c, carat_err *err)
{
    carat_message m;
    *c = (chat){ .n = n,
                 .v = calloc(n + 1, sizeof *c->v),
                 .parts = calloc(n + 1, sizeof *c->parts),
                 .calls = calloc(n + 1, sizeof *c->calls) };
    if (!c->v || !c->parts || !c->calls)
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        if (!CT_TAKE_AT(carat_message, messages, i, &m, err) || !take_message(d, &m, &c->v[i], &c->parts[i], err) ||
            !check_role(&m, &c->v[i], i, err) || !take_calls(&m, &c->v[i], &c->calls[i], err))
            return false;
    return true;
}

/* Renders and tokenises anew without the turns that do not fit. */
static bool leave_out(draft *d, const chat *c, const ct_chat_options *co, size_t fit, size_t *n_out, carat_err *err)
{
    const carat_engine *e = d->pictures.engine;
    bool *is_out = calloc(c->n + 1, sizeof *is_out);
    ct_chat_message *left = calloc(c->n + 1, sizeof *left);
    size_t n = 0;
    bool ok = ((is_out && left) || no_memory(err)) &&
              ct_chat_fit(c->v, c->n, co, e->model->tok, ct_api_n_soft(e), fit, is_out, n_out, err);
    for (size_t i = 0; ok && i < c->n; i++)
        if (!is_out[i])
            left[n++] = c->v[i];
    if (ok && *n_out) {
        draft again = { .pictures = d->pictures };
        d->pictures = (ct_prompt_pictures){ .engine = e };
        draft_deinit(d);
        *d = again;
        ok = ct_chat_render(left, n, co, &d->segments, err) && tokenise(d, err);
    }
    free(is_out);
    free(left);
    if (ok && d->ids.n > fit)
        return ct_fail(err, CARAT_ECONTEXT, CARAT_NOWHERE,
                       "the last turn and the system text alone have %zu tokens, but only %zu fit", d->ids.n, fit);
    return ok;
}

bool carat_prompt_chat(const carat_engine *e, const carat_message *messages, size_t n, const carat_prompt_options *o,
                       carat_prompt **out, carat_err *err)
{
    wishes w;
    draft d;
    chat c = { 0 };
    size_t n_out = 0;
    *out = NULL;
    if (!take_options(e, o, &w, &d, err))
        return false;
    const ct_chat_options co = { .no_generation_prompt = w.o.omits_answer,
                                 .continues_answer = w.o.continues_answer,
                                 .format = e->turns.used,
                                 .tools = w.o.tools };
    if (w.o.continues_answer && w.o.omits_answer)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "an answer cannot be both continued and omitted");
    bool ok = ct_api_writes_text(e, err) && need_tokenizer(e, err) && has_chats(e, err) &&
              take_messages(&d, messages, n, &c, err) && ct_chat_link(c.v, n, w.o.tools, err) &&
              ct_chat_render(c.v, n, &co, &d.segments, err) && tokenise(&d, err) &&
              (!w.o.fit || d.ids.n <= w.o.fit || leave_out(&d, &c, &co, w.o.fit, &n_out, err)) && finish(&d, out, err);
    if (ok) {
        (*out)->n_dropped = n_out;
        (*out)->opens_answer = !w.o.omits_answer;
    }
    chat_deinit(&c);
    draft_deinit(&d);
    return ok;
}

/* ---- bare text and ids ---- */

bool carat_prompt_text(const carat_engine *e, const carat_content *content, size_t n, const carat_prompt_options *o,
                       carat_prompt **out, carat_err *err)
{
    wishes w;
    draft d;
    carat_content c = { 0 };
    *out = NULL;
    if (!take_options(e, o, &w, &d, err) || (n && !CT_TAKE_AT(carat_content, content, 0, &c, err)))
        return false;
    d.segments.text_flags = w.o.has_control ? CARAT_TOK_SPECIAL : 0;
    ct_buf_init(&d.segments.text, (size_t)1 << 31);
    /* A literal <bos> at the beginning of the text counts: no second one is added. */
    bool has_bos = w.o.omits_bos ||
                   (w.o.has_control && c.text && length_of(c.text, c.text_len) >= 5 && memcmp(c.text, "<bos>", 5) == 0);
    bool ok = ct_api_writes_text(e, err) && need_tokenizer(e, err) &&
              (has_bos || ct_segments_control(&d.segments, CT_SEGMENT_BOS) || no_memory(err));
    for (size_t i = 0; ok && i < n; i++) {
        ct_chat_part part;
        ok = CT_TAKE_AT(carat_content, content, i, &c, err) && add_content(&d, &c, &part, err) &&
             ((part.text ? ct_segments_add(&d.segments, part.text, part.len) : ct_segments_image(&d.segments, &part)) ||
              no_memory(err));
    }
    ok = ok && tokenise(&d, err) && finish(&d, out, err);
    draft_deinit(&d);
    return ok;
}

/* The runs of image tokens among the ids, as many as there are views. */
static bool find_places(draft *d, carat_err *err)
{
    const carat_engine *e = d->pictures.engine;
    const ct_ids *ids = &d->ids;
    const int32_t slot = ct_tok_facts(e->model->tok)->image_soft_token;
    size_t n_soft = ct_api_n_soft(e), found = 0, run = 0;
    for (size_t i = 0; i < ids->n; i++) {
        run = ids->v[i] == slot ? run + 1 : 0;
        if (run < n_soft)
            continue;
        if (found < d->n_places)
            d->places[found].at = i + 1 - n_soft;
        found++;
        run = 0;
    }
    return found == d->n_places ||
           ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu views of pictures for %zu runs of %zu image tokens (id %d)",
                   d->n_places, found, n_soft, slot);
}

static bool check_ids(const carat_engine *e, const int32_t *ids, size_t n, bool has_pictures, carat_err *err)
{
    const int32_t slot = e->model->tok ? ct_tok_facts(e->model->tok)->image_soft_token : -1;
    for (size_t i = 0; i < n; i++)
        if (!(has_pictures && ids[i] == slot) && !ct_api_check_row(e->model, ids[i], i, err))
            return false;
    return true;
}

static bool add_picture(draft *d, const carat_picture *picture, carat_err *err)
{
    ct_chat_part part;
    if (!ct_prompt_pictures_add(&d->pictures, picture, NULL, &part, err))
        return false;
    ct_image_place *grown = realloc(d->places, (d->n_places + part.n_crops + 1) * sizeof *grown);
    if (!grown)
        return no_memory(err);
    d->places = grown;
    for (size_t crop = 0; crop <= part.n_crops; crop++)
        d->places[d->n_places++] = (ct_image_place){ .image = part.image, .crop = crop };
    return true;
}

bool carat_prompt_ids(const carat_engine *e, const int32_t *ids, size_t n_ids, const carat_picture *const *pictures,
                      size_t n_pictures, const carat_prompt_options *o, carat_prompt **out, carat_err *err)
{
    wishes w;
    draft d;
    *out = NULL;
    if (!take_options(e, o, &w, &d, err))
        return false;
    bool ok = check_ids(e, ids, n_ids, n_pictures > 0, err) && (!n_pictures || need_tokenizer(e, err));
    for (size_t i = 0; ok && i < n_ids; i++)
        ok = ct_ids_push(&d.ids, ids[i]) || no_memory(err);
    for (size_t i = 0; ok && i < n_pictures; i++)
        ok = add_picture(&d, pictures[i], err);
    ok = ok && (!n_pictures || find_places(&d, err)) && finish(&d, out, err);
    draft_deinit(&d);
    return ok;
}

/* ---- a prompt ---- */

carat_prompt *ct_api_prompt_hold(const carat_prompt *p)
{
    /* The reference count is not part of what the caller holds as const. */
    carat_prompt *q = (carat_prompt *)(uintptr_t)p;
    atomic_fetch_add_explicit(&q->n_refs, 1, memory_order_relaxed);
    return q;
}

void carat_prompt_free(carat_prompt *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->n_refs, 1, memory_order_acq_rel) != 1)
        return;
    ct_stream_deinit(&p->stream);
    free(p->text);
    free(p);
}

const int32_t *carat_prompt_tokens(const carat_prompt *p, size_t *n)
{
    *n = p->stream.n;
    return p->stream.ids;
}

const char *carat_prompt_rendered(const carat_prompt *p, size_t *len)
{
    *len = p->text_len;
    return p->text;
}

unsigned carat_prompt_repairs(const carat_prompt *p)
{
    return p->repairs;
}

const char *carat_repair_text(carat_repair repair)
{
    switch (repair) {
    case CARAT_REPAIR_JOINED:
        return "joined neighbouring messages of one role";
    case CARAT_REPAIR_MOVED_SYSTEM:
        return "made a later system or a developer message part of the user's turn";
    case CARAT_REPAIR_TOOL_AS_USER:
        return "made tool results part of the user's turn";
    case CARAT_REPAIR_UNKNOWN_ROLE:
        return "took messages of an unknown role as the user's";
    case CARAT_REPAIR_ADDED_USER:
        return "put an empty user turn in front";
    case CARAT_REPAIR_NULL_CONTENT:
        return "read missing content as no text";
    case CARAT_REPAIR_DROPPED_SYSTEM:
        return "left out an empty system message";
    case CARAT_REPAIR_UNKNOWN_CALL:
        return "took tool results that answer no call as they are";
    case CARAT_REPAIR_SORTED_RESULTS:
        return "put tool results into the order of their calls";
    case CARAT_REPAIR_ARGUMENTS:
        return "took arguments of calls that are not a JSON object as they are";
    }
    return "";
}

size_t carat_prompt_n_dropped(const carat_prompt *p)
{
    return p->n_dropped;
}

/* FNV-1a over the keys, which are of 64 bits each and say of pixels what they are. */
uint64_t carat_prompt_hash(const carat_prompt *p, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n && i < p->stream.n; i++)
        for (int shift = 0; shift < 64; shift += 8)
            h = (h ^ (p->stream.keys[i] >> shift & 0xff)) * 0x100000001b3u;
    return h;
}

size_t carat_prompt_n_views(const carat_prompt *p)
{
    return p->stream.n_places;
}
