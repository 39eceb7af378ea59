/* carat eval - what a model scores: how well it foresees a text, which of given answers it finds likeliest, what it answers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval.h"

#include <string.h>

#include "commands.h"
#include "engine.h"
#include "pictures.h"
#include "shared_options.h"
#include "term.h"

#define opt eval_opt

/* clang-format off */
static const cli_word protocols[] = { { "sliding", CT_EVAL_SLIDING }, { "llama.cpp", CT_EVAL_LLAMA_CPP }, { NULL, 0 } };
static const cli_option text_options[] = {
    { 0, "text", NULL, CLI_TEXT, &opt.text, "FILE", "the text; - is stdin" },
    { 0, "protocol", NULL, CLI_WORD, &opt.protocol, NULL,
      "how the text is cut and what counts: windows that overlap, in which every token counts once; or llama-perplexity's",
      .deflt = "sliding", .words = protocols },
    { 0, "reference", NULL, CLI_TEXT, &opt.reference, "FILE", "what the model is compared with (kl); the text is in it" },
    { 0, "save-reference", NULL, CLI_TEXT, &opt.save_reference, "FILE",
      "write what this model foresees, for others to be compared with (kl); one that was begun is written on" },
    { 0, "window", NULL, CLI_INT, &opt.window, "N", "tokens of a window, <bos> included",
      .otherwise = "2048; 512 with llama.cpp", .min = 8, .max = 1 << 20 },
    { 0, "stride", NULL, CLI_INT, &opt.stride, "N", "how many tokens later the next window begins", .otherwise = "half a window",
      .min = 1, .max = 1 << 20 },
};
static const cli_word forms[] = { { "auto", EVAL_FORM_AUTO }, { "chat", EVAL_FORM_CHAT }, { "bare", EVAL_FORM_BARE }, { NULL, 0 } };
static const cli_option task_options[] = {
    { 0, "data", NULL, CLI_TEXT, &opt.data, "FILE", "the official file of items, as its authors give it out, or a folder of such files" },
    { 0, "shots", NULL, CLI_INT, &opt.shots, "N", "solved examples in front of every question", .deflt = "0", .max = 1024 },
    { 0, "shots-data", NULL, CLI_TEXT, &opt.shots_data, "FILE", "where these come from: the training or development file, or a folder of such files" },
    { 0, "seed", NULL, CLI_INT, &opt.seed, "N", "which of them, the same for all questions; also what else is drawn: the order of choices, texts that "
      "are made up", .otherwise = "the file's first ones", .min = 1, .max = 1 << 30 },
    { 0, "images", NULL, CLI_TEXT, &opt.images, "FOLDER", "where the pictures are (docvqa, chartqa, textvqa, ai2d, mmmu)",
      .otherwise = "the folder of --data" },
    { 0, "length", NULL, CLI_INT, &opt.length, "N", "tokens of a text that is made up (niah, ruler)", .min = 256, .max = 1 << 20 },
    { 0, "form", NULL, CLI_WORD, &opt.form, NULL,
      "how a generated answer is asked for: as a user's message by the model's template, or as bare text; auto: a chat of tuned models",
      .deflt = "auto", .words = forms },
    { 0, "url", NULL, CLI_TEXT, &opt.url, "URL", "ask a server of OpenAI's protocol, http://HOST:PORT/v1, instead of a model here; MODEL is its name there" },
    { 0, "timeout", NULL, CLI_INT, &opt.timeout, "SECONDS", "how long a server may take for an answer, which comes as a whole (--url)",
      .otherwise = "600", .min = 1, .max = 86400 },
    { 0, "tokenizer", NULL, CLI_TEXT, &opt.tokenizer, "MODEL", "whose tokens --length counts where a server is asked" },
};
static const cli_option options[] = {
    { 'o', "output", NULL, CLI_TEXT, &opt.out, "FILE",
      "write what was found as lines of JSON, and go on from what is there: the same command resumes a run that was stopped" },
    { 0, "limit", NULL, CLI_INT, &opt.limit, "N", "only the first N windows or items", .otherwise = "all", .min = 1, .max = 1 << 30 },
    CLI_OPTION_JSON(&opt.json),
};
/* clang-format on */
static const cli_table text_table = CLI_TABLE("text (perplexity, kl)", text_options);
static const cli_table task_table = CLI_TABLE("items (all others)", task_options);
static const cli_table table = CLI_TABLE("run and output", options);

static bool is_task(const char *name)
{
    const char *known;
    for (size_t i = 0; (known = ct_eval_task_name(i)); i++)
        if (strcmp(known, name) == 0)
            return true;
    return false;
}

