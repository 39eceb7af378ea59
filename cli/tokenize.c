/* carat tokenize, carat detokenize - text to ids and back.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/json.h"
#include "base/utf8.h"
#include "commands.h"
#include "engine.h"
#include "input.h"
#include "json_out.h"
#include "shared_options.h"
#include "term.h"

static struct {
    const char *text, *file;
    bool special, no_bos, jsonl, json, show_control, pieces;
} opt;

/* clang-format off */
static const cli_option model_options[] = {
    { 'm', "model", NULL, CLI_TEXT, &cli_model_values.path, "PATH",
      "GGUF file, Hugging Face folder, tokenizer.json or tokenizer.model; also the first argument" },
};
static const cli_table model_table = CLI_TABLE("tokenizer", model_options);
static const cli_option tokenize_options[] = {
    { 'p', "prompt", "text", CLI_TEXT, &opt.text, "TEXT", "the text; also the second argument, or stdin" },
    CLI_OPTION_FILE(&opt.file, "text"),
    CLI_OPTION_SPECIAL(&opt.special, ""),
    CLI_OPTION_NO_BOS(&opt.no_bos, ""),
    { 0, "pieces", NULL, CLI_FLAG, &opt.pieces, NULL, "print a line for each token: id and text" },
    { 0, "json", NULL, CLI_FLAG, &opt.json, NULL, "print {\"ids\":[...]}" },
    { 0, "jsonl", NULL, CLI_FLAG, &opt.jsonl, NULL,
      "read lines of {\"text\",\"add_special\",\"parse_special\"}, print lines of {\"ids\"}" },
};
static const cli_table tokenize_table = CLI_TABLE("options", tokenize_options);
static const cli_option detokenize_options[] = {
    CLI_OPTION_FILE(&opt.file, "ids"),
    { 0, "special", NULL, CLI_FLAG, &opt.show_control, NULL, "show control tokens by name" },
    { 0, "jsonl", NULL, CLI_FLAG, &opt.jsonl, NULL, "read lines of {\"ids\"}, print lines of {\"text\"}" },
};
/* clang-format on */
static const cli_table detokenize_table = CLI_TABLE("options", detokenize_options);

/* The line of a stream, without its newline; false at the end. Frees nothing: getline's buffer is the caller's. */
static bool next_line(FILE *f, char **line, size_t *cap, size_t *len)
{
    ssize_t n = getline(line, cap, f);
    if (n < 0)
        return false;
    *len = (size_t)n;
    if (*len && (*line)[*len - 1] == '\n')
        (*line)[--*len] = '\0';
    return true;
}

static json_t *ids_json(const int32_t *ids, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_integer(ids[i]));
    return a;
}

/* As the reference's tokenizer does it: add_special puts <bos> in front whatever the text begins with. (Elsewhere a
 * literal <bos> that leads a text with control tokens is not doubled.) */
static bool encode_as_reference(const carat_tokenizer *t, const json_t *text, bool bos, bool special, json_t **ids,
                                carat_err *err)
{
    int32_t *front = NULL, *rest = NULL;
    size_t n_front = 0, n_rest = 0;
    *ids = NULL;
    bool ok = (!bos || carat_tokenizer_encode(t, "", 0, CARAT_TOK_BOS, &front, &n_front, err)) &&
              carat_tokenizer_encode(t, json_string_value(text), json_string_length(text),
                                     special ? CARAT_TOK_SPECIAL : 0, &rest, &n_rest, err);
    if (ok) {
        json_t *tail = ids_json(rest, n_rest);
        *ids = ids_json(front, n_front);
        json_array_extend(*ids, tail);
        json_decref(tail);
    }
    carat_free(front);
    carat_free(rest);
    return ok;
}

static bool tokenize_line(const carat_tokenizer *t, const char *line, size_t len, carat_err *err)
{
    json_t *in;
    if (!ct_json_parse("line", line, len, &in, err))
        return false;
    bool bos = true, special = false, ok = false;
    json_t *text = json_object_get(in, "text");
    json_t *ids = NULL;
    if (!json_is_string(text))
        ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'text' is missing or not a string");
    else
        ok = ct_json_bool(in, "line", "add_special", &bos, err) &&
             ct_json_bool(in, "line", "parse_special", &special, err) &&
             encode_as_reference(t, text, bos, special, &ids, err);
    if (ok) {
        json_t *out = json_pack("{s:o}", "ids", ids);
        cli_json_print(out, JSON_COMPACT);
        putchar('\n');
    }
    json_decref(in);
    return ok;
}

