/* Builds a prompt's list of segments: control tokens, runs of text, places for images.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "chat/segments.h"

#include <stdlib.h>
#include <string.h>

static ct_segment *add_segment(ct_segments *p, ct_segment_kind kind)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 16;
        ct_segment *grown = realloc(p->segments, cap * sizeof *grown);
        if (!grown)
            return NULL;
        p->segments = grown;
        p->cap = cap;
    }
    p->segments[p->n] = (ct_segment){ .kind = kind, .at = p->text.len };
    return &p->segments[p->n++];
}

bool ct_segments_control(ct_segments *p, ct_segment_kind kind)
{
    return add_segment(p, kind) != NULL;
}

bool ct_segments_named(ct_segments *p, const char *name)
{
    ct_segment *seg = add_segment(p, CT_SEGMENT_NAMED);
    if (seg)
        seg->name = name;
    return seg != NULL;
}

bool ct_segments_written(ct_segments *p, size_t from)
{
    if (p->text.failed || p->text.len == from)
        return !p->text.failed;
    bool joins = p->n && p->segments[p->n - 1].kind == CT_SEGMENT_TEXT;
    ct_segment *seg = joins ? &p->segments[p->n - 1] : add_segment(p, CT_SEGMENT_TEXT);
    if (!seg)
        return false;
    seg->at = joins ? seg->at : from;
    seg->len += p->text.len - from;
    return true;
}

bool ct_segments_add(ct_segments *p, const char *s, size_t len)
{
    size_t was = p->text.len;
    return !len || (ct_buf_add(&p->text, s, len) && ct_segments_written(p, was));
}

bool ct_segments_str(ct_segments *p, const char *s)
{
    return ct_segments_add(p, s, strlen(s));
}

static bool put_view(ct_segments *p, size_t image, size_t crop)
{
    ct_segment *seg = add_segment(p, CT_SEGMENT_IMAGE);
    if (!seg)
        return false;
    seg->image = image;
    seg->crop = crop;
    return true;
}

/* The words are the reference processor's. */
bool ct_segments_image(ct_segments *p, const ct_chat_part *part)
{
    if (!part->n_crops)
        return put_view(p, part->image, 0);
    bool ok = ct_segments_str(p, "Here is the original image ") && put_view(p, part->image, 0) &&
              ct_segments_str(p, " and here are some crops to help you see better ");
    for (size_t crop = 1; ok && crop <= part->n_crops; crop++)
        ok = (crop == 1 || ct_segments_str(p, " ")) && put_view(p, part->image, crop);
    return ok;
}

void ct_segments_deinit(ct_segments *p)
{
    free(p->segments);
    ct_buf_deinit(&p->text);
    *p = (ct_segments){ 0 };
}

static const ct_format *format_of(const ct_segments *p)
{
    return p->format ? p->format : ct_format_get(CT_FORMAT_GEMMA);
}

bool ct_segments_text(const ct_segments *p, ct_buf *out)
{
    const ct_format *f = format_of(p);
    const char *const names[] = { "<bos>", f->start, f->end, "", "<start_of_image>" };
    for (size_t i = 0; i < p->n; i++) {
        const ct_segment *s = &p->segments[i];
        if (s->kind == CT_SEGMENT_TEXT)
            ct_buf_add(out, p->text.data + s->at, s->len);
        else
            ct_buf_str(out, s->kind == CT_SEGMENT_NAMED ? s->name : names[s->kind]);
    }
    return !out->failed;
}

/* ---- ids ---- */

/* The run of text being collected: a segment, and the newlines of images at its ends. */
typedef struct filling {
    const carat_tokenizer *t;
    unsigned flags;
    bool has_own_syntax; /* the format's */
    ct_buf run;
    size_t system_end; /* of the run's bytes; 0: not in it */
    ct_ids *out;
    ct_boundaries *boundaries; /* or NULL */
} filling;

/* How many tokens the run's beginning makes by itself: a good enough place to resume. */
static bool note_system(filling *f, carat_err *err)
{
    ct_ids ids = { 0 };
    bool ok = ct_tok_encode(f->t, f->run.data, f->system_end, f->flags, &ids, err);
    f->boundaries->system = f->out->n + ids.n;
    ct_ids_deinit(&ids);
    f->system_end = 0;
    return ok;
}

static void note(filling *f, size_t pair[2])
{
    if (!f->boundaries)
        return;
    pair[0] = pair[1];
    pair[1] = f->out->n;
}

/* Bytes of the text up to where a token of FunctionGemma's syntax has been typed, one of its name among them. Vocabularies
 * may list these as added pieces, which are met in any text: cut in two the name is text. */
static size_t safe_len(const filling *f, const char *s, size_t len)
{
    static const char *const names[] = { "<escape>",
                                         "<start_function_declaration>",
                                         "<end_function_declaration>",
                                         "<start_function_call>",
                                         "<end_function_call>",
                                         "<start_function_response>",
                                         "<end_function_response>" };
    for (size_t i = 0; f->has_own_syntax && i < len; i++)
        for (size_t k = 0; s[i] == '<' && k < sizeof names / sizeof *names; k++)
            if (len - i >= strlen(names[k]) && memcmp(s + i, names[k], strlen(names[k])) == 0)
                return i + 1;
    return len;
}

