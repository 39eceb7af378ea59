/* Man pages from the tables that the parser reads, in the man macros: man(7), groff_man(7).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "carat.h"
#include "help.h"
#include "option_names.h"

/* ---- roff ---- */

/* Text as it stands: what roff would take for its own is escaped, also a dot or quote that begins a line. */
static void put_n(const char *text, size_t len)
{
    static const struct {
        char c;
        const char *roff;
    } escapes[] = { { '\\', "\\(rs" }, { '-', "\\-" },   { '\'', "\\(aq" },
                    { '`', "\\(ga" },  { '^', "\\(ha" }, { '~', "\\(ti" } };
    bool at_start = true;
    for (size_t i = 0; i < len; i++) {
        const char *roff = NULL;
        for (size_t k = 0; k < sizeof escapes / sizeof *escapes && !roff; k++)
            if (escapes[k].c == text[i])
                roff = escapes[k].roff;
        if (at_start && text[i] == '.')
            fputs("\\&", stdout);
        if (roff)
            fputs(roff, stdout);
        else
            putchar(text[i]);
        at_start = text[i] == '\n';
    }
}

static void put(const char *text)
{
    put_n(text, strlen(text));
}

static void put_in(char font, const char *text, size_t len)
{
    printf("\\f%c", font);
    put_n(text, len);
    fputs("\\fR", stdout);
}

static void bold(const char *text)
{
    put_in('B', text, strlen(text));
}

static void section(const char *title)
{
    printf(".SH %s\n", title);
}

/* ---- a command's text ---- */

/* Its paragraphs, or its examples: the lines that begin with two spaces. */
static void put_text(const char *text, bool examples)
{
    bool has_begun = false, is_new = false;
    for (size_t n; *text; text += n + (text[n] != '\0')) {
        n = strcspn(text, "\n");
        bool is_example = strncmp(text, "  ", 2) == 0;
        if (n == 0 || is_example != examples) {
            is_new = true;
            continue;
        }
        if (has_begun && is_new && !examples)
            puts(".PP");
        put_n(is_example ? text + 2 : text, is_example ? n - 2 : n);
        putchar('\n');
        has_begun = true;
        is_new = false;
    }
}

static bool has_examples(const char *text)
{
    return strncmp(text, "  ", 2) == 0 || strstr(text, "\n  ");
}

/* ---- options ---- */

/* Other names, but for those by which another option of this command is called. */
static void put_aliases(const cli_command *cmd, const cli_option *o)
{
    const char *before = "; also ";
    size_t n;
    for (const char *a = o->alias; (a = cli_next_name(a, &n)); a += n)
        if (cli_find_option(cmd, a, n) == o) {
            fputs(before, stdout);
            put_in('B', "--", 2);
            put_in('B', a, n);
            before = ", ";
        }
}

static void put_option(const cli_command *cmd, const cli_option *o)
{
    puts(".TP");
    if (o->letter) {
        const char letter[] = { '-', o->letter, '\0' };
        bold(letter);
        fputs(", ", stdout);
    }
    bold("--");
    bold(o->name);
    char arg[64], deflt[160];
    if (*cli_option_arg(o, arg, sizeof arg)) {
        putchar(' ');
        put_in('I', arg, strlen(arg));
    }
    putchar('\n');
    put(o->help);
    if (*cli_option_default(o, deflt, sizeof deflt)) {
        putchar(' ');
        put(deflt);
    }
    put_aliases(cmd, o);
    putchar('\n');
}

static void put_options(const cli_command *cmd)
{
    for (const cli_table *const *t = cmd->tables; *t; t++) {
        const char *title = (*t)->title;
        if (t != cmd->tables || cmd->tables[1]) /* a table alone needs no title of its own */
            printf(".SS %c%s\n", toupper((unsigned char)*title), title + 1);
        for (size_t i = 0; i < (*t)->n; i++)
            put_option(cmd, &(*t)->options[i]);
    }
    puts(".SS Any command");
    puts(".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\ndescribe the command and list its options");
}