static int run(int argc, char **argv)
{
    cli_list args = { 0 };
    char name[64];
    if (!cli_parse(&cli_eval, argc, argv, &args))
        return CLI_USAGE;
    const char *what = args.n ? args.v[0] : "";
    const bool is_card = strcmp(what, "card") == 0, is_kl = strcmp(what, "kl") == 0,
               is_pairs = strcmp(what, "mteb-sts") == 0, is_text = is_kl || strcmp(what, "perplexity") == 0;
    if (!args.n)
        return cli_usage(&cli_eval, "evaluate what? (carat eval perplexity MODEL --text FILE)");
    if (!is_text && !is_card && !is_pairs && !is_task(what))
        return cli_usage(&cli_eval, "unknown evaluation '%s'", term_printable(what, name, sizeof name));
    memmove(args.v, args.v + 1, --args.n * sizeof *args.v);
    if (is_card && (eval_has_items() || opt.out || opt.limit || opt.text || opt.window || opt.stride || opt.protocol ||
                    opt.reference || opt.save_reference))
        return cli_usage(&cli_eval, "card takes results (FILES) and --json");
    if (is_card)
        return args.n ? eval_card(args.v, args.n) : cli_usage(&cli_eval, "which results? (carat eval card FILES)");
    const char *model = cli_model_path(&args);
    if (!model || args.n)
        return cli_usage(&cli_eval, model ? "more than one model" : "which model?");
    if (cli_is_stream(&cli_eval, "output", opt.out) || cli_is_stream(&cli_eval, "reference", opt.reference) ||
        cli_is_stream(&cli_eval, "save-reference", opt.save_reference))
        return CLI_USAGE;
    if (!is_kl && (opt.reference || opt.save_reference))
        return cli_usage(&cli_eval, "--reference and --save-reference are for kl");
    const char *wrong = is_kl      ? eval_wrong_kl()
                        : is_text  ? eval_wrong_perplexity()
                        : is_pairs ? eval_wrong_pairs()
                                   : eval_wrong_task(what);
    if (wrong)
        return cli_usage(&cli_eval, "%s", wrong);
    term_init(cli_model_values.quiet);
    return is_kl      ? eval_kl(model)
           : is_text  ? eval_perplexity(model)
           : is_pairs ? eval_pairs(model)
                      : eval_task(what, model);
}

const cli_command cli_eval = {
    .name = "eval",
    .usage = "perplexity|kl|TASK MODEL [options], or card FILES",
    .summary = "what a model scores, with its interval and what it can be compared with",
    .text =
        "perplexity: how well a model foresees a text: the mean negative log-likelihood of its tokens, and its\n"
        "exponential. What counts is stated beside the figures. Every window begins with <bos>, as in training.\n\n"
        "  carat eval perplexity gemma.gguf --text wiki.txt --window 4096 --stride 512 -o wiki.jsonl\n"
        "  carat eval perplexity gemma.gguf --text wiki.txt --protocol llama.cpp\n\n"
        "kl: how far a model is from a better one, a quantised file from its original: the Kullback-Leibler divergence "
        "of "
        "what\n"
        "both foresee at every place of a text, and how often both find the same token likeliest.\n\n"
        "  carat eval kl gemma-bf16.gguf --text wiki.txt --save-reference wiki.kl\n"
        "  carat eval kl gemma-q4_0.gguf --reference wiki.kl\n\n"
        "hellaswag, winogrande, arc, mmlu, truthfulqa, truthfulqa-mc2, bigbench: of each item's answers the likeliest "
        "is the\n"
        "model's, without generating any. gsm8k, math, mmlu-pro, gpqa, bbh, bigbench-text, humaneval, ifeval, bfcl: an "
        "answer is "
        "generated\n"
        "and judged; generated code runs in a sandbox (bubblewrap), or not at all. docvqa, chartqa, textvqa, ai2d, "
        "mmmu: "
        "the\n"
        "same about pictures. niah, ruler: long texts are made up.\n"
        "Items come from files of yours; nothing is downloaded. Beside the score stand its 95 % interval, what the "
        "model's\n"
        "makers have published, and whether the two can be compared.\n\n"
        "  carat eval hellaswag gemma.gguf --data hellaswag_val.jsonl --shots 10 --shots-data hellaswag_train.jsonl\n"
        "  carat eval mmlu gemma.gguf --data data/test --shots 5 --shots-data data/dev -o mmlu.jsonl\n"
        "  carat eval humaneval gemma.gguf --data HumanEval.jsonl -o humaneval.jsonl\n"
        "  carat eval ruler gemma.gguf --length 32768 -o ruler.jsonl\n"
        "  carat eval gsm8k gemma-3-4b --url http://127.0.0.1:8080/v1 --data test.jsonl\n\n"
        "mteb-sts: how far an embedding model's cosines of sentences agree with people's scores.\n\n"
        "  carat eval mteb-sts embeddinggemma-300m/ --data sts-test.csv\n\n"
        "card: what runs with --json have found, as the model's page has it: published, yours, interval, comparable or "
        "not.\n\n"
        "  carat eval card hellaswag.json mmlu.json\n\n"
        "With -o a run that was stopped is resumed by the same command; a file of other settings, another text or "
        "other\n"
        "arithmetic is refused.",
    .tables = { &text_table, &task_table, &table, &cli_pan_scan_table, &cli_model_table, &cli_loading_table },
    .run = run,
};
