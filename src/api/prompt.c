/* Messages, texts and pictures to the tokens a session is given.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "api/picture.h"
#include "api/sized.h"
#include "chat/segments.h"

#define MAX_PICTURES 4096

/* The pictures of a prompt in order, and how each is cut into views. */
typedef struct gallery {
    const carat_pan_scan *pan_scan; /* of pictures that have none of their own */
    struct hung {
        const carat_picture *picture;
        carat_pan_scan pan_scan;
    } * v;
    size_t n, cap;
} gallery;

static const ct_vision_config *eyes_of(const carat_engine *e)
{
    return e->images ? ct_image_cache_shape(e->images) : NULL;
}

static bool no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the prompt");
}

bool ct_api_refuse_pictures(const carat_engine *e, carat_err *err)
{
    return ct_fail(
        err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: a picture for a model without a vision tower: %s", e->info->path,
        e->model->cfg.vision.present || e->info->vision_path[0] ? "it was opened without its vision tower"
                                                                : "no vision tower in it, no mmproj file beside it");
}

/* own: the picture's Pan & Scan as the caller has it, or NULL. */
static bool hang(gallery *g, const carat_engine *e, const carat_picture *p, const carat_pan_scan *own,
                 ct_chat_part *part, carat_err *err)
{
    if (!eyes_of(e))
        return ct_api_refuse_pictures(e, err);
    if (g->n == MAX_PICTURES)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "more than %d pictures in a prompt", MAX_PICTURES);
    if (g->n == g->cap) {
        size_t cap = g->cap ? g->cap * 2 : 8;
        struct hung *grown = realloc(g->v, cap * sizeof *grown);
        if (!grown)
            return no_memory(err);
        g->v = grown;
        g->cap = cap;
    }
    struct hung *h = &g->v[g->n];
    ct_box boxes[CT_MAX_VIEWS];
    if (!CT_TAKE(carat_pan_scan, own ? own : g->pan_scan, &h->pan_scan, err))
        return false;
    h->picture = p;
    *part = (ct_chat_part){ .image = g->n++, .n_crops = ct_picture_boxes(p, &h->pan_scan, boxes) - 1 };
    return true;
}

static size_t length_of(const char *text, size_t len)
{
    return len ? len : strlen(text);
}

static bool add_content(gallery *g, const carat_engine *e, const carat_content *c, ct_chat_part *part, carat_err *err)
{
    if (c->text) {
        *part = (ct_chat_part){ .text = c->text, .len = length_of(c->text, c->text_len) };
        return true;
    }
    if (!c->picture)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "a piece of content that is neither text nor picture");
    return hang(g, e, c->picture, c->pan_scan, part, err);
}

/* ---- segments to a prompt ---- */

/* The views of the places, cut and hashed now, encoded when a session comes to them. */
static bool fill_places(const carat_engine *e, const gallery *g, const ct_image_place *places, size_t n, ct_stream *s,
                        carat_err *err)
{
    s->places = n ? calloc(n, sizeof *s->places) : NULL;
    if (n && !s->places)
        return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        ct_box boxes[CT_MAX_VIEWS];
        const struct hung *h = &g->v[places[i].image];
        ct_picture_boxes(h->picture, &h->pan_scan, boxes);
        if (!ct_picture_view_of(h->picture, boxes[places[i].crop], eyes_of(e)->image_size, &s->places[i].view, err))
            return false;
        s->places[i].at = places[i].at;
        s->n_places++;
    }
    return true;
}

/* Takes the ids. */
static bool finish(const carat_engine *e, const gallery *g, ct_ids *ids, const ct_image_place *places, size_t n_places,
                   carat_prompt **out, carat_err *err)
{
    carat_prompt *p = calloc(1, sizeof *p);
    if (!p)
        return no_memory(err);
    atomic_init(&p->n_refs, 1);
    ct_stream *s = &p->stream;
    s->ids = ids->v;
    s->n = ids->n;
    *ids = (ct_ids){ 0 };
    s->n_soft = eyes_of(e) ? eyes_of(e)->tokens_per_image : 0;
    s->keys = calloc(s->n + 1, sizeof *s->keys);
    if (!(s->keys || no_memory(err)) || !fill_places(e, g, places, n_places, s, err)) {
        carat_prompt_free(p);
        return false;
    }
    ct_stream_label(s);
    *out = p;
    return true;
}

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