/* ---- pages ---- */

static void begin(const char *name, const char *summary)
{
    puts(".\\\" Made by carat help --man");
    fputs(".TH ", stdout);
    for (const char *c = name; *c; c++)
        putchar(toupper((unsigned char)*c));
    printf(" 1 \"\" \"carat %s\" \"Carat\"\n", CARAT_VERSION);
    section("NAME");
    put(name);
    fputs(" \\- ", stdout);
    put(summary);
    putchar('\n');
    section("SYNOPSIS");
}

static void item(const char *name, const char *text)
{
    puts(".TP");
    bold(name);
    putchar('\n');
    put(text);
    putchar('\n');
}

static void exit_status(void)
{
    section("EXIT STATUS");
    item("0", "success");
    item("1", "something failed; the reason is on standard error");
    item("2", "the command line cannot be understood");
    item("130", "interrupted by Ctrl-C");
}

static void page_of(const cli_command *cmd)
{
    char name[64];
    snprintf(name, sizeof name, "carat-%s", cmd->name);
    begin(name, cmd->summary);
    bold("carat ");
    bold(cmd->name);
    putchar(' ');
    put(cmd->usage);
    putchar('\n');
    section("DESCRIPTION");
    put_text(cmd->text, false);
    section("OPTIONS");
    put_options(cmd);
    if (has_examples(cmd->text)) {
        section("EXAMPLES");
        puts(".nf");
        put_text(cmd->text, true);
        puts(".fi");
    }
    exit_status();
    section("SEE ALSO");
    puts("\\fBcarat\\fR(1)");
}

static void page_of_all(const cli_command *const *all)
{
    begin("carat", "run Google's Gemma 3 on this machine's CPU");
    puts("\\fBcarat\\fR \\fICOMMAND\\fR [options]\n.br\n\\fBcarat \\-\\-version\\fR");
    section("DESCRIPTION");
    put("Runs the models of the Gemma 3 family: text and images in, text out. A model is a GGUF file, a\n"
        "Hugging Face folder, or the name of one that carat pull fetched. Numbers of tokens may be given as 8k, sizes "
        "of memory as 512M or 8G.\n");
    section("COMMANDS");
    for (const cli_command *const *c = all; *c; c++) {
        fputs(".TP\n\\fBcarat\\-", stdout);
        put((*c)->name);
        puts("\\fR(1)");
        put((*c)->summary);
        putchar('\n');
    }
    section("ENVIRONMENT");
    item("CARAT_CPU", "the kernels to use without --cpu: generic, avx2, avx512 ...");
    item("CARAT_MODELS", "where carat pull keeps models (default: carat/models in $XDG_DATA_HOME or ~/.local/share)");
    item("HF_ENDPOINT", "the hub that carat pull asks (default: https://huggingface.co)");
    item("HF_TOKEN, HF_TOKEN_PATH, HF_HOME",
         "the token for it, the file with it, the folder of the file token (default: ~/.cache/huggingface)");
    item("HF_HUB_DOWNLOAD_TIMEOUT", "seconds without a byte after which carat pull connects anew (default: 30)");
    item("https_proxy, http_proxy, all_proxy, no_proxy", "proxies, as curl has them");
    item("CURL_CA_BUNDLE, SSL_CERT_FILE", "certificates to trust instead of the system's");
    item("NO_COLOR", "if set, no colours on a terminal");
    item("XDG_STATE_HOME",
         "carat/history in this folder (default: ~/.local/state) keeps the lines typed in carat chat");
    exit_status();
    section("SEE ALSO");
    for (const cli_command *const *c = all; *c; c++) {
        fputs("\\fBcarat\\-", stdout);
        put((*c)->name);
        puts(c[1] ? "\\fR(1)," : "\\fR(1)");
    }
}

void cli_print_man(const cli_command *const *all, const cli_command *cmd)
{
    if (cmd)
        page_of(cmd);
    else
        page_of_all(all);
}
