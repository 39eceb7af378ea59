/* talked_fields.h - a protocol's table of fields against what the protocol does with each, wherever a body may have it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_TESTS_TALKED_FIELDS_H
#define CT_TESTS_TALKED_FIELDS_H

#include "openai/fields.h"
#include "talked.h"

/* Where in a body fields may stand: between `before` and `after`. */
typedef struct talked_place {
    unsigned place; /* a bit of ct_openai_field.in */
    const ct_talk_kind *kind;
    const char *before, *after, *path; /* path: of a fault's param, up to the field's name */
} talked_place;

typedef struct talked_table {
    const ct_openai_field *fields;
    size_t n;
    const talked_place *places;
    size_t n_places;
} talked_table;

typedef struct talked_api { /* the fields that an API has there, with spaces between them */
    unsigned place;
    const char *fields;
} talked_api;

/* Each has one row. */
void talked_table_has(const talked_table *t, const talked_api *api, size_t n);
/* In every mode, a row that is not honoured does what its class says: it is passed by, listed or refused, and named. */
void talked_rows_are_kept(const talked_table *t);
/* No row is a promise only: what is said to be honoured is read, so a value of no sense is refused. Left out is what
 * is_there says of: what `before` has already, or what only others of that place may have. */
void talked_honoured_are_read(const talked_table *t,
                              bool (*is_there)(const ct_openai_field *row, const talked_place *p));
/* The file, from the root of the source tree, has the name of every field. */
void talked_fields_are_named(const talked_table *t, const char *file);

#endif
