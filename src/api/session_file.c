/* A conversation on disk: what stands beside its keys and values (kv/file.h) in the file's blob.
 *
 *   u64           1: the last token's hidden state is present; 0: it is not
 *   u64[tokens]   keys
 *   i32[tokens]   ids: an image's key does not determine its token's id
 *   f32[hidden]   of the last token, after the final norm
 *   u8[..]        the caller's note
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "api/adapter.h"
#include "api/internal.h"
#include "base/finite.h"
#include "base/size.h"

typedef struct beside {
    uint64_t has_hidden;
    size_t keys, ids, hidden, all; /* bytes; all: before the note */
} beside;

static beside layout(const carat_session *s, size_t n, bool has_hidden)
{
    beside b = { .has_hidden = has_hidden,
                 .keys = n * sizeof *s->seq.keys,
                 .ids = n * sizeof *s->seq.ids,
                 .hidden = has_hidden ? s->seq.n_hidden * sizeof *s->seq.hidden : 0 };
    b.all = sizeof b.has_hidden + b.keys + b.ids + b.hidden; /* a context and a width are far from overflowing */
    return b;
}

static bool pack_tokens(const carat_session *s, const void *note, size_t note_len, uint8_t **out, size_t *len,
                        carat_err *err)
{
    const beside b = layout(s, s->seq.n, s->seq.has_hidden);
    *out = ct_add_size(b.all, note_len, len) && *len < SIZE_MAX ? malloc(*len + 1) : NULL;
    if (!*out)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu tokens", s->seq.n);
    uint8_t *to = *out;
    memcpy(to, &b.has_hidden, sizeof b.has_hidden);
    memcpy(to += sizeof b.has_hidden, s->seq.keys, b.keys);
    memcpy(to += b.keys, s->seq.ids, b.ids);
    memcpy(to += b.ids, s->seq.hidden, b.hidden);
    if (note_len)
        memcpy(to + b.hidden, note, note_len);
    return true;
}

/* A key names the token: its id, or a part of an image. */
static bool check_token(const carat_session *s, const char *path, size_t i, carat_err *err)
{
    const ct_model *m = s->engine->model;
    int32_t id = s->seq.ids[i], slot = m->tok ? ct_tok_facts(m->tok)->image_soft_token : -1;
    bool is_image = s->seq.keys[i] & CT_KEY_IMAGE;
    carat_err why;
    if (id != slot && !ct_api_check_row(m, id, i, &why))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: token %zu: %s", path, i, why.msg);
    if (is_image ? id != slot : s->seq.keys[i] != (uint32_t)id)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: token %zu: its key is not that of id %d", path, i, id);
    return true;
}

/* Into the session's arrays, which mean nothing until its length is set. */
static bool unpack_tokens(carat_session *s, const char *path, const ct_kv_contents *c, char **note, size_t *note_len,
                          carat_err *err)
{
    size_t n = c->n, len = c->blob_len;
    uint64_t has_hidden = UINT64_MAX;
    if (len >= sizeof has_hidden)
        memcpy(&has_hidden, c->blob, sizeof has_hidden);
    const beside b = layout(s, n, has_hidden == 1);
    if (has_hidden > 1 || (has_hidden && !n) || len < b.all || c->n_keys != n)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: %zu bytes of tokens for %zu positions", path, len, n);
    const uint8_t *from = c->blob + sizeof has_hidden;
    if (memcmp(from, c->keys, b.keys) != 0)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: its two lists of keys differ", path);
    memcpy(s->seq.keys, from, b.keys);
    memcpy(s->seq.ids, from += b.keys, b.ids);
    memcpy(s->seq.hidden, from += b.ids, b.hidden);
    for (size_t i = 0; i < n; i++)
        if (!check_token(s, path, i, err))
            return false;
    if (has_hidden && !ct_all_finite(s->seq.hidden, s->seq.n_hidden))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: its last token's hidden state is not finite", path);
    if (note) {
        *note_len = len - b.all;
        *note = malloc(*note_len + 1);
        if (!*note)
            return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for a note of %zu bytes", path, *note_len);
        memcpy(*note, from + b.hidden, *note_len);
        (*note)[*note_len] = '\0';
    }
    s->seq.has_hidden = has_hidden == 1;
    return true;
}

bool carat_session_save(const carat_session *s, const char *path, const void *note, size_t note_len, carat_err *err)
{
    uint8_t *blob, fingerprint[CT_FINGERPRINT];
    size_t len = 0;
    carat_engine *e = s->engine;
    ct_api_fingerprint(e, s->blend, fingerprint);
    if (!pack_tokens(s, note, note ? note_len : 0, &blob, &len, err))
        return false;
    ct_kv_still *still = NULL;
    ct_scheduler_visit(e->scheduler);
    bool ok = ct_kv_still_take(s->seq.kv, &still, err);
    ct_scheduler_leave(e->scheduler);
    /* Other sessions run while it is written; this one does not: one thread at a time. */
    ok = ok && ct_kv_still_save(still, path, fingerprint, blob, len, err);
    ct_kv_still_free(still);
    free(blob);
    return ok;
}

bool carat_session_restore(carat_session *s, const char *path, char **note, size_t *note_len, carat_err *err)
{
    ct_kv_saved *file;
    uint8_t fingerprint[CT_FINGERPRINT];
    carat_engine *e = s->engine;
    ct_api_fingerprint(e, s->blend, fingerprint);
    if (note)
        *note = NULL;
    if (s->seq.n)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "restoring into a session that holds %zu tokens", s->seq.n);
    s->has_logits = s->seq.has_hidden = false;
    if (!ct_kv_saved_open(s->seq.kv, path, fingerprint, &file, err))
        return false;
    const ct_kv_contents c = ct_kv_saved_contents(file);
    bool ok = unpack_tokens(s, path, &c, note, note_len, err);
    if (ok) { /* all that can be refused before a page enters has been */
        ct_scheduler_visit(e->scheduler);
        ok = ct_kv_saved_take(file, s->seq.kv, err);
        ct_scheduler_leave(e->scheduler);
    }
    if (ok) {
        s->seq.n = c.n;
    } else {
        s->seq.has_hidden = false;
        if (note)
            free(*note), *note = NULL;
    }
    ct_kv_saved_close(file);
    return ok;
}
