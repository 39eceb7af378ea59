/* question.h - what a command asks once: its text, from wherever it comes, and the prompt that is made of it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_QUESTION_H
#define CT_CLI_QUESTION_H

#include "options.h"
#include "pictures.h"

typedef struct cli_question {         /* from options */
    const char *prompt, *file;        /* -p, -f */
    const char *system;               /* NULL: none */
    bool is_raw, has_control, no_bos; /* --raw; with it: --special, --no-bos */
} cli_question;

/* The text from -p, -f, the one argument there may be, or a pipe. The caller frees it. instead: what else the command could
 * be given, for the message where there is nothing. False after a message. */
bool cli_question_text(const cli_command *cmd, const cli_question *q, const cli_list *args, const char *instead,
                       char **text, size_t *len, int *exit_code);

/* Is it put into a chat template? */
bool cli_question_is_chat(const cli_question *q, const carat_engine *e);
/* With the template, or as it stands. */
bool cli_question_prompt(const cli_question *q, const carat_engine *e, const char *text, size_t len,
                         const cli_pictures *pictures, const carat_pan_scan *pan_scan, carat_prompt **out,
                         carat_err *err);
/* What of it counts otherwise than it may look: options without effect, a picture that is only named. without_template: what
 * becomes of the text of a model that has no template, a sentence. */
void cli_question_tell(const cli_question *q, const carat_engine *e, const char *text, const cli_pictures *pictures,
                       const char *without_template);

#endif
