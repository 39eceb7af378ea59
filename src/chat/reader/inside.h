/* inside.h - what the shapes of calls share. Inside reader/ alone.
 *
 *   reader.c            where calls begin and end: lines, fences, lists, what stands between
 *   out.c        the pieces that come out; what is held back
 *   json.c       one JSON object that may be a call        walk.c   JSON text, a byte at a time
 *   python.c     one Python call                           text.c   strings and numbers as JSON text
 *   function.c   one call of FunctionGemma
 *
 * A shape is fed byte by byte and answers with a ct_call_verdict. Arguments are collected in r->arguments as compact JSON.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CHAT_READER_INSIDE_H
#define CT_CHAT_READER_INSIDE_H

#include "base/buf.h"
#include "chat/reader/reader.h"

typedef enum ct_call_verdict {
    CT_MORE,   /* the byte belongs to the shape, which goes on */
    CT_DONE,   /* ... and ends it */
    CT_LIST,   /* ... and opens the list of {"tool_calls": [ */
    CT_CLOSED, /* the shape ended before this byte, which is not part of it */
    CT_FAIL,   /* with this byte it is no call; the byte is not part of it */
} ct_call_verdict;

#define CT_NO_FUNCTION SIZE_MAX
/* Stands in r->arguments for a bracket that turned out to group, not to make a list; never comes out. */
#define CT_CALL_NOTHING '\1'

/* ---- names ---- */

/* A name as it is being read: functions[lo, hi) begin with its first len bytes. */
typedef struct ct_call_name {
    size_t lo, hi, len;
} ct_call_name;

/* ---- JSON text: walk.c ---- */

/* Which bytes may come next; the first value is an object. */
typedef struct ct_json_bytes {
    uint8_t state, depth, n_hex;
    bool is_key, has_high;
    uint16_t unit;    /* of a \u escape */
    const char *word; /* what is left of true, false, null */
    uint64_t objects[CT_CALL_MOST_DEPTH / 64];
} ct_json_bytes;

/* CT_MORE, CT_DONE with the object's last brace, CT_FAIL. *is_blank: the byte is white space between values. */
ct_call_verdict ct_json_bytes_feed(ct_json_bytes *w, char c, bool *is_blank);

/* ---- strings and numbers: text.c ---- */

bool ct_is_blank(char c); /* JSON's white space */
int ct_hex_digit(char c); /* -1: none */
/* A byte, or a character, within a JSON string: escaped where it must be. */
void ct_put_byte(ct_buf *out, char c);
void ct_put_char(ct_buf *out, uint32_t cp);
/* A UTF-16 unit of an escape, the first half of a pair remembered in *high; *cp is CT_NO_CHAR behind that. False: half of a
 * pair without the other. */
#define CT_NO_CHAR UINT32_MAX
bool ct_join_unit(uint16_t *high, uint32_t unit, uint32_t *cp);
/* A Python or JSON number as JSON; false: it is none. */
bool ct_put_number(ct_buf *out, const char *text, size_t len);
/* true, True, null, None ...; false: none of them. */
bool ct_put_word(ct_buf *out, const char *text, size_t len);

/* ---- the shapes ---- */

typedef struct ct_call_json {
    uint8_t state, key_kind, n_key, n_hex;
    char key[16], quote; /* of the string that is being read */
    ct_call_name name;
    size_t function;
    bool is_nested; /* within "function": { */
    bool has_arguments, has_called, has_comma;
    bool is_walking, is_walked; /* of arguments in a string: their object has begun, has ended */
    uint16_t unit, high;
    const char *word;
    ct_json_bytes walk;
} ct_call_json;

typedef struct ct_frame {
    uint8_t kind;
    bool has_comma;
    size_t n_items, at; /* at: of its opening bracket in r->arguments */
} ct_frame;