static bool detokenize_line(const carat_tokenizer *t, const char *line, size_t len, carat_err *err)
{
    json_t *in;
    if (!ct_json_parse("line", line, len, &in, err))
        return false;
    json_t *list = json_object_get(in, "ids");
    size_t n = json_array_size(list), text_len;
    int32_t *ids = malloc((n + 1) * sizeof *ids);
    char *text = NULL;
    bool ok = json_is_array(list);
    if (!ids) {
        json_decref(in);
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for %zu token ids", n);
    }
    for (size_t i = 0; ok && i < n; i++) {
        json_int_t v = json_integer_value(json_array_get(list, i));
        ok = json_is_integer(json_array_get(list, i)) && v >= 0 && v <= INT32_MAX;
        ids[i] = (int32_t)v;
    }
    if (!ok)
        ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "'ids' is missing or not a list of token ids");
    else
        ok = carat_tokenizer_decode(t, ids, n, opt.show_control, &text, &text_len, err);
    if (ok) {
        json_t *out = json_object();
        json_t *value = json_stringn(text, text_len);
        if (!value) /* not valid UTF-8: the bytes themselves */
            for (size_t i = 0; i < text_len; i++)
                json_array_append_new(value = value ? value : json_array(), json_integer((unsigned char)text[i]));
        json_object_set_new(out, json_is_array(value) ? "bytes" : "text", value);
        cli_json_print(out, JSON_COMPACT);
        putchar('\n');
    }
    carat_free(text);
    free(ids);
    json_decref(in);
    return ok;
}

typedef bool line_fn(const carat_tokenizer *t, const char *line, size_t len, carat_err *err);

static int each_line(const carat_tokenizer *t, line_fn *fn)
{
    FILE *f = opt.file && strcmp(opt.file, "-") != 0 ? fopen(opt.file, "re") : stdin;
    carat_err err;
    if (!f) {
        ct_fail(&err, CARAT_EIO, CARAT_NOWHERE, "%s: %s", opt.file, strerror(errno));
        return term_error(&err);
    }
    char *line = NULL;
    size_t cap = 0, len, number = 0;
    int code = CLI_OK;
    while (code == CLI_OK && next_line(f, &line, &cap, &len)) {
        number++;
        if (len && !fn(t, line, len, &err)) {
            ct_fail_in(&err, "line %zu", number);
            code = term_error(&err);
        }
    }
    if (code == CLI_OK && !feof(f)) { /* a folder, a disk that cannot be read, no memory for a line */
        ct_fail(&err, CARAT_EIO, CARAT_NOWHERE, "%s: %s", f == stdin ? "stdin" : opt.file, strerror(errno));
        code = term_error(&err);
    }
    free(line);
    if (f != stdin)
        fclose(f);
    return code;
}

/* A token that is no whole character has its byte in place of a text. */
static bool print_piece(const carat_tokenizer *t, int32_t id, carat_err *err)
{
    char *text;
    size_t len;
    if (!carat_tokenizer_decode(t, &id, 1, true, &text, &len, err))
        return false;
    bool is_text = ct_utf8_valid(text, len) == len;
    json_t *shown = is_text ? json_stringn(text, len) : NULL;
    char *quoted = ct_json_dump(shown, JSON_ENCODE_ANY);
    if (quoted)
        printf("%7d  %s\n", id, quoted);
    else if (!is_text)
        printf("%7d  <0x%02X>\n", id, (unsigned char)text[0]);
    json_decref(shown);
    carat_free(text);
    bool ok = quoted || !is_text;
    free(quoted);
    return ok || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for the text of token %d", id);
}

static bool print_pieces(const carat_tokenizer *t, const int32_t *ids, size_t n, carat_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (!print_piece(t, ids[i], err))
            return false;
    return true;
}

static void print_ids(const int32_t *ids, size_t n)
{
    if (opt.json) {
        json_t *out = json_pack("{s:o}", "ids", ids_json(ids, n));
        cli_json_print(out, JSON_COMPACT);
    }
    for (size_t i = 0; !opt.json && i < n; i++)
        printf("%s%d", i ? " " : "", ids[i]);
    putchar('\n');
}

/* The text from the options, an argument or stdin; *owned is to be freed. */
static bool get_text(const cli_list *args, const char *given, char **owned, const char **text, size_t *len,
                     carat_err *err)
{
    *owned = NULL;
    *text = given ? given : args->n ? args->v[0] : NULL;
    if (*text) {
        *len = strlen(*text);
        return true;
    }
    bool ok = cli_read_text(opt.file ? opt.file : "-", owned, len, err);
    *text = *owned;
    return ok;
}

