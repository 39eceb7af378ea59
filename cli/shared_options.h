/* shared_options.h - rows of options that stand in several commands' tables: `to` is where the value goes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CLI_SHARED_OPTIONS_H
#define CT_CLI_SHARED_OPTIONS_H

#include "options.h"

#define CLI_OPTION_MODEL(to)                                                                                           \
    {                                                                                                                  \
        'm', "model", NULL, CLI_TEXT, to, "PATH", "GGUF file or Hugging Face folder; also the first argument", 0, 0    \
    }
#define CLI_OPTION_QUIET(to)                                                                                           \
    {                                                                                                                  \
        'q', "quiet", NULL, CLI_FLAG, to, NULL, "no notices, no progress, only errors", 0, 0                           \
    }
#define CLI_OPTION_JSON(to)                                                                                            \
    {                                                                                                                  \
        0, "json", NULL, CLI_FLAG, to, NULL, "print one JSON object instead of text", 0, 0                             \
    }
#define CLI_OPTION_FILE(to, what)                                                                                      \
    {                                                                                                                  \
        'f', "file", NULL, CLI_TEXT, to, "FILE", "read the " what " from a file; - is stdin", 0, 0                     \
    }
#define CLI_OPTION_SYSTEM(to)                                                                                          \
    {                                                                                                                  \
        0, "system", NULL, CLI_TEXT, to, "TEXT", "system text, before all else (instruction-tuned models)", 0, 0       \
    }
/* when: "" or the condition under which it counts */
#define CLI_OPTION_SPECIAL(to, when)                                                                                   \
    {                                                                                                                  \
        0, "special", NULL, CLI_FLAG, to, NULL, when "control tokens in the text count as such", 0, 0                  \
    }
#define CLI_OPTION_NO_BOS(to, when)                                                                                    \
    {                                                                                                                  \
        0, "no-bos", NULL, CLI_FLAG, to, NULL, when "no <bos> in front", 0, 0                                          \
    }
/* also: what there is to say of the default */
#define CLI_OPTION_PREDICT(to, also)                                                                                   \
    {                                                                                                                  \
        'n', "predict", "n-predict", CLI_INT, to, "N",                                                                 \
            "most tokens of the answer; -1: until the model stops (default: -1" also ")", -1, 1 << 24                  \
    }

#define CLI_OPTION_LEAST(to)                                                                                           \
    {                                                                                                                  \
        0, "min-tokens", NULL, CLI_INT, to, "N",                                                                       \
            "least tokens of the answer: before so many the model cannot end it (default: 0)", 0, 1 << 24              \
    }

#endif