static bool from_segments(const carat_engine *e, const gallery *g, const ct_segments *segments, carat_prompt **out,
                          carat_err *err)
{
    ct_ids ids = { 0 };
    size_t n = 0;
    for (size_t i = 0; i < segments->n; i++)
        n += segments->segments[i].kind == CT_SEGMENT_IMAGE;
    ct_boundaries b;
    ct_image_place *places = calloc(n + 1, sizeof *places);
    size_t n_soft = eyes_of(e) ? eyes_of(e)->tokens_per_image : 0;
    bool ok = (places || no_memory(err)) && ct_segments_ids(segments, e->model->tok, n_soft, &ids, places, &b, err) &&
              finish(e, g, &ids, places, n, out, err);
    if (ok)
        set_marks(&(*out)->stream, &b);
    ct_ids_deinit(&ids);
    free(places);
    return ok;
}

/* ---- the ways to make one ---- */

/* Options and Pan & Scan as this library has them. */
typedef struct wishes {
    carat_prompt_options o;
    carat_pan_scan pan_scan;
} wishes;

static bool take_options(const carat_prompt_options *from, wishes *to, carat_err *err)
{
    if (!CT_TAKE(carat_prompt_options, from, &to->o, err) ||
        !CT_TAKE(carat_pan_scan, to->o.pan_scan, &to->pan_scan, err))
        return false;
    to->o.pan_scan = &to->pan_scan;
    return true;
}

static size_t count_parts(const carat_message *m, size_t n)
{
    size_t parts = 0;
    for (size_t i = 0; i < n; i++)
        parts += m[i].text ? 1 : m[i].n_content;
    return parts;
}

static bool gather(const carat_engine *e, gallery *g, const carat_message *messages, size_t n, ct_chat_message *to,
                   ct_chat_part *parts, carat_err *err)
{
    carat_content own;
    for (size_t i = 0; i < n; i++) {
        const carat_message *m = &messages[i];
        const carat_content text = { .struct_size = sizeof text, .text = m->text, .text_len = m->text_len },
                            *c = m->text ? &text : m->content;
        to[i] = (ct_chat_message){ .role = m->role,
                                   .parts = parts,
                                   .n_parts = m->text ? 1 : m->n_content,
                                   .is_list = !m->text,
                                   .is_null = !m->text && !m->n_content,
                                   .is_inline = m->is_inline };
        for (size_t k = 0; k < to[i].n_parts; k++)
            if (!CT_TAKE_AT(carat_content, c, k, &own, err) || !add_content(g, e, &own, parts++, err))
                return false;
    }
    return true;
}

static bool need_tokenizer(const carat_engine *e, carat_err *err)
{
    return e->model->tok || ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "%s: no tokenizer", e->info->path);
}

static bool render(const carat_engine *e, const carat_message *messages, size_t n, const carat_prompt_options *o,
                   carat_prompt **out, carat_err *err)
{
    gallery g = { .pan_scan = o->pan_scan };
    ct_segments segments = { 0 };
    ct_chat_message *m = calloc(n + 1, sizeof *m);
    ct_chat_part *parts = calloc(count_parts(messages, n) + 1, sizeof *parts);
    const ct_chat_options co = { .no_generation_prompt = o->omits_answer };
    bool ok = ((m && parts) || no_memory(err)) && need_tokenizer(e, err) && gather(e, &g, messages, n, m, parts, err) &&
              ct_chat_render(m, n, &co, &segments, err) && from_segments(e, &g, &segments, out, err);
    ct_segments_deinit(&segments);
    free(g.v);
    free(m);
    free(parts);
    return ok;
}

static bool is_system(const carat_message *m)
{
    return m->role && (strcmp(m->role, "system") == 0 || strcmp(m->role, "developer") == 0);
}

static bool is_answer(const carat_message *m)
{
    return m->role && (strcmp(m->role, "assistant") == 0 || strcmp(m->role, "model") == 0);
}

/* Takes the oldest turn out of a list of n messages: from its first message that is no system text up to where the next
 * user speaks. Returns how many went; 0 if only the last turn is left. */
static size_t drop_turn(carat_message *m, size_t *n)
{
    size_t first = 0, end, kept = 0;
    while (first < *n && is_system(&m[first]))
        first++;
    bool answered = false;
    for (end = first; end < *n && !(answered && !is_answer(&m[end]) && !is_system(&m[end])); end++)
        answered = answered || is_answer(&m[end]);
    if (end == *n)
        return 0;
    size_t dropped = 0;
    for (size_t i = 0; i < *n; i++) {
        bool goes = i >= first && i < end && !is_system(&m[i]);
        dropped += goes;
        if (!goes)
            m[kept++] = m[i];
    }
    *n = kept;
    return dropped;
}

