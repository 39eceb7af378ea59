/* carat decide - how likely each of several given answers is.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "decide.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "choices.h"
#include "commands.h"
#include "decisions/policy.h"
#include "engine.h"
#include "json_out.h"
#include "pictures.h"
#include "question.h"
#include "shared_options.h"
#include "show_prompt.h"
#include "signals.h"
#include "term.h"

#define LEVEL_MOST 1000 /* a level's number; as many levels, and one */

static struct {
    cli_question question;
    cli_list choices;
    const char *file, *levels, *lines;
    const char *policy;
    bool yes_no, json, show_prompt;
    int ending; /* carat_ending */
} opt;

/* clang-format off */
static const cli_word endings[] = { { "whole", CARAT_ENDING_WHOLE }, { "open", CARAT_ENDING_OPEN }, { NULL, 0 } };
static const cli_option choice_options[] = {
    { 0, "choice", NULL, CLI_TEXTS, &opt.choices, "A,B,C", "these texts; repeatable" },
    { 0, "choices", NULL, CLI_TEXT, &opt.file, "FILE", "one text a line, commas and all; - is stdin" },
    { 0, "yes-no", NULL, CLI_FLAG, &opt.yes_no, NULL, "Yes and No (for another spelling: --choice)" },
    { 0, "levels", NULL, CLI_TEXT, &opt.levels, "A..B|A,B,C",
      "a scale, lowest first, and its expected value: whole numbers, or texts that count as 1, 2, 3" },
    { 0, "policy", NULL, CLI_TEXT, &opt.policy, "NAME|TEXT",
      "does the image violate it, as ShieldGemma 2 is asked: dangerous, sexual, violence, or a text" },
    { 0, "ending", NULL, CLI_WORD, &opt.ending, NULL,
      "whole: the answer ends with the choice; open: whatever may follow it",
      .otherwise = "whole with a chat template, else open", .words = endings },
};
static const cli_option options[] = {
    { 'p', "prompt", NULL, CLI_TEXT, &opt.question.prompt, "TEXT", "the question; also the second argument, or stdin" },
    CLI_OPTION_FILE(&opt.question.file, "question"),
    CLI_OPTION_SYSTEM(&opt.question.system),
    CLI_OPTION_TEMPLATE(&cli_model_values.chat_template, ""),
    { 0, "raw", NULL, CLI_FLAG, &opt.question.is_raw, NULL, "no chat template: how the text as it is goes on" },
    CLI_OPTION_SPECIAL(&opt.question.has_control, "with --raw: "),
    CLI_OPTION_NO_BOS(&opt.question.no_bos, "with --raw: "),
    { 0, "jsonl", NULL, CLI_TEXT, &opt.lines, "FILE", "decide every line of a file, in order; - is stdin" },
    CLI_OPTION_SHOW_PROMPT(&opt.show_prompt, ""),
    CLI_OPTION_JSON(&opt.json),
};
/* clang-format on */
static const cli_table choice_table = CLI_TABLE("choices (one of them)", choice_options);
static const cli_table table = CLI_TABLE("question and output", options);

/* ---- choices ---- */

/* "1..5" to its ends; false: it is a list. */
static bool is_range(const char *s, int64_t *from, int64_t *to)
{
    char *end;
    *from = strtoll(s, &end, 10);
    if (end == s || strncmp(end, "..", 2) != 0)
        return false;
    s = end + 2;
    *to = strtoll(s, &end, 10);
    return end != s && !*end;
}

static bool check_levels(void)
{
    int64_t from, to;
    if (!is_range(opt.levels, &from, &to)) {
        if (cli_choices_check(&cli_decide, "levels", opt.levels) && strchr(opt.levels, ','))
            return true;
        return false;
    }
    return from >= -LEVEL_MOST && to <= LEVEL_MOST && from < to;
}

static bool check_choices(void)
{
    if (opt.lines && (opt.choices.n || opt.file || opt.yes_no || opt.levels || opt.policy)) {
        cli_usage(&cli_decide, "the lines of --jsonl have their own choices");
        return false;
    }
    if (!opt.lines &&
        (opt.choices.n > 0) + (opt.file != NULL) + opt.yes_no + (opt.levels != NULL) + (opt.policy != NULL) != 1) {
        cli_usage(&cli_decide, "among what? Give one of --choice, --choices, --yes-no, --levels and --policy");
        return false;
    }
    for (size_t i = 0; i < opt.choices.n; i++)
        if (!cli_choices_check(&cli_decide, "choice", opt.choices.v[i]))
            return false;
    if (!opt.levels || check_levels())
        return true;
    cli_usage(&cli_decide,
              "--levels is '%s', expected two whole numbers like 1..5, within %d, or texts with commas between them",
              opt.levels, LEVEL_MOST);
    return false;
}

