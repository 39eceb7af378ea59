/* The list of tasks. A new one: its file in tasks/, its name in meson.build and here.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/tasks.h"

/* The name on the command line, that of the file. */
#define TASKS(T)                                                                                                       \
    T("hellaswag", hellaswag)                                                                                          \
    T("winogrande", winogrande)                                                                                        \
    T("arc", arc)                                                                                                      \
    T("mmlu", mmlu)                                                                                                    \
    T("truthfulqa", truthfulqa)                                                                                        \
    T("truthfulqa-mc2", truthfulqa_mc2)                                                                                \
    T("bigbench", bigbench)                                                                                            \
    T("bigbench-text", bigbench_text)                                                                                  \
    T("bbh", bbh)                                                                                                      \
    T("gsm8k", gsm8k)                                                                                                  \
    T("math", math)                                                                                                    \
    T("mmlu-pro", mmlu_pro)                                                                                            \
    T("gpqa", gpqa)                                                                                                    \
    T("humaneval", humaneval)                                                                                          \
    T("ifeval", ifeval)                                                                                                \
    T("bfcl", bfcl)                                                                                                    \
    T("docvqa", docvqa)                                                                                                \
    T("chartqa", chartqa)                                                                                              \
    T("textvqa", textvqa)                                                                                              \
    T("ai2d", ai2d)                                                                                                    \
    T("mmmu", mmmu)                                                                                                    \
    T("niah", niah)                                                                                                    \
    T("ruler", ruler)

#define DECLARE(name, file)                                                                                            \
    extern char ct_eval_##file[];                                                                                      \
    extern const size_t ct_eval_##file##_len;
TASKS(DECLARE)

#define ROW(name, file) { name, ct_eval_##file, &ct_eval_##file##_len },
const ct_eval_description ct_eval_descriptions[] = { TASKS(ROW) };
const size_t ct_eval_n_descriptions = sizeof ct_eval_descriptions / sizeof *ct_eval_descriptions;
