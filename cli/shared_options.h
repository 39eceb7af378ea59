/* shared_options.h - rows of options that stand in several commands' tables: `to` is where the value goes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_SHARED_OPTIONS_H
#define CT_CLI_SHARED_OPTIONS_H

#include "options.h"

/* clang-format off */
#define CLI_OPTION_MODEL(to) \
    { 'm', "model", NULL, CLI_TEXT, to, "PATH", "GGUF file, Hugging Face folder, or the name of a pulled model; also the first argument" }
#define CLI_OPTION_QUIET(to) \
    { 'q', "quiet", NULL, CLI_FLAG, to, NULL, "only errors and what is answered otherwise than asked: no other notices, no progress" }
#define CLI_OPTION_JSON(to) \
    { 0, "json", NULL, CLI_FLAG, to, NULL, "print one JSON object instead of text" }
#define CLI_OPTION_FILE(to, what) \
    { 'f', "file", NULL, CLI_TEXT, to, "FILE", "read the " what " from a file; - is stdin" }
#define CLI_OPTION_SYSTEM(to) \
    { 0, "system", NULL, CLI_TEXT, to, "TEXT", "system text, in front of the conversation (instruction-tuned models)" }
/* of: "" or whose it is, where there may be several models */
#define CLI_OPTION_TEMPLATE(to, of) \
    { 0, "chat-template", NULL, CLI_TEXT, to, "NAME|FILE", \
      of "how messages become a prompt: gemma, chatml, functiongemma, translategemma or none, or a file with a Jinja template " \
      "of one of these", .otherwise = "the model's own" }
#define CLI_OPTION_SHOW_PROMPT(to, what) \
    { 0, "show-prompt", NULL, CLI_FLAG, to, NULL, "show on stderr what the model is given" what ", and what was mended of the messages" }
/* when: "" or the condition under which it counts */
#define CLI_OPTION_PLAIN(to) \
    { 0, "plain", NULL, CLI_FLAG, to, NULL, \
      "show the answer at a terminal as the model writes it: no lines broken between words, no Markdown" }
#define CLI_OPTION_SPECIAL(to, when) \
    { 0, "special", NULL, CLI_FLAG, to, NULL, when "names of control tokens in the text become these tokens" }
#define CLI_OPTION_NO_BOS(to, when) \
    { 0, "no-bos", NULL, CLI_FLAG, to, NULL, when "do not put <bos> in front" }
#define CLI_OPTION_PREDICT(to, otherwise_) \
    { 'n', "predict", "n-predict", CLI_INT, to, "N", "most tokens of the answer; -1: until the model stops", \
      .deflt = "-1", .otherwise = otherwise_, .min = -1, .max = 1 << 24 }
#define CLI_OPTION_LEAST(to) \
    { 0, "min-tokens", NULL, CLI_INT, to, "N", "least tokens of the answer: the model cannot end it earlier", \
      .deflt = "0", .max = 1 << 24 }
/* clang-format on */

#endif
