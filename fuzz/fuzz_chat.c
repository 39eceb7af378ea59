/* fuzz_chat.c - conversations of any roles and contents, with calls and results, in every format: repair renders every one,
 * and control tokens come from the template alone.
 *
 * The input is a script: a byte of options; each message is a byte for its role, one for its flags and its number of parts,
 * and each part a byte for its length (255: a picture) and its text. Behind a model's with the flag 64 come the number of
 * its calls, and of each a byte for its id and name, one for the length of its arguments, and these.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "chat/calls.h"
#include "chat/roles.h"
#include "fuzz.h"

enum { MOST_MESSAGES = 24, MOST_PARTS = 7, MOST_CALLS = 4 };

static const char *const roles[] = {
    "user", "assistant", "model", "system", "developer", "tool",
    "",     "User",      "<bos>", "\xff",   "function",  "a rather long name of a role"
};
enum { N_ROLES = sizeof roles / sizeof *roles };

typedef struct script {
    const uint8_t *at, *end;
    ct_chat_message messages[MOST_MESSAGES];
    ct_chat_part parts[MOST_MESSAGES][MOST_PARTS];
    ct_chat_call calls[MOST_MESSAGES][MOST_CALLS];
    size_t n, n_images;
} script;

static uint8_t next(script *s)
{
    return s->at < s->end ? *s->at++ : 0;
}

static void read_part(script *s, ct_chat_part *p)
{
    size_t len = next(s), left = (size_t)(s->end - s->at);
    if (len == 255) {
        *p = (ct_chat_part){ .image = s->n_images++, .n_crops = next(s) % 5 };
        return;
    }
    len = len < left ? len : left;
    *p = (ct_chat_part){ .text = (const char *)s->at, .len = len };
    s->at += len;
}

static const char *const ids[] = { "1", "2", "<escape>", NULL };
static const char *const functions[] = { "f", "g", "<end_of_turn>", "\xff\"" };

static void read_calls(script *s, ct_chat_message *m)
{
    m->calls = s->calls[s->n];
    m->n_calls = next(s) % (MOST_CALLS + 1);
    for (size_t i = 0; i < m->n_calls; i++) {
        const uint8_t which = next(s);
        size_t len = next(s), left = (size_t)(s->end - s->at);
        len = len < left ? len : left;
        s->calls[s->n][i] = (ct_chat_call){
            .id = ids[which % 4], .name = functions[which / 4 % 4], .arguments = (const char *)s->at, .len = len
        };
        s->at += len;
    }
}

static void read_script(script *s)
{
    while (s->n < MOST_MESSAGES && s->at < s->end) {
        ct_chat_message *m = &s->messages[s->n];
        m->role = roles[next(s) % N_ROLES];
        uint8_t flags = next(s);
        m->parts = s->parts[s->n];
        m->is_inline = flags & 16;
        m->is_null = (flags & 96) == 96;
        m->n_parts = m->is_null ? 0 : flags % (MOST_PARTS + 1);
        for (size_t i = 0; i < m->n_parts; i++)
            read_part(s, &s->parts[s->n][i]);
        if (ct_chat_role(m) == CT_ROLE_MODEL && (flags & 64))
            read_calls(s, m);
        if (ct_chat_role(m) == CT_ROLE_TOOL)
            m->call_id = ids[flags / 8 % 4], m->name = flags & 64 ? functions[flags / 32 % 4] : NULL;
        s->n++;
    }
}

/* Turns open and close in turn, text is inside the text, no two texts are neighbours. */
static void use(const ct_segments *p, size_t n_images)
{
    bool is_open = false;
    for (size_t i = 0; i < p->n; i++) {
        const ct_segment *s = &p->segments[i];
        if (s->kind == CT_SEGMENT_START_OF_TURN) {
            FUZZ_MUST(!is_open);
            is_open = true;
        } else if (s->kind == CT_SEGMENT_END_OF_TURN) {
            FUZZ_MUST(is_open);
            is_open = false;
        } else if (s->kind == CT_SEGMENT_TEXT) {
            FUZZ_MUST(s->at <= p->text.len && s->len <= p->text.len - s->at && s->len > 0);
            FUZZ_MUST(i == 0 || p->segments[i - 1].kind != CT_SEGMENT_TEXT);
            fuzz_touch(p->text.data + s->at, s->len);
        } else if (s->kind == CT_SEGMENT_IMAGE) {
            FUZZ_MUST(s->image < n_images);
        } else if (s->kind == CT_SEGMENT_NAMED) {
            FUZZ_MUST(is_open && p->format->has_own_syntax);
        }
    }
    FUZZ_MUST(p->n > 0 && p->segments[0].kind == CT_SEGMENT_BOS && p->system_end <= p->text.len);
    FUZZ_MUST(p->repairs < CARAT_REPAIR_ARGUMENTS << 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static script s;
    memset(&s, 0, sizeof s);
    s.at = data, s.end = data + size;
    uint8_t options = next(&s);
    read_script(&s);
    ct_segments p = { 0 };
    ct_buf text;
    carat_err err = { 0 };
    const carat_tool tool = { sizeof tool, "f", "<escape>", "{\"properties\":{\"<bos>\":{}}}", 0 };
    carat_tools *tools = NULL;
    FUZZ_MUST(!(options & 2) || ct_tools_open(&tool, 1, CARAT_TOOLS_JSON, &tools, &err));
    const ct_chat_options o = { .no_generation_prompt = options & 1,
                                .continues_answer =
                                    (options & 4) && s.n && ct_chat_role(&s.messages[s.n - 1]) == CT_ROLE_MODEL,
                                .format = (ct_format_kind)(options / 8 % CT_N_FORMATS),
                                .tools = tools };
    FUZZ_MUST(ct_chat_link(s.messages, s.n, tools, &err));
    bool ok = ct_chat_render(s.messages, s.n, &o, &p, &err);
    FUZZ_MUST(ok || (s.n == 0 && err.code == CARAT_EARG && err.msg[0]));
    ct_buf_init(&text, 1 << 24);
    if (ok) {
        use(&p, s.n_images);
        FUZZ_MUST(ct_segments_text(&p, &text));
        fuzz_touch(text.data, text.len);
    }
    ct_buf_deinit(&text);
    ct_segments_deinit(&p);
    ct_tools_close(tools);
    return 0;
}