static bool chat(const carat_engine *e, const carat_message *messages, size_t n, const carat_prompt_options *o,
                 carat_prompt **out, carat_err *err)
{
    if (!render(e, messages, n, o, out, err))
        return false;
    if (!o->fit || (*out)->stream.n <= o->fit)
        return true;
    carat_message *left = calloc(n, sizeof *left);
    size_t n_left = n, dropped = 0, gone;
    bool ok = left || no_memory(err);
    if (ok)
        memcpy(left, messages, n * sizeof *left);
    while (ok && (*out)->stream.n > o->fit && (gone = drop_turn(left, &n_left)) > 0) {
        dropped += gone;
        carat_prompt_free(*out);
        *out = NULL;
        ok = render(e, left, n_left, o, out, err);
    }
    free(left);
    if (ok && (*out)->stream.n > o->fit)
        ok = ct_fail(err, CARAT_ECONTEXT, CARAT_NOWHERE,
                     "the last turn and the system text alone have %zu tokens, %zu fit", (*out)->stream.n, o->fit);
    if (!ok) {
        carat_prompt_free(*out);
        *out = NULL;
        return false;
    }
    (*out)->n_dropped = dropped;
    return true;
}

bool carat_prompt_chat(const carat_engine *e, const carat_message *messages, size_t n, const carat_prompt_options *o,
                       carat_prompt **out, carat_err *err)
{
    wishes w;
    *out = NULL;
    if (!take_options(o, &w, err))
        return false;
    carat_message *own = calloc(n + 1, sizeof *own);
    bool ok = own || no_memory(err);
    for (size_t i = 0; ok && i < n; i++)
        ok = CT_TAKE_AT(carat_message, messages, i, &own[i], err);
    ok = ok && chat(e, own, n, &w.o, out, err);
    free(own);
    return ok;
}

size_t carat_prompt_n_dropped(const carat_prompt *p)
{
    return p->n_dropped;
}

bool carat_prompt_text(const carat_engine *e, const carat_content *content, size_t n, const carat_prompt_options *o,
                       carat_prompt **out, carat_err *err)
{
    wishes w;
    carat_content c;
    *out = NULL;
    if (!take_options(o, &w, err))
        return false;
    o = &w.o;
    gallery g = { .pan_scan = o->pan_scan };
    ct_segments s = { .text_flags = o->has_control ? CARAT_TOK_SPECIAL : 0 };
    ct_buf_init(&s.text, (size_t)1 << 31);
    /* A literal <bos> that leads the text is the one: no second. */
    if (n && !CT_TAKE_AT(carat_content, content, 0, &c, err))
        return false;
    bool has_bos = o->omits_bos || (o->has_control && n && c.text && length_of(c.text, c.text_len) >= 5 &&
                                    memcmp(c.text, "<bos>", 5) == 0);
    bool ok = need_tokenizer(e, err) && (has_bos || ct_segments_control(&s, CT_SEGMENT_BOS) || no_memory(err));
    for (size_t i = 0; ok && i < n; i++) {
        ct_chat_part part;
        ok = CT_TAKE_AT(carat_content, content, i, &c, err) && add_content(&g, e, &c, &part, err) &&
             ((part.text ? ct_segments_add(&s, part.text, part.len) : ct_segments_image(&s, &part)) || no_memory(err));
    }
    ok = ok && from_segments(e, &g, &s, out, err);
    ct_segments_deinit(&s);
    free(g.v);
    return ok;
}

/* The runs of image tokens among the ids, as many as there are views. */
static bool find_places(const carat_engine *e, const ct_ids *ids, ct_image_place *places, size_t n, carat_err *err)
{
    const int32_t slot = ct_tok_facts(e->model->tok)->image_soft_token;
    size_t n_soft = eyes_of(e)->tokens_per_image, found = 0, run = 0;
    for (size_t i = 0; i < ids->n; i++) {
        run = ids->v[i] == slot ? run + 1 : 0;
        if (run < n_soft)
            continue;
        if (found < n)
            places[found].at = i + 1 - n_soft;
        found++;
        run = 0;
    }
    return found == n ||
           ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%zu views of pictures for %zu runs of %zu image tokens (id %d)", n,
                   found, n_soft, slot);
}