static bool make_levels(cli_choices *c, decision *d, carat_err *err)
{
    int64_t from, to;
    char text[24];
    d->is_scale = true;
    d->first_level = 1;
    if (!is_range(opt.levels, &from, &to))
        return cli_choices_split(c, opt.levels, err);
    d->first_level = from;
    bool ok = true;
    for (int64_t i = from; ok && i <= to; i++)
        ok = cli_choices_add(c, text, (size_t)snprintf(text, sizeof text, "%" PRId64, i), err);
    return ok;
}

static bool make_choices(cli_choices *c, decision *d, carat_err *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < opt.choices.n; i++)
        ok = cli_choices_split(c, opt.choices.v[i], err);
    if (opt.yes_no || opt.policy)
        ok = cli_choices_split(c, "Yes,No", err);
    if (opt.levels)
        ok = make_levels(c, d, err);
    if (opt.file)
        ok = cli_choices_read(c, opt.file, err) &&
             (c->n > 0 || ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "%s: no choices in it", opt.file));
    d->choices = (const char *const *)c->v;
    d->n = c->n;
    return ok;
}

/* ---- the command ---- */

static int check_usage(const cli_list *args, const char *path)
{
    if (!path)
        return cli_usage(&cli_decide, "which model? (carat pull gemma-3-270m-it fetches a small one)");
    if (!check_choices())
        return CLI_USAGE;
    const cli_question *q = &opt.question;
    if (opt.lines &&
        (args->n || q->prompt || q->file || cli_image_paths.n || q->has_control || q->no_bos || opt.show_prompt))
        return cli_usage(&cli_decide, "--jsonl takes its questions from its lines");
    if (opt.policy && (args->n || q->prompt || q->file || q->system || q->is_raw || q->has_control || q->no_bos ||
                       opt.ending || cli_image_paths.n != 1))
        return cli_usage(&cli_decide, "--policy is asked about one --image, and nothing else");
    if (q->is_raw && cli_model_values.chat_template)
        return cli_usage(&cli_decide, "give either --raw or --chat-template, not both");
    if (opt.file && strcmp(opt.file, "-") == 0 && !q->prompt && !args->n && (!q->file || strcmp(q->file, "-") == 0))
        return cli_usage(&cli_decide, "the question and the choices cannot both come from stdin");
    return CLI_OK;
}

static int failed(const carat_err *err)
{
    return cli_was_interrupted() ? CLI_INTERRUPTED : term_error(err);
}

static void print(const decision *d)
{
    if (!opt.json) {
        decision_show(d);
        return;
    }
    cli_json_print(decision_json(d), JSON_INDENT(isatty(1) ? 2 : 0));
    putchar('\n');
}

static void tell_figures(const decision *d)
{
    size_t n;
    carat_prompt_tokens(d->prompt, &n);
    if (isatty(2) && !opt.json)
        term_note("together %.3g %% of what the model would say; %zu prompt tokens, %.2f s, %d threads, %s",
                  100 * decision_total(d), n, d->seconds, carat_engine_threads(d->engine), carat_engine_isa(d->engine));
}

static bool has_same_tokens(const carat_engine *e, const char *a, const char *b)
{
    const carat_tokenizer *t = carat_engine_tokenizer(e);
    int32_t *x = NULL, *y = NULL;
    size_t n_x, n_y;
    const bool same = carat_tokenizer_encode(t, a, strlen(a), 0, &x, &n_x, NULL) &&
                      carat_tokenizer_encode(t, b, strlen(b), 0, &y, &n_y, NULL) && n_x == n_y &&
                      (n_x == 0 || memcmp(x, y, n_x * sizeof *x) == 0);
    carat_free(x);
    carat_free(y);
    return same;
}

/* A choice that is there twice is named by its text: nobody has counted them. */
static void name_same(const decision *d, carat_err *err)
{
    char one[64], other[64];
    if (err->code != CARAT_EARG || err->at >= d->n)
        return;
    for (size_t i = 0; i < err->at; i++)
        if (has_same_tokens(d->engine, d->choices[i], d->choices[err->at])) {
            ct_fail(err, CARAT_EARG, err->at, "the choices '%s' and '%s' are the same tokens",
                    term_printable(d->choices[i], one, sizeof one),
                    term_printable(d->choices[err->at], other, sizeof other));
            return;
        }
}

