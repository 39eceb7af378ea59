/* A table of fields against what is done with each.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "talked_fields.h"

static void ask_with(talked *o, const talked_place *p, const char *field, const char *value)
{
    char body[1024];
    snprintf(body, sizeof body, "%s, '%s': %s%s", p->before, field, value, p->after);
    talked_read(o, p->kind, body);
}

static void expect(const talked_place *p, const char *field, const char *value, bool is_listed, bool is_refused)
{
    talked o;
    char path[96];
    snprintf(path, sizeof path, "%s%s", p->path, field);
    ask_with(&o, p, field, value);
    const char *listed = o.t->ignored ? o.t->ignored : "";
    if (o.ok == is_refused || (is_refused && strcmp(o.f.param, path) != 0) ||
        (!is_refused && strcmp(listed, is_listed ? path : "") != 0))
        fail_msg("%s: %s: %d, listed '%s', '%s' %s", path, value, o.ok, listed, o.f.param, o.f.err.msg);
    talked_done(&o);
}

void talked_table_has(const talked_table *t, const talked_api *api, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (const char *s = api[i].fields; *s;) {
            char name[64] = "";
            size_t len = strcspn(s, " "), n_rows = 0;
            memcpy(name, s, len);
            for (size_t k = 0; k < t->n; k++)
                n_rows += (t->fields[k].in & api[i].place) && strcmp(t->fields[k].name, name) == 0;
            if (n_rows != 1)
                fail_msg("'%s' has %zu rows for place %u", name, n_rows, api[i].place);
            s += len + (s[len] == ' ');
        }
}

static void check_row(const ct_openai_field *row, const talked_place *p)
{
    static const char *const wishes[] = { "true", "\"x\"", "[1]", "{\"a\": 1}", "0.5" };
    const bool is_lenient = asked_defaults.mode == CT_OPENAI_LENIENT;
    expect(p, row->name, "null", false, false);
    for (size_t w = 0; w < sizeof wishes / sizeof *wishes; w++)
        switch (row->class) {
        case CT_FIELD_HARMLESS:
            expect(p, row->name, wishes[w], false, !is_lenient);
            break;
        case CT_FIELD_PASSED_BY:
            expect(p, row->name, wishes[w], true, !is_lenient);
            break;
        case CT_FIELD_REFUSED:
            expect(p, row->name, wishes[w], false, true);
            break;
        default:
            break;
        }
}

void talked_rows_are_kept(const talked_table *t)
{
    const ct_openai_options before = asked_defaults;
    for (int mode = CT_OPENAI_LENIENT; mode <= CT_OPENAI_STRICT; mode++) {
        asked_defaults.mode = (ct_openai_mode)mode;
        for (size_t k = 0; k < t->n_places; k++) {
            for (size_t i = 0; i < t->n; i++)
                if ((t->fields[i].in & t->places[k].place) && t->fields[i].class != CT_FIELD_HONOURED)
                    check_row(&t->fields[i], &t->places[k]);
            expect(&t->places[k], "unheard_of", "1", true, mode == CT_OPENAI_STRICT);
            expect(&t->places[k], "unheard_of", "null", false, false);
        }
    }
    asked_defaults = before;
}

void talked_honoured_are_read(const talked_table *t,
                              bool (*is_there)(const ct_openai_field *row, const talked_place *p))
{
    for (size_t k = 0; k < t->n_places; k++)
        for (size_t i = 0; i < t->n; i++) {
            const ct_openai_field *row = &t->fields[i];
            const talked_place *p = &t->places[k];
            if (!(row->in & p->place) || row->class != CT_FIELD_HONOURED || is_there(row, p))
                continue;
            talked o;
            ask_with(&o, p, row->name, "[{}]");
            if (o.ok)
                fail_msg("%s%s: [{}] is taken", p->path, row->name);
            talked_done(&o);
        }
}

void talked_fields_are_named(const talked_table *t, const char *file)
{
    char *text, path[512], quoted[64];
    size_t len;
    carat_err err;
    snprintf(path, sizeof path, "%s/%s", TEST_ROOT, file);
    if (!ct_read_file(path, 1 << 20, &text, &len, &err))
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < t->n; i++) {
        snprintf(quoted, sizeof quoted, "`%s`", t->fields[i].name);
        if (!strstr(text, quoted))
            fail_msg("%s does not name %s", file, quoted);
    }
    free(text);
}