/* One text, from one place. */
static bool check_input(const cli_command *cmd, const cli_list *args)
{
    if (opt.jsonl ? args->n || opt.text || opt.pieces || opt.json : opt.pieces && opt.json)
        cli_usage(cmd, opt.jsonl ? "--jsonl takes lines from -f FILE or stdin, no text, and no other form of output"
                                 : "give either --pieces or --json, not both");
    else if (args->n > 1)
        cli_usage(cmd, "unexpected argument '%s': quote text that contains spaces", args->v[1]);
    else if (args->n + (opt.text != NULL) + (opt.file != NULL) > 1)
        cli_usage(cmd, "more than one text: give an argument, -p or -f");
    else
        return true;
    return false;
}

static bool open_tokenizer(const cli_command *cmd, cli_list *args, carat_tokenizer **t, int *code)
{
    const char *name = cli_model_path(args);
    char *path;
    if (!name) {
        *code = cli_usage(cmd, "which model or tokenizer file?");
        return false;
    }
    if (!check_input(cmd, args)) {
        *code = CLI_USAGE;
        return false;
    }
    carat_err err;
    bool ok = cli_find_model(name, &path, &err);
    if (ok) {
        ok = carat_tokenizer_open(path, t, &err);
        free(path);
    }
    if (!ok)
        *code = term_error(&err);
    return ok;
}

static int run_tokenize(int argc, char **argv)
{
    cli_list args = { 0 };
    carat_tokenizer *t;
    int code = CLI_USAGE;
    term_init(false);
    if (!cli_parse(&cli_tokenize, argc, argv, &args) || !open_tokenizer(&cli_tokenize, &args, &t, &code))
        return code;
    if (opt.jsonl) {
        code = each_line(t, tokenize_line);
        carat_tokenizer_close(t);
        return code;
    }
    carat_err err;
    char *owned = NULL;
    const char *text;
    int32_t *ids = NULL;
    size_t len, n;
    unsigned flags = (opt.no_bos ? 0 : CARAT_TOK_BOS) | (opt.special ? CARAT_TOK_SPECIAL : 0);
    code = CLI_OK;
    if (!get_text(&args, opt.text, &owned, &text, &len, &err) ||
        !carat_tokenizer_encode(t, text, len, flags, &ids, &n, &err))
        code = term_error(&err);
    else if (!opt.pieces)
        print_ids(ids, n);
    else if (!print_pieces(t, ids, n, &err))
        code = term_error(&err);
    carat_free(ids);
    free(owned);
    carat_tokenizer_close(t);
    return code;
}

static int run_detokenize(int argc, char **argv)
{
    cli_list args = { 0 };
    carat_tokenizer *t;
    int code = CLI_USAGE;
    term_init(false);
    if (!cli_parse(&cli_detokenize, argc, argv, &args) || !open_tokenizer(&cli_detokenize, &args, &t, &code))
        return code;
    if (opt.jsonl) {
        code = each_line(t, detokenize_line);
        carat_tokenizer_close(t);
        return code;
    }
    carat_err err;
    char *owned = NULL, *out = NULL;
    const char *list;
    int32_t *ids = NULL;
    size_t len, n;
    code = CLI_OK;
    if (!get_text(&args, NULL, &owned, &list, &len, &err) || !cli_parse_ids(list, len, &ids, &n, &err) ||
        !carat_tokenizer_decode(t, ids, n, opt.show_control, &out, &len, &err))
        code = term_error(&err);
    else
        fwrite(out, 1, len, stdout);
    if (code == CLI_OK && isatty(1) && len && out[len - 1] != '\n')
        putchar('\n');
    carat_free(out);
    free(ids);
    free(owned);
    carat_tokenizer_close(t);
    return code;
}

const cli_command cli_tokenize = {
    .name = "tokenize",
    .usage = "MODEL [TEXT] [options]",
    .summary = "text to token ids",
    .text = "Prints the token ids of a text. Reads no weights.\n\n"
            "  carat tokenize gemma.gguf \"Hello world\"\n"
            "  carat tokenize folder/ --pieces -f page.html\n"
            "  carat tokenize tokenizer.json --jsonl < requests.jsonl",
    .tables = { &tokenize_table, &model_table },
    .run = run_tokenize,
};

const cli_command cli_detokenize = {
    .name = "detokenize",
    .usage = "MODEL [IDS] [options]",
    .summary = "token ids to text",
    .text = "Prints the text of token ids, given as an argument or on stdin, separated by spaces or commas.\n\n"
            "  carat detokenize gemma.gguf 9259,1902",
    .tables = { &detokenize_table, &model_table },
    .run = run_detokenize,
};