static bool end_run(filling *f, carat_err *err)
{
    if (f->system_end && f->boundaries && !note_system(f, err))
        return false;
    const char *s = f->run.data ? f->run.data : "";
    bool ok = true;
    for (size_t done = 0, n; ok && done < f->run.len; done += n) {
        n = safe_len(f, s + done, f->run.len - done);
        ok = ct_tok_encode(f->t, s + done, n, f->flags, f->out, err);
    }
    ct_buf_clear(&f->run);
    return ok;
}

static bool no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the prompt's tokens");
}

static bool put_control(filling *f, int32_t id, const char *name, carat_err *err)
{
    if (id < 0)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "the model's vocabulary has no %s, which chat needs",
                       name);
    return end_run(f, err) && (ct_ids_push(f->out, id) || no_memory(err));
}

/* A turn's marker: its token, which only Gemma's own must have. Where another format's is none it is written as text, and
 * as no merge crosses the newline in front of a turn, that turn's text is tokenised by itself as well. */
static bool put_marker(filling *f, const ct_format *format, const char *name, carat_err *err)
{
    int32_t id = ct_tok_find(f->t, name, strlen(name));
    if (id >= 0 && ct_tok_can_end(f->t, id))
        return put_control(f, id, name, err);
    if (!format->writes_markers)
        return put_control(f, -1, name, err);
    return ct_buf_str(&f->run, name) || no_memory(err);
}

static bool put_named(filling *f, const char *name, carat_err *err)
{
    int32_t id = ct_tok_find(f->t, name, strlen(name));
    return put_control(f, id >= 0 && ct_tok_can_end(f->t, id) ? id : -1, name, err);
}

static bool put_image(filling *f, size_t n_soft, size_t *at, carat_err *err)
{
    const ct_tok_info *facts = ct_tok_facts(f->t);
    if (n_soft && !ct_buf_str(&f->run, "\n\n"))
        return no_memory(err);
    if (!put_control(f, facts->start_of_image, "<start_of_image>", err))
        return false;
    if (!n_soft)
        return true;
    if (facts->image_soft_token < 0)
        return ct_fail(err, CARAT_EUNSUPPORTED, CARAT_NOWHERE, "the model's vocabulary has no <image_soft_token>");
    *at = f->out->n;
    for (size_t i = 0; i < n_soft; i++)
        if (!ct_ids_push(f->out, facts->image_soft_token))
            return no_memory(err);
    if (!put_control(f, facts->end_of_image, "<end_of_image>", err))
        return false;
    note(f, f->boundaries ? f->boundaries->images : NULL);
    return ct_buf_str(&f->run, "\n\n") || no_memory(err);
}

static bool put_segment(filling *f, const ct_segments *p, const ct_segment *s, carat_err *err)
{
    const ct_tok_info *facts = ct_tok_facts(f->t);
    switch (s->kind) {
    case CT_SEGMENT_BOS:
        return put_control(f, facts->bos, "<bos>", err);
    case CT_SEGMENT_START_OF_TURN:
        if (!end_run(f, err))
            return false;
        note(f, f->boundaries ? f->boundaries->turns : NULL);
        return put_marker(f, format_of(p), format_of(p)->start, err);
    case CT_SEGMENT_END_OF_TURN:
        return put_marker(f, format_of(p), format_of(p)->end, err);
    case CT_SEGMENT_TEXT:
        if (p->system_end > s->at && p->system_end <= s->at + s->len)
            f->system_end = f->run.len + p->system_end - s->at;
        return ct_buf_add(&f->run, p->text.data + s->at, s->len) || no_memory(err);
    case CT_SEGMENT_NAMED:
        return put_named(f, s->name, err);
    case CT_SEGMENT_IMAGE:
        break;
    }
    return true;
}

static bool put_segments(filling *f, const ct_segments *p, size_t begin, size_t end, size_t n_soft,
                         ct_image_place *places, carat_err *err)
{
    size_t was = f->out->n, n_places = 0;
    bool ok = true;
    ct_buf_init(&f->run, (size_t)1 << 31);
    for (size_t i = begin; ok && i < end; i++) {
        const ct_segment *s = &p->segments[i];
        ct_image_place place = { .image = s->image, .crop = s->crop };
        if (s->kind != CT_SEGMENT_IMAGE)
            ok = put_segment(f, p, s, err);
        else if ((ok = put_image(f, n_soft, &place.at, err)) && n_soft && places)
            places[n_places++] = place;
    }
    ok = ok && end_run(f, err);
    ct_buf_deinit(&f->run);
    if (!ok)
        f->out->n = was;
    return ok;
}

bool ct_segments_ids(const ct_segments *p, const carat_tokenizer *t, size_t n_soft, ct_ids *out, ct_image_place *places,
                     ct_boundaries *boundaries, carat_err *err)
{
    filling f = { .t = t,
                  .flags = p->text_flags,
                  .has_own_syntax = format_of(p)->has_own_syntax,
                  .out = out,
                  .boundaries = boundaries };
    if (boundaries)
        *boundaries = (ct_boundaries){ 0 };
    return put_segments(&f, p, 0, p->n, n_soft, places, err);
}

bool ct_segments_ids_of(const ct_segments *p, size_t begin, size_t end, const carat_tokenizer *t, size_t n_soft,
                        ct_ids *out, carat_err *err)
{
    filling f = { .t = t, .flags = p->text_flags, .has_own_syntax = format_of(p)->has_own_syntax, .out = out };
    return put_segments(&f, p, begin, end, n_soft, NULL, err);
}
