/* embed.h - what the parts of `carat embed` share.
 *
 *     texts   where they come from: the command line, lines of a file   embed_texts.c
 *     out     where vectors go: JSON lines, .npy, .f32                  embed_out.c
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_EMBED_H
#define CT_CLI_EMBED_H

#include "base/new_file.h"
#include "batch.h"
#include "options.h"

/* ---- texts ---- */

typedef struct embed_texts {
    const cli_list *args; /* the texts themselves; NULL: lines */
    batch_lines lines;
    bool is_json;       /* lines {"text": TEXT}, with a "title" and an "id" if they have one; else a text a line */
    uint64_t n, n_of;   /* given so far; of how many, 0: not known */
    char left_out[128]; /* names of other fields that were met; "" */
    json_t *line;       /* that the latest text is of */
} embed_texts;

typedef struct embed_text { /* borrowed until the next one */
    const char *text, *title;
    size_t len;
    const json_t *id; /* NULL: none */
    uint64_t number;  /* of its line, or its place, from 1 */
} embed_text;

/* Lines of a file; "-" is stdin. Errors: CARAT_EIO. */
bool embed_texts_open(embed_texts *t, const char *path, bool is_json, carat_err *err);
/* False at the end (err->code is CARAT_OK) and on an error, which names the line: CARAT_EIO, CARAT_EFORMAT, CARAT_ELIMIT,
 * CARAT_ENOMEM. */
bool embed_texts_next(embed_texts *t, embed_text *to, carat_err *err);
/* Is there something at once: a text, the end, an error? */
bool embed_texts_ready(const embed_texts *t);
void embed_texts_close(embed_texts *t);

/* ---- vectors ---- */

typedef enum embed_form { EMBED_JSONL, EMBED_NPY, EMBED_F32 } embed_form;

typedef struct embed_out {
    embed_form form;
    ct_new_file file; /* appears when it is whole */
    FILE *f;          /* its stream, or stdout */
    ct_buf line;
    uint64_t n;    /* rows */
    size_t n_dims; /* of each; 0: there is none yet */
} embed_out;

/* path: its ending says the form; NULL: stdout, as JSON lines. Errors: CARAT_EARG (another ending), CARAT_EIO, CARAT_ENOMEM. */
bool embed_out_open(embed_out *o, const char *path, carat_err *err);
bool embed_out_row(embed_out *o, const json_t *id, const float *v, size_t n, carat_err *err);
/* What was written to stdout can be read. */
bool embed_out_flush(embed_out *o, carat_err *err);
/* All rows are there: the file gets its name. */
bool embed_out_finish(embed_out *o, carat_err *err);
void embed_out_close(embed_out *o); /* nothing of a file that was not finished stays */

#endif
