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
    CT_KIND_NUMBER = 8,  /* those that are none; type "number" is both */
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
    json_t *made;            /* schemas that say what keywords mean in terms of others, by keyword and place */
    const json_t *fractions; /* among them that for numbers that are no integers, known by its address */
    unsigned depth, n_refs;
    unsigned draft;        /* that $schema names: 3, 4, 6, 7, 2019, 2020; 0: none */
    bool ref_stands_alone; /* draft 7 and older: what stands beside $ref is ignored */
    carat_err *err;
} ct_schema;

/* What a oneOf says; the functions of schema_combine.c look at members' anyOf and oneOf. */
enum { CT_ANY_OF = 1, CT_ONE_OF = 2 };
#define CT_MOST_MEMBERS 64

/* schema_keywords.c. Whatever returns false here and below has *err, which names the keyword's path. */
bool ct_schema_refuse(ct_schema *s, const char *path, const char *keyword, const char *why);
bool ct_schema_no_memory(ct_schema *s);
bool ct_schema_check_keywords(ct_schema *s, const json_t *schema, const char *path);
bool ct_schema_is_annotation(const char *keyword);

/* schema_refs.c */
const char *ct_schema_path(ct_schema *s, const char *path, const char *keyword); /* path/keyword, escaped */
const char *ct_schema_path_at(ct_schema *s, const char *path, const char *keyword, size_t i);
bool ct_schema_resolve(ct_schema *s, const json_t *ref, const char *path, const json_t **out);

/* schema.c */
/* Adds a schema (of any JSON type, which is checked) to c. */
bool ct_conj_add(ct_schema *s, ct_conj *c, const json_t *schema, const char *path);
bool ct_conj_push(ct_schema *s, ct_conj *c, ct_member m); /* as it is */
/* The texts of the values that satisfy all of c; a call of a rule. */
bool ct_conj_compile(ct_schema *s, const ct_conj *c, const ct_expr **out);

/* schema_combine.c: adds what not, if, and dependencies say of a member's schema, as schemas with anyOf. */
bool ct_conj_add_conditions(ct_schema *s, ct_conj *c, const json_t *schema, const char *path);
/* c with each branch of member i's anyOf or oneOf, one of which must hold. */
bool ct_conj_branches(ct_schema *s, const ct_conj *c, size_t i, uint8_t which, const ct_expr **out);
/* Takes made (NULL: there was no memory), which lives as long as s; *out borrows it. */
bool ct_schema_keep(ct_schema *s, const char *key, json_t *made, const json_t **out);

/* schema_not.c: a schema for the values that this one rejects; it lives as long as s. */
bool ct_schema_negate(ct_schema *s, const json_t *schema, const char *path, const json_t **out);

/* schema_enum.c */
/* Would this value be generated? By its canonical text: of a value that satisfies c *yes may be false still. */
bool ct_conj_accepts(ct_schema *s, const ct_conj *c, const json_t *value, bool *yes);
/* Is it certain that the value does not satisfy c? */
bool ct_conj_excludes(ct_schema *s, const ct_conj *c, const json_t *value, bool *yes);
/* The values of the first enumeration that all of c accepts, of which *out has a list; NULL: there is none. */
bool ct_conj_values(ct_schema *s, const ct_conj *c, json_t **out);
bool ct_conj_enum(ct_schema *s, const ct_conj *c, bool *found, const ct_expr **out);
unsigned ct_json_kind_of(const json_t *v);

/* schema_values.c: which kinds of value c leaves (enum and const are not looked at), strings, numbers. */
bool ct_member_kinds(ct_schema *s, const ct_member *m, unsigned *out);
bool ct_conj_kinds(ct_schema *s, const ct_conj *c, unsigned *kinds);
bool ct_conj_string(ct_schema *s, const ct_conj *c, const ct_expr **out);
bool ct_conj_number(ct_schema *s, const ct_conj *c, unsigned kinds, const ct_expr **out); /* kinds: of numbers */
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
