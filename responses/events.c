/* Parts of an answer -> items of a response's output, and events.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "responses/events.h"

#include <string.h>

#include "responses/inside.h"

void ct_responses_output_init(ct_responses_output *o, bool streams)
{
    *o = (ct_responses_output){ .streams = streams };
    ct_buf_init(&o->text, CT_RESPONSES_MAX_TEXT);
}

void ct_responses_output_deinit(ct_responses_output *o)
{
    json_decref(o->response);
    json_decref(o->item);
    json_decref(o->logprobs);
    ct_buf_deinit(&o->text);
}

/* ---- events ---- */

/* Takes what it says, which may be NULL: no memory. */
static bool tell(ct_responses_output *o, const char *type, json_t *more, ct_buf *out)
{
    bool ok = more != NULL;
    if (o->streams) {
        json_t *e = json_pack("{s:s, s:I}", "type", type, "sequence_number", (json_int_t)o->n_events++);
        ok = ok && json_object_update(e, more) == 0 && ct_buf_fmt(out, "event: %s\ndata: ", type) &&
             ct_json_write(e, out) && ct_buf_str(out, "\n\n");
        json_decref(e);
    }
    json_decref(more);
    return ok;
}

bool ct_responses_tell(ct_responses_output *o, const char *type, ct_buf *out)
{
    return tell(o, type, json_pack("{s:O}", "response", o->response), out);
}

bool ct_responses_begin(ct_responses_output *o, ct_buf *out)
{
    return ct_responses_tell(o, "response.created", out) && ct_responses_tell(o, "response.in_progress", out);
}

static json_t *output_of(const ct_responses_output *o)
{
    return json_object_get(o->response, "output");
}

static json_int_t index_of(const ct_responses_output *o)
{
    return (json_int_t)json_array_size(output_of(o));
}

/* Where the item is that an event is about. */
static json_t *place_of(const ct_responses_output *o)
{
    return json_pack("{s:O, s:I}", "item_id", json_object_get(o->item, "id"), "output_index", index_of(o));
}

static bool tell_of_item(ct_responses_output *o, const char *type, ct_buf *out)
{
    return tell(o, type, json_pack("{s:I, s:O}", "output_index", index_of(o), "item", o->item), out);
}

/* With one more member, which is taken. */
static bool tell_at(ct_responses_output *o, const char *type, const char *key, json_t *v, ct_buf *out)
{
    json_t *e = place_of(o);
    if (json_object_set_new(e, key, v) == 0)
        return tell(o, type, e, out);
    json_decref(e);
    return false;
}

/* The same within a message, whose only content is its text. */
static bool tell_in(ct_responses_output *o, const char *type, const char *key, json_t *v, json_t *logprobs, ct_buf *out)
{
    json_t *e = place_of(o);
    bool ok = json_object_set_new(e, "content_index", json_integer(0)) == 0;
    ok = json_object_set_new(e, key, v) == 0 && ok;
    ok = (!logprobs || json_object_set(e, "logprobs", logprobs) == 0) && ok;
    if (ok)
        return tell(o, type, e, out);
    json_decref(e);
    return false;
}

/* ---- items ---- */

static json_t *text_part(const ct_responses_output *o)
{
    return json_pack("{s:s, s:s%, s:[], s:O}", "type", "output_text", "text", o->text.data, o->text.len, "annotations",
                     "logprobs", o->logprobs);
}

static bool begin_item(ct_responses_output *o, json_t *item, bool is_call)
{
    o->item = item;
    o->is_call = is_call;
    json_decref(o->logprobs);
    o->logprobs = json_array();
    ct_buf_clear(&o->text);
    return item && o->logprobs && ct_buf_str(&o->text, "");
}

static bool begin_message(ct_responses_output *o, ct_buf *out)
{
    char id[40];
    json_t *item = ct_openai_new_id("msg_", id, sizeof id)
                       ? json_pack("{s:s, s:s, s:s, s:s, s:[]}", "id", id, "type", "message", "status", "in_progress",
                                   "role", "assistant", "content")
                       : NULL;
    return begin_item(o, item, false) && tell_of_item(o, "response.output_item.added", out) &&
           tell_in(o, "response.content_part.added", "part", text_part(o), NULL, out);
}

