/* Is the output head the embedding table? What the header states is a hint; the tensors decide.
 *
 * Trainers leave a head that they trained beside a flag that still says "tied", and a flag that says "untied" beside no
 * head; converters write the table twice. A head in the file is never dropped unless it is the table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "model/source.h"

#define PIECE ((size_t)1 << 20) /* bytes that are compared at a time */

/* A trained head differs early, so reading both whole is rare. */
static bool compare(const ct_tensor *a, const ct_tensor *b, bool *is_same, carat_err *err)
{
    ct_window wa = { 0 }, wb = { 0 };
    bool ok = true;
    *is_same = a->type == b->type && a->bytes == b->bytes;
    for (size_t at = 0; ok && *is_same && at < a->bytes; at += PIECE) {
        size_t n = a->bytes - at < PIECE ? a->bytes - at : PIECE;
        ok = ct_tensor_prepare(a, at, n, &wa, err) && ct_tensor_prepare(b, at, n, &wb, err) &&
             ct_window_read(&wa, 0, n, err) && ct_window_read(&wb, 0, n, err);
        *is_same = ok && memcmp(wa.data, wb.data, n) == 0;
    }
    ct_window_close(&wa);
    ct_window_close(&wb);
    return ok;
}

bool ct_source_settle_head(const ct_source *s, ct_config *c, carat_err *err)
{
    const char *name = ct_source_head(s);
    const ct_tensor *table, *head;
    bool says_tied = c->tied, is_same;
    if (c->is_encoder) {
        c->tied = true;
        if (name)
            ct_config_note(c, s->path, "output head: '%s' has no part in embeddings; not read", name);
        return true;
    }
    if (!name) {
        c->tied = true;
        if (!says_tied)
            ct_config_note(c, s->path,
                           "output head: the header says untied, but there is no 'lm_head.weight'; using the "
                           "embedding table");
        return true;
    }
    if (s->pack) { /* which has a head only if that is another matrix */
        c->tied = false;
        return true;
    }
    if (!ct_source_tensor(s, c, CT_PART_EMBED, 0, &table, err) ||
        !ct_source_tensor(s, c, CT_PART_HEAD, 0, &head, err) || !compare(table, head, &is_same, err))
        return false;
    c->tied = is_same;
    if (is_same || s->gguf) /* no key of GGUF states it */
        return true;
    if (c->is_tie_disputed)
        ct_config_note(c, s->path,
                       "output head: the header says both tied and untied, and '%s' is not the embedding table; using "
                       "'%s'",
                       name, name);
    else if (says_tied)
        ct_config_note(c, s->path, "output head: the header says tied, but '%s' is not the embedding table; using '%s'",
                       name, name);
    return true;
}
