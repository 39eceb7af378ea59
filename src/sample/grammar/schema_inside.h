/* schema_inside.h - what schema*.c share: schemas that must hold at once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SAMPLE_GRAMMAR_SCHEMA_INSIDE_H
#define CT_SAMPLE_GRAMMAR_SCHEMA_INSIDE_H

#include "sample/grammar/number_text.h"
#include "sample/grammar/schema.h"

/* One schema among those that must hold, with its references and allOf taken out and added beside it. */
typedef struct ct_member {
    const json_t *schema; /* an object */
    const char *path;     /* JSON pointer, for messages */
    uint8_t done;         /* its anyOf (1) or oneOf (2) is taken care of */
} ct_member;

/* Schemas that must all hold for one value. */
typedef struct ct_conj {
    ct_member *v;
    size_t n, cap;
    bool is_false; /* nothing satisfies it */
} ct_conj;

enum ct_json_kind {
    CT_KIND_NULL = 1,
    CT_KIND_BOOLEAN = 2,
    CT_KIND_INTEGER = 4, /* the integers among the numbers */
    CT_KIND_NUMBER = 8,  /* those that are none, too */
    CT_KIND_STRING = 16,
    CT_KIND_ARRAY = 32,
    CT_KIND_OBJECT = 64,
    CT_KIND_ALL = 127,
};

typedef struct ct_known_conj ct_known_conj;

typedef struct ct_schema {
    const char *what;
    const json_t *document;
    ct_rules *rules;
    ct_heap *heap; /* the rules' */
    ct_json_rules any;
    ct_known_conj *known; /* conjunctions that have a rule */
    size_t n_known;
    unsigned depth, n_refs;
    bool ref_stands_alone; /* draft 7 and older: what stands beside $ref is ignored */
    carat_err *err;
} ct_schema;

/* schema.c. Each returns false with *err, which names the keyword's path. */
bool ct_schema_refuse(ct_schema *s, const char *path, const char *keyword, const char *why);
bool ct_schema_no_memory(ct_schema *s);
/* Adds a schema (of any JSON type, which is checked) to c. */
bool ct_conj_add(ct_schema *s, ct_conj *c, const json_t *schema, const char *path);
const char *ct_schema_path(ct_schema *s, const char *path, const char *keyword); /* path/keyword, escaped */
const char *ct_schema_path_at(ct_schema *s, const char *path, const char *keyword, size_t i);
/* The texts of the values that satisfy all of c; a call of a rule. */
bool ct_conj_compile(ct_schema *s, const ct_conj *c, const ct_expr **out);
/* Would this value satisfy c? By its canonical text. */
bool ct_conj_accepts(ct_schema *s, const ct_conj *c, const json_t *value, bool *yes);

/* schema_values.c: which kinds of value c leaves (enum and const are not looked at), strings, numbers. */
bool ct_conj_kinds(ct_schema *s, const ct_conj *c, unsigned *kinds);
bool ct_conj_string(ct_schema *s, const ct_conj *c, const ct_expr **out);
bool ct_conj_number(ct_schema *s, const ct_conj *c, bool is_integer, const ct_expr **out);
/* The machines that a string's characters satisfy at once; *n is increased. close them in any case. */
bool ct_conj_string_machines(ct_schema *s, const ct_conj *c, ct_machine *m, size_t most, size_t *n);
void ct_machines_close(ct_machine *m, size_t n);
/* Reads an unsigned keyword of all members: the largest (or the smallest). */
bool ct_conj_count(ct_schema *s, const ct_conj *c, const char *keyword, bool largest, uint32_t *out);
bool ct_number_bounds(ct_schema *s, const ct_conj *c, ct_number_rule *out);

/* schema_object.c, schema_array.c */
bool ct_conj_object(ct_schema *s, const ct_conj *c, const ct_expr **out);
bool ct_conj_array(ct_schema *s, const ct_conj *c, const ct_expr **out);
/* What a property of this name must satisfy; adds to *out. */
bool ct_conj_property(ct_schema *s, const ct_conj *c, const char *name, ct_conj *out);
bool ct_conj_requires(ct_schema *s, const ct_conj *c, const char *name);

/* schema_apart.c: can no value satisfy both? False in *apart: not proven. */
bool ct_conj_apart(ct_schema *s, const ct_conj *a, const ct_conj *b, unsigned depth, bool *apart);

/* Numbers are equal by value, the members of objects in any order. */
bool ct_json_equals(const json_t *a, const json_t *b);
bool ct_json_is_among(const json_t *value, const json_t *list);

#endif
