/* Questions: where their text comes from, and what it becomes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "question.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "engine.h"
#include "input.h"
#include "picture_names.h"
#include "term.h"

bool cli_question_text(const cli_command *cmd, const cli_question *q, const cli_list *args, const char *instead,
                       char **text, size_t *len, int *exit_code)
{
    carat_err err;
    if (q->prompt && q->file) {
        *exit_code = cli_usage(cmd, "give either -p or -f, not both");
        return false;
    }
    if (args->n > (q->prompt || q->file ? 0u : 1u)) {
        *exit_code = cli_usage(cmd, "unexpected argument '%s'", args->v[args->n - 1]);
        return false;
    }
    const char *given = q->prompt ? q->prompt : args->n ? args->v[0] : NULL;
    if (given) {
        *len = strlen(given);
        *text = strdup(given);
        if (*text)
            return true;
        ct_fail(&err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the prompt");
        *exit_code = term_error(&err);
        return false;
    }
    if (!q->file && isatty(0)) {
        *exit_code = cli_usage(cmd, "no prompt: give -p TEXT, -f FILE or a pipe%s", instead);
        return false;
    }
    if (cli_read_prompt(q->file ? q->file : "-", text, len, &err))
        return true;
    *exit_code = term_error(&err);
    return false;
}

bool cli_question_is_chat(const cli_question *q, const carat_engine *e)
{
    return carat_engine_info(e)->is_instruction_tuned && !q->is_raw;
}

static bool chat_prompt(const cli_question *q, const carat_engine *e, const carat_content *content, size_t n,
                        bool is_inline, const carat_prompt_options *o, carat_prompt **out, carat_err *err)
{
    const carat_message m[2] = {
        { .struct_size = sizeof(carat_message), .role = "system", .text = q->system ? q->system : "" },
        { .struct_size = sizeof(carat_message),
          .role = "user",
          .content = content,
          .n_content = n,
          .is_inline = is_inline }
    };
    return carat_prompt_chat(e, q->system ? m : m + 1, q->system ? 2 : 1, o, out, err);
}

bool cli_question_prompt(const cli_question *q, const carat_engine *e, const char *text, size_t len,
                         const cli_pictures *pictures, const carat_pan_scan *pan_scan, carat_prompt **out,
                         carat_err *err)
{
    const carat_prompt_options o = {
        .struct_size = sizeof o, .pan_scan = pan_scan, .omits_bos = q->no_bos, .has_control = q->has_control
    };
    carat_content *content;
    size_t n;
    bool is_inline;
    bool ok = cli_place_pictures(text, len, (const carat_picture *const *)pictures->v, pictures->n, &content, &n,
                                 &is_inline, err) &&
              (cli_question_is_chat(q, e) ? chat_prompt(q, e, content, n, is_inline, &o, out, err)
                                          : carat_prompt_text(e, content, n, &o, out, err));
    free(content);
    if (!ok)
        return false;
    carat_prompt_tokens(*out, &n);
    if (n > 0)
        return true;
    carat_prompt_free(*out);
    *out = NULL;
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "the prompt is empty and has no <bos>: nothing to continue");
}

#define MAX_LOOKED_AT 256 /* names: a longer list is a text about files */

/* A picture that is only named is not seen here, as it would be in a chat. */
static void tell_named_picture(const char *text)
{
    picture_name p;
    char name[128];
    size_t at = 0;
    for (int i = 0; i < MAX_LOOKED_AT && picture_name_next(text, at, &p); i++, at = p.to)
        if (p.kind == PICTURE_FILE) {
            term_tell("(%s is sent as text: --image gives pictures)", term_printable(p.path, name, sizeof name));
            return;
        }
}

void cli_question_tell(const cli_question *q, const carat_engine *e, const char *text, const cli_pictures *pictures,
                       const char *without_template)
{
    const bool has_template = carat_engine_info(e)->is_instruction_tuned;
    if (!q->is_raw && !cli_model_values.chat_template && !has_template)
        term_note("This model has no chat template: %s. If it is instruction-tuned, give --chat-template gemma.",
                  without_template);
    if (q->system && (q->is_raw || !has_template))
        term_tell("--system is ignored: %s", q->is_raw ? "--raw has no template" : "there is no chat template");
    if (!q->is_raw && has_template && (q->has_control || q->no_bos))
        term_tell("%s ignored: the chat template decides; --raw has none", !q->no_bos ? "--special is"
                                                                           : !q->has_control
                                                                               ? "--no-bos is"
                                                                               : "--special and --no-bos are");
    if (!pictures->n)
        tell_named_picture(text);
}