/* With the model open. */
static int decide_one(carat_engine *e, decision *d, const char *text, size_t len, const cli_pictures *pictures,
                      const carat_pan_scan *pan_scan)
{
    carat_err err;
    carat_prompt *p;
    d->engine = e;
    d->ending = opt.policy ? CARAT_ENDING_OPEN : (carat_ending)opt.ending;
    if (!opt.policy && !cli_question_is_chat(&opt.question, e))
        len = decision_take_spaces(d, text, len);
    if (!(opt.policy ? ct_policy_prompt(e, opt.policy, pictures->v[0], &p, &err)
                     : cli_question_prompt(&opt.question, e, text, len, pictures, pan_scan, &p, &err)))
        return term_error(&err);
    if (!opt.policy)
        cli_question_tell(&opt.question, e, text, pictures, "the choices are scored as continuations of the text");
    if (opt.show_prompt)
        show_prompt(p, stderr);
    d->prompt = p;
    bool ok = decide(d, &err);
    if (ok) {
        print(d);
        tell_figures(d);
    } else {
        name_same(d, &err);
    }
    decision_free(d);
    carat_prompt_free(p);
    return ok ? CLI_OK : failed(&err);
}

static int run(int argc, char **argv)
{
    cli_list args = { 0 };
    if (!cli_parse(&cli_decide, argc, argv, &args))
        return CLI_USAGE;
    const carat_pan_scan pan_scan = cli_pan_scan();
    const char *path = cli_model_path(&args);
    int code = check_usage(&args, path);
    if (code != CLI_OK)
        return code;
    term_init(cli_model_values.quiet);
    if (opt.lines)
        return decide_all(
            path, &(decide_lines){ opt.lines, opt.question.system, opt.question.is_raw, (carat_ending)opt.ending });
    char *text = NULL;
    size_t len = 0;
    carat_err err;
    carat_engine *e = NULL;
    cli_choices choices = { 0 };
    cli_pictures pictures = { 0 };
    decision d = { 0 };
    if (!opt.policy && !cli_question_text(&cli_decide, &opt.question, &args, "", &text, &len, &code))
        goto done;
    if (!make_choices(&choices, &d, &err) || !cli_pictures_load(&cli_image_paths, &pictures, &err)) {
        code = term_error(&err);
        goto done;
    }
    if (!cli_open_engine_once(path, pictures.n > 0, &e, &code))
        goto done;
    cli_signals(CLI_SIGNALS_NOTED);
    code = decide_one(e, &d, text, len, &pictures, &pan_scan);
done:
    cli_choices_deinit(&choices);
    cli_pictures_free(&pictures);
    free(text);
    carat_engine_close(e);
    return code;
}

const cli_command cli_decide = {
    .name = "decide",
    .usage = "MODEL [QUESTION] --choice A,B,C [options]",
    .summary = "how likely each of several given answers is",
    .text =
        "Computes the probability of each of several given answers, exactly and without generating any: a choice, yes\n"
        "or no, a level of a scale. Shares add up to 100 %; the logarithm is of the probability among all that the\n"
        "model could say. Temperature and other sampling settings have no part in it. The figures are the model's "
        "own:\n"
        "they are not calibrated.\n\n"
        "  carat decide gemma-3-4b-it.gguf -f mail.txt --choice invoice,order,complaint\n"
        "  carat decide gemma-3-4b-it.gguf --image cat.jpg \"Is there a cat?\" --yes-no\n"
        "  carat decide gemma-3-4b-it.gguf \"How friendly is this? 'Get out.'\" --levels 1..5 --json\n"
        "  carat decide shieldgemma-2-4b-it/ --image photo.jpg --policy violence\n"
        "  carat decide gemma-3-1b-pt/ \"The capital of France is\" --choice \" Paris, Rome\"\n\n"
        "With a chat template a choice is a whole answer: that the model ends its turn there counts. Without one it "
        "is\n"
        "open what follows (--ending). Choices are taken as they stand, names of control tokens as text; in a bare "
        "text\n"
        "a word has its space in front, and spaces at the end of the prompt are moved to every choice.\n\n"
        "--jsonl takes lines {\"prompt\": TEXT, \"choices\": [TEXT, ...]}, or \"messages\": [{\"role\", \"content\"}] "
        "in\n"
        "place of the prompt, \"levels\": [TEXT, ...] in place of the choices; \"ending\" and \"id\" may be given. "
        "Each\n"
        "gets a line of what --json prints, in order, with its \"id\"; one that cannot be decided gets \"error\" and\n"
        "makes the exit code 1.",
    .tables = { &choice_table, &table, &cli_pictures_table, &cli_model_table, &cli_loading_table },
    .run = run,
};