static bool begin_call(ct_responses_output *o, const ct_openai_part *p, ct_buf *out)
{
    char id[40];
    json_t *item = ct_openai_new_id("fc_", id, sizeof id)
                       ? json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "id", id, "type", "function_call", "status",
                                   "in_progress", "call_id", p->id, "name", p->name, "arguments", "")
                       : NULL;
    return begin_item(o, item, true) && tell_of_item(o, "response.output_item.added", out);
}

static json_t *whole_text(const ct_responses_output *o)
{
    return json_stringn_nocheck(o->text.data, o->text.len);
}

static bool end_message(ct_responses_output *o, ct_buf *out)
{
    json_t *part = text_part(o);
    const bool ok = json_array_append_new(json_object_get(o->item, "content"), part) == 0;
    return ok && tell_in(o, "response.output_text.done", "text", whole_text(o), o->logprobs, out) &&
           tell_in(o, "response.content_part.done", "part", json_incref(part), NULL, out);
}

static bool end_call(ct_responses_output *o, ct_buf *out)
{
    return json_object_set_new(o->item, "arguments", whole_text(o)) == 0 &&
           tell_at(o, "response.function_call_arguments.done", "arguments", whole_text(o), out);
}

/* The item that is coming is complete, or cut off; nothing where there is none. */
static bool end_item(ct_responses_output *o, const char *status, ct_buf *out)
{
    if (!o->item)
        return true;
    bool ok = json_object_set_new(o->item, "status", json_string(status)) == 0 &&
              (o->is_call ? end_call(o, out) : end_message(o, out)) &&
              tell_of_item(o, "response.output_item.done", out);
    ok = json_array_append(output_of(o), o->item) == 0 && ok;
    json_decref(o->item);
    o->item = NULL;
    return ok;
}

/* ---- parts ---- */

static bool take_text(ct_responses_output *o, const ct_openai_part *p, ct_buf *out)
{
    json_t *entries = p->logprobs ? json_incref((json_t *)(uintptr_t)p->logprobs) : json_array();
    bool ok = entries && (o->item && !o->is_call ? true : end_item(o, "completed", out) && begin_message(o, out));
    ok = ok && ct_buf_add(&o->text, p->text, p->len) && json_array_extend(o->logprobs, entries) == 0 &&
         tell_in(o, "response.output_text.delta", "delta", json_stringn_nocheck(p->text, p->len), entries, out);
    json_decref(entries);
    return ok;
}

static bool take_arguments(ct_responses_output *o, const ct_openai_part *p, ct_buf *out)
{
    return ct_buf_add(&o->text, p->text, p->len) &&
           tell_at(o, "response.function_call_arguments.delta", "delta", json_stringn_nocheck(p->text, p->len), out);
}

/* A message has what is left of log-probabilities; a call has no place for them. */
static bool take_end(ct_responses_output *o, const ct_openai_part *p, ct_buf *out)
{
    const bool is_cut = strcmp(p->finish, "length") == 0 || (o->item && o->is_call);
    if (!o->item && json_array_size(output_of(o)) == 0 && !begin_message(o, out))
        return false;
    if (o->item && !o->is_call && p->logprobs && json_array_extend(o->logprobs, (json_t *)(uintptr_t)p->logprobs) != 0)
        return false;
    return end_item(o, is_cut ? "incomplete" : "completed", out);
}

bool ct_responses_take(ct_responses_output *o, const ct_openai_part *part, ct_buf *out)
{
    switch (part->kind) {
    case CT_PART_TEXT:
        return take_text(o, part, out);
    case CT_PART_CALL:
        return end_item(o, "completed", out) && begin_call(o, part, out);
    case CT_PART_ARGUMENTS:
        return take_arguments(o, part, out);
    case CT_PART_CALL_END:
        return end_item(o, "completed", out);
    case CT_PART_END:
        return take_end(o, part, out);
    case CT_PART_FAILED:
        break;
    }
    return true;
}