static bool check_ids(const carat_engine *e, const int32_t *ids, size_t n, bool has_pictures, carat_err *err)
{
    const int32_t slot = e->model->tok ? ct_tok_facts(e->model->tok)->image_soft_token : -1;
    for (size_t i = 0; i < n; i++)
        if ((ids[i] < 0 || (size_t)ids[i] >= e->model->cfg.n_vocab) && !(has_pictures && ids[i] == slot))
            return ct_fail(err, CARAT_EARG, i, "token id %d, the vocabulary has 0 to %u", ids[i],
                           e->model->cfg.n_vocab - 1);
    return true;
}

bool carat_prompt_ids(const carat_engine *e, const int32_t *ids, size_t n_ids, const carat_picture *const *pictures,
                      size_t n_pictures, const carat_prompt_options *o, carat_prompt **out, carat_err *err)
{
    wishes w;
    *out = NULL;
    if (!take_options(o, &w, err))
        return false;
    gallery g = { .pan_scan = &w.pan_scan };
    ct_ids copy = { 0 };
    ct_image_place *places = NULL;
    size_t n = 0;
    bool ok = check_ids(e, ids, n_ids, n_pictures > 0, err) && (!n_pictures || need_tokenizer(e, err));
    for (size_t i = 0; ok && i < n_ids; i++)
        ok = ct_ids_push(&copy, ids[i]) || no_memory(err);
    for (size_t i = 0; ok && i < n_pictures; i++) {
        ct_chat_part part;
        ok = hang(&g, e, pictures[i], NULL, &part, err);
        ct_image_place *grown = ok ? realloc(places, (n + part.n_crops + 1) * sizeof *places) : NULL;
        ok = ok && (grown || no_memory(err));
        places = grown ? grown : places;
        for (size_t crop = 0; ok && crop <= part.n_crops; crop++)
            places[n++] = (ct_image_place){ .image = part.image, .crop = crop };
    }
    ok = ok && (!n_pictures || find_places(e, &copy, places, n, err)) && finish(e, &g, &copy, places, n, out, err);
    ct_ids_deinit(&copy);
    free(places);
    free(g.v);
    return ok;
}

carat_prompt *ct_api_prompt_hold(const carat_prompt *p)
{
    carat_prompt *q = (carat_prompt *)(uintptr_t)p; /* the count is no part of what a caller sees as constant */
    atomic_fetch_add_explicit(&q->n_refs, 1, memory_order_relaxed);
    return q;
}

void carat_prompt_free(carat_prompt *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->n_refs, 1, memory_order_acq_rel) != 1)
        return;
    ct_stream_deinit(&p->stream);
    free(p);
}

const int32_t *carat_prompt_tokens(const carat_prompt *p, size_t *n)
{
    *n = p->stream.n;
    return p->stream.ids;
}

size_t carat_prompt_n_views(const carat_prompt *p)
{
    return p->stream.n_places;
}

/* Encodes a view unless it is remembered; CT_NO_SLOT on error. Between two steps. */
static uint32_t encode(carat_engine *e, const ct_view *view, carat_progress_fn *progress, void *arg, carat_err *err)
{
    size_t done = 0, total = ct_image_cache_shape(e->images)->n_layer;
    ct_image_cache_begin(e->images);
    uint32_t slot = ct_image_cache_find(e->images, view);
    if (slot != CT_NO_SLOT) {
        ct_image_cache_count_cached(e->images, 1);
        return slot;
    }
    while (done < total) {
        if (!ct_image_cache_encode(e->images, view, &done, err))
            return CT_NO_SLOT;
        if (progress && !progress(arg, done, total)) {
            ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "cancelled while an image was encoded");
            return CT_NO_SLOT;
        }
    }
    return ct_image_cache_find(e->images, view);
}

bool carat_prompt_soft_tokens(carat_engine *e, const carat_prompt *p, size_t view, float *rows,
                              carat_progress_fn *progress, void *arg, carat_err *err)
{
    if (view >= p->stream.n_places)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "view %zu of a prompt that has %zu", view, p->stream.n_places);
    if (!e->images)
        return ct_api_refuse_pictures(e, err);
    ct_scheduler_visit(e->scheduler);
    uint32_t slot = encode(e, p->stream.places[view].view, progress, arg, err);
    if (slot != CT_NO_SLOT)
        e->backend.soft_tokens(e->backend.self, slot, rows);
    ct_scheduler_leave(e->scheduler);
    return slot != CT_NO_SLOT;
}
