/* batch.h - what the parts of `carat run --batch` share.
 *
 *     lines     the input, line by line, whatever is in it            batch_lines.c
 *     out       the output file: what is there already                batch_out.c
 *     ids       the custom_ids that have been met                     batch_ids.c
 *
 * What stands in a line is the protocol's: openai/batch.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_BATCH_H
#define CT_CLI_BATCH_H

#include "base/buf.h"
#include "base/journal.h"
#include "carat.h"
#include "openai/batch.h"

#define BATCH_MAX_LINE ((size_t)64 << 20)

/* From the command line. Settings are those of lines that do not say otherwise. */
typedef struct batch_options {
    const char *in, *out;    /* "-" in: stdin */
    const char *files;       /* the folder whose pictures lines may name; NULL: none */
    int64_t parallel;        /* sessions; 0: 8, or what fits */
    size_t max_tokens;       /* of an answer; 0: not given */
    carat_sampling sampling; /* its seed is that of the whole batch */
    carat_pan_scan pan_scan;
    bool json; /* the summary as an object on stdout */
} batch_options;

/* The whole job; its exit code: 0 every line has its answer, 1 some have not, 130 interrupted. */
int batch_run(const char *model, const batch_options *o);

/* ---- lines ---- */

typedef struct batch_lines { /* zeroed but for fd, name and max */
    int fd;                  /* borrowed */
    const char *name;        /* for messages */
    size_t max;              /* of a line; of a longer one only its beginning is kept */
    ct_buf line;             /* without its newline; has a NUL behind it */
    uint64_t number;         /* of the line, from 1 */
    uint64_t end;            /* bytes of the file that were lines with their newline */
    bool is_long, has_newline;
    bool has_no_memory; /* for the line: nothing of it is kept */
    char *chunk;        /* read ahead: [at, n) */
    size_t at, n;
} batch_lines;

/* The next line, an unfinished last one too. False at the end (err->code is CARAT_OK) and where reading fails. */
bool batch_lines_next(batch_lines *l, carat_err *err);
/* Would it have something at once: bytes, the end, an error? */
bool batch_lines_ready(const batch_lines *l);
void batch_lines_deinit(batch_lines *l);
/* Is there nothing but white space in the line? */
bool batch_line_is_blank(const batch_lines *l);
/* Counts the lines of a regular file that are not blank and looks for a word in it, from where it is read next, and leaves it
 * there. Takes no memory. False: not a regular file, or it cannot be read. */
bool batch_lines_survey(int fd, const char *word, uint64_t *n_lines, bool *has_word);

/* ---- ids ---- */

enum { BATCH_ID_DONE = 1, BATCH_ID_FAILED = 2, BATCH_ID_MET = 4 }; /* in the output; as an error; in the input */

typedef struct batch_ids { /* zero-initialised */
    struct batch_id {
        char *id;
        unsigned flags;
        uint64_t line; /* of the input, where it was met */
    } * v;             /* a hash table of cap places, a power of two */
    size_t n, cap;
} batch_ids;

/* The entry of that id, without flags when it is new. NULL: no memory. Valid until the next call. */
struct batch_id *batch_ids_at(batch_ids *ids, const char *id);
void batch_ids_deinit(batch_ids *ids);

/* ---- out ---- */

/* Opens or creates the file, reads the lines that are there into ids and cuts off one that is torn; a pipe cannot be read back, nor
 * need it be. Errors: CARAT_EIO (another run writes it, too), CARAT_EFORMAT (it holds something else: it is left alone),
 * CARAT_ENOMEM. */
bool batch_out_open(const char *path, batch_ids *ids, ct_journal *out, carat_err *err);

#endif
