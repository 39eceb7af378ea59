/* The output file of a batch, as it was left by an earlier run.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "batch.h"

#define OUR_BEGINNING "{\"id\":\"batch_req_"

static bool not_ours(const ct_journal *out, const batch_lines *l, carat_err *err)
{
    return ct_fail(err, CARAT_EFORMAT, l->end,
                   "%s: line %llu is not a line of batch output; the file is left unchanged, choose another", out->path,
                   (unsigned long long)l->number);
}

/* A line of an earlier run: its id is done. */
static bool note(const ct_journal *out, const batch_lines *l, batch_ids *ids, carat_err *err)
{
    json_t *o = NULL;
    const char *id = NULL;
    bool ok = !l->is_long && ct_json_parse(out->path, l->line.data, l->line.len, &o, err) && json_is_object(o) &&
              json_object_get(o, "response") && (id = json_string_value(json_object_get(o, "custom_id"))) && *id;
    struct batch_id *entry = ok ? batch_ids_at(ids, id) : NULL;
    if (entry) {
        json_t *status = json_object_get(json_object_get(o, "response"), "status_code");
        entry->flags = json_integer_value(status) == 200 ? BATCH_ID_DONE : BATCH_ID_DONE | BATCH_ID_FAILED;
    }
    json_decref(o);
    return entry || (ok ? ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the ids of %s", out->path)
                        : not_ours(out, l, err));
}

/* Reads what is there and cuts off a line without an end, if its beginning is one of ours. */
static bool read_back(ct_journal *out, batch_ids *ids, carat_err *err)
{
    batch_lines l = { .fd = out->fd, .name = out->path, .max = (size_t)1 << 30 };
    bool ok = true, is_torn = false;
    while (ok && batch_lines_next(&l, err)) {
        size_t n = strlen(OUR_BEGINNING);
        is_torn = !l.has_newline;
        if (is_torn)
            ok = memcmp(l.line.data, OUR_BEGINNING, l.line.len < n ? l.line.len : n) == 0 || not_ours(out, &l, err);
        else if (!batch_line_is_blank(&l))
            ok = note(out, &l, ids, err);
    }
    ok = ok && err->code == CARAT_OK;
    out->end = l.end;
    batch_lines_deinit(&l);
    return ok && (!is_torn || ct_journal_cut(out, err));
}

bool batch_out_open(const char *path, batch_ids *ids, ct_journal *out, carat_err *err)
{
    if (!ct_journal_open(out, path, false, "another batch", err))
        return false;
    if (!out->is_file || read_back(out, ids, err))
        return true;
    ct_journal_close(out, NULL);
    return false;
}
