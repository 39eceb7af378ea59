/* fuzz_items.c - official files to items, and answers judged by them: rows of every task, BFCL's and MMMU's, IFEval's arguments, formulas, pairs
 * of sentences. The first byte is the task; then the file, after 0x1e the answer, after another BFCL's possible answers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "eval/answer.h"
#include "eval/calls.h"
#include "eval/formulas.h"
#include "eval/ifeval.h"
#include "eval/mmmu.h"
#include "eval/pairs.h"
#include "fuzz.h"

/* Where the file goes, by its task: readers tell layouts by names. "pairs" is none of task.h. */
static const struct {
    const char *task, *file;
} kinds[] = {
    { "hellaswag", "a.jsonl" },
    { "winogrande", "a.jsonl" },
    { "arc", "a.jsonl" },
    { "mmlu", "a_test.csv" },
    { "truthfulqa", "a.json" },
    { "truthfulqa-mc2", "a.csv" },
    { "bigbench", "task.json" },
    { "bigbench-text", "task.json" },
    { "gsm8k", "a.jsonl" },
    { "math", "a.jsonl" },
    { "math", "a.json" },
    { "mmlu-pro", "a.jsonl" },
    { "gpqa", "a.csv" },
    { "bbh", "a.json" },
    { "humaneval", "a.jsonl" },
    { "ifeval", "a.jsonl" },
    { "bfcl", "BFCL_v4_multiple.json" },
    { "bfcl", "BFCL_v4_irrelevance.json" },
    { "docvqa", "a.json" },
    { "chartqa", "a.json" },
    { "textvqa", "a.json" },
    { "ai2d", "a.jsonl" },
    { "mmmu", "a.jsonl" },
    { "pairs", "a.jsonl" },
    { "pairs", "a.csv" },
};
#define N_KINDS (sizeof kinds / sizeof *kinds)

static char folder[] = "/tmp/carat-fuzz-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void clean_up(void)
{
    for (size_t k = 0; k < N_KINDS; k++)
        unlink(path_of(kinds[k].file));
    unlink(path_of("p.png"));
    unlink(path_of("p.jpg"));
    unlink(path_of("possible_answer/BFCL_v4_multiple.json"));
    rmdir(path_of("possible_answer"));
    rmdir(folder);
}

static void put(const char *name, const char *text, size_t len)
{
    FILE *f = fopen(path_of(name), "w");
    FUZZ_MUST(f && fwrite(text, 1, len, f) == len && fclose(f) == 0);
}

/* ---- judging ---- */

static void is_share(double score)
{
    FUZZ_MUST(score >= 0 && score <= 1);
}

static void judge(const ct_eval_task *t, size_t nth, const char *answer)
{
    const ct_eval_item *item = &t->items[nth];
    const char *compare = ct_eval_text_of(t->about, "compare", "exact"), *how = NULL;
    char *said = NULL;
    carat_err err = { 0 };
    double score = 0;
    json_t *calls = NULL;
    if (item->functions) {
        if (ct_json_parse("calls", answer, strlen(answer), &calls, &err))
            is_share(ct_eval_calls_right(item->calls, calls, &how));
        json_decref(calls);
    } else if (item->rules) {
        json_t *rules = ct_eval_ifeval_judge(item, answer);
        ct_eval_ifeval sum = { .not_judged = json_object() };
        FUZZ_MUST(rules && ct_eval_ifeval_add(&sum, rules));
        json_decref(sum.not_judged);
        json_decref(rules);
    } else if (strcmp(compare, "mmmu") == 0) {
        FUZZ_MUST(ct_eval_mmmu_judge(item, answer, 1, nth, &said, &score, &how, &err));
        is_share(score);
    } else {
        if (strcmp(compare, "math") == 0)
            said = ct_eval_math_said(answer);
        else
            FUZZ_MUST(ct_eval_extract(json_object_get(t->about, "extract"), answer, &said, &err));
        if (!item->program)
            is_share(ct_eval_compare(compare, said, item->targets));
    }
    free(said);
}

static void use_item(const ct_eval_task *t, size_t i, const char *answer)
{
    const ct_eval_item *item = &t->items[i];
    carat_err err = { 0 };
    FUZZ_MUST(item->n_contexts && item->group < t->n_groups);
    for (size_t k = 0; k < item->n_contexts; k++) {
        char *text = ct_eval_task_text(t, item, item->contexts[k], &err);
        FUZZ_MUST(text);
        free(text);
    }
    for (size_t k = 0; k < item->n; k++)
        fuzz_touch(item->choices[k], strlen(item->choices[k]));
    FUZZ_MUST(t->is_generated || (item->n >= 2 && item->answer < item->n && item->right[item->answer]));
    for (size_t k = 0; k < item->n_pictures; k++)
        FUZZ_MUST(item->pictures[k].at <= strlen(item->contexts[0]));
    if (t->is_generated)
        judge(t, i, answer);
}

static void use_task(const char *name, const char *path, const char *answer)
{
    ct_eval_task t;
    carat_err err = { 0 };
    const ct_eval_source source = { .data = path };
    if (!ct_eval_task_open(&t, name, &source, &err)) {
        FUZZ_MUST(err.code != CARAT_OK && err.msg[0]);
        return;
    }
    for (size_t i = 0; i < t.n && i < 64; i++)
        use_item(&t, i, answer);
    ct_eval_task_close(&t);
}

static void use_pairs(const char *path)
{
    ct_eval_pairs p;
    carat_err err = { 0 };
    if (!ct_eval_pairs_read(&p, path, 0, &err)) {
        FUZZ_MUST(err.code != CARAT_OK && err.msg[0]);
        return;
    }
    for (size_t i = 0; i < p.n; i++)
        FUZZ_MUST(isfinite(p.list[i].score) && p.list[i].sentences[0] && p.list[i].sentences[1]);
    ct_eval_pairs_free(&p);
}

/* Texts of any kind: none makes them fail. */
static void use_texts(const char *text)
{
    char *const normal[] = { ct_eval_math_minerva(text), ct_eval_math_hendrycks(text), ct_eval_math_boxed(text) };
    FUZZ_MUST(normal[0] && normal[1]);
    for (size_t i = 0; i < 3; i++)
        free(normal[i]);
    json_decref(ct_eval_python_list(text));
    ct_eval_is_python_json(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_ready;
    if (!is_ready) {
        FUZZ_MUST(mkdtemp(folder) && mkdir(path_of("possible_answer"), 0700) == 0 && atexit(clean_up) == 0);
        put("p.png", "", 0); /* pictures that are looked for, and not read */
        put("p.jpg", "", 0);
        is_ready = true;
    }
    if (!size)
        return 0;
    const size_t kind = data[0] % N_KINDS;
    char *text = malloc(size);
    FUZZ_MUST(text);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    char *answer = memchr(text, 0x1e, size - 1), *truth = answer ? strchr(answer + 1, 0x1e) : NULL;
    put(kinds[kind].file, text, answer ? (size_t)(answer - text) : size - 1);
    if (answer)
        *answer++ = '\0';
    if (truth)
        *truth++ = '\0';
    put("possible_answer/BFCL_v4_multiple.json", truth ? truth : "", truth ? strlen(truth) : 0);
    if (strcmp(kinds[kind].task, "pairs") == 0)
        use_pairs(path_of(kinds[kind].file));
    else
        use_task(kinds[kind].task, path_of(kinds[kind].file), answer ? answer : "");
    if (answer)
        use_texts(answer);
    free(text);
    return 0;
}
