/* batch.h - what the parts of `carat run --batch` share.
 *
 *     lines     the input, line by line, whatever is in it            batch_lines.c
 *     ask       a line of it -> a request for the engine              batch_ask.c, its prompt: batch_prompt.c
 *     reply     the engine's events -> a line of output               batch_reply.c
 *     out       the output file: what is there already, what is added batch_out.c
 *     ids       the custom_ids that have been met                     batch_ids.c
 *
 * The lines are those of OpenAI's Batch API: https://platform.openai.com/docs/api-reference/batch
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_BATCH_H
#define CT_CLI_BATCH_H

#include "base/buf.h"
#include "base/json.h"
#include "carat.h"
#include "options.h"

#define BATCH_MAX_LINE    ((size_t)64 << 20)
#define BATCH_MAX_ANSWERS 16

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
int batch_run(const cli_command *cmd, const char *model, const batch_options *o);

/* ---- lines ---- */

typedef struct batch_lines { /* zeroed but for fd, name and max */
    int fd;                  /* borrowed */
    const char *name;        /* for messages */
    size_t max;              /* of a line; of a longer one only its beginning is kept */
    ct_buf line;             /* without its newline; has a NUL behind it */
    uint64_t number;         /* of the line, from 1 */
    uint64_t end;            /* bytes of the file that were lines with their newline */
    bool is_long, has_newline;
    char *chunk; /* read ahead: [at, n) */
    size_t at, n;
} batch_lines;

/* The next line, an unfinished last one too. False at the end (err->code is CARAT_OK) and where reading fails. */
bool batch_lines_next(batch_lines *l, carat_err *err);
/* Would it have something at once: bytes, the end, an error? Waits for it at most so many seconds or until a signal. */
bool batch_lines_ready(const batch_lines *l, double seconds);
void batch_lines_deinit(batch_lines *l);
/* Is there nothing but white space in the line? */
bool batch_line_is_blank(const batch_lines *l);
/* Counts the lines of a regular file that are not blank and looks for a word in it; the file is at its beginning
 * again. False: not a regular file, or it cannot be read. */
bool batch_lines_survey(int fd, const char *word, uint64_t *n_lines, bool *has_word);

/* ---- ids ---- */

enum { BATCH_ID_DONE = 1, BATCH_ID_FAILED = 2, BATCH_ID_MET = 4 }; /* in the output; as an error; in the input */

typedef struct batch_ids { /* zero-initialised */
    struct batch_id {
        char *id;
        unsigned flags;
    } * v; /* a hash table of cap places, a power of two */
    size_t n, cap;
} batch_ids;

/* Where the flags of that id are, 0 when it is new. NULL: no memory. Valid until the next call. */
unsigned *batch_ids_at(batch_ids *ids, const char *id);
void batch_ids_deinit(batch_ids *ids);

/* ---- ask ---- */

/* Why a line has no answer. */
typedef struct batch_fault {
    int status;       /* as a server would have answered; 0: no request, so no answer */
    const char *code; /* OpenAI's word; static */
    char param[64];   /* the field, or "" */
    carat_err err;
} batch_fault;

/* Fills all of it; false, always. */
bool batch_refuse(batch_fault *f, int status, const char *code, const char *param, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* The same, the message being in f->err already; status and code follow from its code. */
bool batch_refuse_err(batch_fault *f, const char *param);

typedef struct batch_ask { /* zero-initialised */
    json_t *line;          /* owns the texts that others borrow */
    const char *custom_id;
    bool is_chat;
    bool has_logprobs; /* of each token, and of generation.n_top others */
    carat_prompt *prompt;
    carat_bias *bias;
    const char **stops;
    carat_request_options request;
} batch_ask;

/* Line to JSON and custom_id. */
bool batch_ask_parse(batch_ask *a, const char *line, size_t len, batch_fault *f);
/* All the rest of it. n_sessions: the most answers a line may ask for. */
bool batch_ask_fill(batch_ask *a, carat_engine *e, const batch_options *o, size_t n_sessions, batch_fault *f);
void batch_ask_deinit(batch_ask *a);

/* From messages (chat) or prompt (completions) of the body. */
bool batch_prompt_chat(const json_t *body, const carat_engine *e, const batch_options *o, carat_prompt **out,
                       batch_fault *f);
bool batch_prompt_text(const json_t *body, const carat_engine *e, carat_prompt **out, batch_fault *f);

/* ---- reply ---- */

typedef struct batch_answer {
    ct_buf text;
    size_t n_chars;   /* of text */
    json_t *logprobs; /* NULL: not asked for */
    carat_result result;
} batch_answer;

typedef struct batch_reply { /* zero-initialised */
    batch_answer *v;         /* [n] */
    size_t n;
    bool has_failed; /* the fault says why */
    batch_fault fault;
} batch_reply;

/* False: no memory. */
bool batch_reply_init(batch_reply *r, const batch_ask *a);
void batch_reply_deinit(batch_reply *r);
/* TOKEN, ANSWER or FAILED; err is what carat_request_next filled. */
void batch_reply_hear(batch_reply *r, const batch_ask *a, const carat_tokenizer *tok, const carat_event *event,
                      const carat_err *err);
/* Lines of output, with their newline, the caller's; NULL: no memory. */
char *batch_reply_line(const batch_reply *r, const batch_ask *a, const char *model, size_t n_prompt, size_t n_cached);
char *batch_fault_line(const char *custom_id, const batch_fault *f);

/* ---- out ---- */

typedef struct batch_out {
    int fd;
    const char *path;
    bool is_file;   /* a regular one: has been read, is locked */
    uint64_t end;   /* of its last whole line */
    double flushed; /* when it was last made sure to be on the disk */
} batch_out;

/* Opens or creates the file, reads the lines that are there into ids and cuts off one that is torn. Errors: CARAT_EIO
 * (another run writes it, too), CARAT_EFORMAT (it holds something else: it is left alone), CARAT_ENOMEM. */
bool batch_out_open(const char *path, batch_ids *ids, batch_out *out, carat_err *err);
/* Appends a line, whole or not at all. */
bool batch_out_add(batch_out *out, const char *line, carat_err *err);
bool batch_out_close(batch_out *out, carat_err *err);

#endif