typedef struct ct_call_python {
    uint8_t state, n_digits, n_escape;
    bool in_code, is_printed, is_assigned;
    ct_call_name name, api_name; /* the callee as a whole; what follows default_api. */
    size_t function, n_positional, n_word;
    bool has_keyword, is_due; /* a value must come: behind = or : */
    char word[128];
    char quote;
    bool is_triple, is_raw, is_key;
    uint8_t n_quotes;
    uint32_t value; /* of an escape */
    uint16_t high;
    uint8_t depth;
    ct_frame frames[CT_CALL_MOST_DEPTH];
} ct_call_python;

typedef struct ct_call_function {
    uint8_t state, depth, n_matched;
    bool is_key;
    ct_call_name name;
    size_t function, n_word;
    char word[128];
    ct_frame frames[CT_CALL_MOST_DEPTH];
} ct_call_function;

/* ---- the reader ---- */

typedef enum ct_fence { CT_NO_FENCE, CT_FENCE_OPENING, CT_FENCE_OF_CALLS, CT_FENCE_OF_TEXT } ct_fence;
typedef enum ct_list { CT_NO_LIST, CT_LIST_OPEN, CT_LIST_JSON, CT_LIST_PYTHON } ct_list;

struct carat_call_reader {
    struct ct_function {
        char *name;
        char **parameters;
        size_t n_parameters;
    } * functions; /* [n], sorted by name */
    size_t n;

    uint8_t place;  /* reader.c */
    bool is_line;   /* at the beginning of a line, or of the answer */
    bool has_begun; /* there was more than white space */
    ct_fence fence;
    size_t fence_at;       /* where in held its first line begins */
    size_t n_ticks, n_run; /* of the fence's first line; of backticks in a row */
    uint8_t code_line;     /* reader.c: what the line of a fence of text is */
    ct_list list;
    bool is_wrapped, has_listed, has_separator, is_behind, is_named;
    const char *marker;
    uint8_t place_before; /* the marker */
    size_t n_marker;
    char info[24];
    size_t n_info;
    ct_call_json json;
    ct_call_python python;
    ct_call_function function;

    ct_buf held;      /* bytes that came in since the last ones that came out or were dropped */
    ct_buf arguments; /* of the call */
    bool is_open;     /* the call's beginning has come out */
    size_t n_calls;

    ct_buf out;
    carat_piece *pieces;
    size_t *at; /* where each piece begins in out */
    size_t n_pieces, cap;
    bool is_finished, has_failed;
};

/* Names: reader.c. */
ct_call_name ct_call_name_begin(const carat_call_reader *r);
bool ct_call_name_feed(const carat_call_reader *r, ct_call_name *m, char c); /* false: no function's name goes on so */
size_t ct_call_name_end(const carat_call_reader *r, const ct_call_name *m);  /* its function, or CT_NO_FUNCTION */

/* What comes out: out.c. */
void ct_out_text(carat_call_reader *r, const char *text, size_t len);
void ct_out_held(carat_call_reader *r);                   /* what is held, as text, or as what a broken call was */
void ct_out_begin(carat_call_reader *r, size_t function); /* a call; its arguments follow */
void ct_out_arguments(carat_call_reader *r, size_t from); /* r->arguments from there on */
bool ct_out_end(carat_call_reader *r); /* false: the arguments are no JSON after all; the call is still open */
bool ct_out_whole(carat_call_reader *r, size_t function); /* the same at once; false: nothing came out */
bool ct_out_give(carat_call_reader *r, const carat_piece **pieces, size_t *n, carat_err *err);
void ct_out_clear(carat_call_reader *r);

void ct_call_json_begin(carat_call_reader *r);
ct_call_verdict ct_call_json_feed(carat_call_reader *r, char c);
void ct_call_python_begin(carat_call_reader *r, bool in_code);
void ct_call_python_begin_dict(carat_call_reader *r); /* behind its first brace: not a call, but one's arguments */
ct_call_verdict ct_call_python_feed(carat_call_reader *r,
                                    char c); /* CT_DONE: r->python.function with r->arguments, which are not out */
void ct_call_function_begin(carat_call_reader *r);
ct_call_verdict ct_call_function_feed(carat_call_reader *r, char c); /* the same */

#endif
