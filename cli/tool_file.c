/* Reads a file of tools, and runs their commands.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tool_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json_text.h"
#include "child.h"
#include "signals.h"
#include "term.h"

#define MOST_FILE    ((size_t)4 << 20)
#define MOST_WORDS   256
#define MOST_SECONDS 86400.0
#define GRACE        1 /* seconds for a command to end in, once it was asked to */

static bool no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a tool");
}

/* ---- reading ---- */

/* 0, or the errno of why it is no program. */
static int why_no_program(const char *path)
{
    struct stat s;
    if (stat(path, &s) != 0 || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0)
        return errno;
    return S_ISREG(s.st_mode) ? 0 : EACCES;
}

/* Is there such a program in a folder of $PATH? An empty one is the current folder. */
static bool is_in_path(const char *program)
{
    const char *folders = getenv("PATH");
    char path[4096];
    for (const char *p = folders ? folders : "/bin:/usr/bin"; p;) { /* posix_spawnp's own */
        const size_t n = strcspn(p, ":");
        const int len = snprintf(path, sizeof path, "%.*s%s%s", (int)n, p, n ? "/" : "", program);
        if (len > 0 && (size_t)len < sizeof path && why_no_program(path) == 0)
            return true;
        p = p[n] ? p + n + 1 : NULL;
    }
    return false;
}

/* That it is missing is said at the start, and not in the middle of a conversation. */
static bool check_program(const char *program, const char *what, carat_err *err)
{
    const bool is_path = strchr(program, '/');
    const int why = is_path ? why_no_program(program) : 0;
    if (why)
        return ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: %.200s cannot be run: %s", what, program, strerror(why));
    return is_path || is_in_path(program) ||
           ct_fail(err, CARAT_EIO, CARAT_NOWHERE, "%s: there is no program %.200s in $PATH", what, program);
}

static bool read_command(const json_t *j, const char *what, tool_command *t, carat_err *err)
{
    const json_t *list = json_object_get(j, "command");
    const size_t n = json_array_size(list);
    if (!json_is_array(list) || n == 0)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: 'command' is %s, expected a list of words", what,
                       !list                 ? "missing"
                       : json_is_array(list) ? "empty"
                                             : ct_json_kind(list));
    if (n > MOST_WORDS)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%s: 'command' has %zu words, there may be %d", what, n,
                       MOST_WORDS);
    if (!(t->argv = calloc(n + 1, sizeof *t->argv)))
        return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        const json_t *word = json_array_get(list, i);
        t->argv[i] = json_string_value(word);
        if (!t->argv[i] || strlen(t->argv[i]) < json_string_length(word))
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: word %zu of 'command' is %s, expected a string",
                           what, i, t->argv[i] ? "one with a NUL character" : ct_json_kind(word));
    }
    return (*t->argv[0] || ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: 'command' begins with no program", what)) &&
           check_program(t->argv[0], what, err);
}

static bool read_schema(const json_t *j, const char *what, tool_command *t, carat_err *err)
{
    const json_t *schema = json_object_get(j, "parameters");
    if (!schema || json_is_null(schema))
        return true;
    if (!json_is_object(schema))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: 'parameters' is %s, expected a JSON Schema of an object",
                       what, ct_json_kind(schema));
    /* 15 digits give 0.1 back as it was written */
    t->schema = ct_json_dump(schema, JSON_COMPACT | JSON_REAL_PRECISION(15));
    return t->schema || no_memory(err);
}

static bool check_keys(const json_t *j, const char *what, carat_err *err)
{
    static const char *const known[] = { "name", "description", "parameters", "command", "timeout" };
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)j, key, value) {
        size_t i = 0;
        while (i < sizeof known / sizeof *known && strcmp(known[i], key) != 0)
            i++;
        if (i == sizeof known / sizeof *known)
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s: '%.40s' is no key of a tool", what, key);
    }
    return true;
}

static bool read_tool(const json_t *j, size_t i, tool_command *t, carat_err *err)
{
    char what[96], shown[64];
    snprintf(what, sizeof what, "tool %zu", i);
    if (!json_is_object(j))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s is %s, expected an object", what, ct_json_kind(j));
    if (!ct_json_text(j, what, "name", &t->name, err))
        return false;
    if (!t->name)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "%s has no name", what);
    snprintf(what, sizeof what, "tool '%s'", term_printable(t->name, shown, sizeof shown));
    if (!check_keys(j, what, err) || !ct_json_text(j, what, "description", &t->description, err) ||
        !ct_json_num(j, what, "timeout", &t->seconds, err))
        return false;
    if (!(t->seconds > 0 && t->seconds <= MOST_SECONDS))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                       "%s: 'timeout' is %g seconds, expected more than 0, at most %g", what, t->seconds, MOST_SECONDS);
    return read_schema(j, what, t, err) && read_command(j, what, t, err);
}

static bool read_all(tool_file *f, double seconds, carat_err *err)
{
    if (!json_is_array(f->json))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "the file is %s, expected a list of tools",
                       ct_json_kind(f->json));
    if (json_array_size(f->json) > TOOL_FILE_MOST)
        return ct_fail(err, CARAT_ELIMIT, CARAT_NOWHERE, "%zu tools, there may be %d", json_array_size(f->json),
                       TOOL_FILE_MOST);
    for (f->n = 0; f->n < json_array_size(f->json);) {
        tool_command *t = &f->v[f->n];
        t->seconds = seconds;
        f->n++;
        if (!read_tool(json_array_get(f->json, f->n - 1), f->n - 1, t, err))
            return false;
    }
    return true;
}

/* As a model's functions, whose names and schemas carat_tools_open judges; what it calls functions are tools here. */
static bool judge(const tool_file *f, carat_err *err)
{
    static const char theirs[] = "function";
    carat_tool *list = calloc(f->n + 1, sizeof *list);
    const carat_tools_options o = { .struct_size = sizeof o, .tools = list, .n_tools = f->n };
    carat_tools *t = NULL;
    if (!list)
        return no_memory(err);
    for (size_t i = 0; i < f->n; i++)
        list[i] = (carat_tool){ .struct_size = sizeof *list,
                                .name = f->v[i].name,
                                .description = f->v[i].description,
                                .parameters = f->v[i].schema };
    const bool ok = f->n == 0 || carat_tools_open(&o, &t, err);
    carat_tools_close(t);
    free(list);
    if (!ok && strncmp(err->msg, theirs, sizeof theirs - 1) == 0) {
        char rest[sizeof err->msg];
        snprintf(rest, sizeof rest, "%s", err->msg + sizeof theirs - 1);
        return ct_fail(err, err->code, err->at, "tool%s", rest);
    }
    return ok;
}

bool tool_file_open(const char *path, double seconds, tool_file **out, carat_err *err)
{
    tool_file *f = calloc(1, sizeof *f);
    *out = NULL;
    if (!f)
        return no_memory(err);
    if (!ct_json_load(path, MOST_FILE, &f->json, err) ||
        !((read_all(f, seconds, err) && judge(f, err)) || ct_fail_in(err, "%s", path))) {
        tool_file_close(f);
        return false;
    }
    *out = f;
    return true;
}

void tool_file_close(tool_file *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->n; i++) {
        free(f->v[i].schema);
        free(f->v[i].argv);
    }
    json_decref(f->json);
    free(f);
}

/* ---- running ---- */

typedef struct run {
    ct_buf out;
    size_t n_out; /* all that it wrote */
    child_log log;
} run;

static void on_out(void *arg, const char *data, size_t len)
{
    run *r = arg;
    const size_t room = TOOL_MOST_BYTES - r->out.len;
    ct_buf_add(&r->out, data, len < room ? len : room);
    r->n_out += len;
}

static void on_err(void *arg, const char *data, size_t len)
{
    run *r = arg;
    child_log_add(&r->log, data, len);
}

static void trim(ct_buf *b)
{
    while (b->len && (b->data[b->len - 1] == '\n' || b->data[b->len - 1] == '\r'))
        b->data[--b->len] = '\0';
}

static void close_output(run *r)
{
    if (r->n_out > r->out.len)
        ct_buf_fmt(&r->out, "\n[cut: the first %zu of %zu bytes]", r->out.len, r->n_out);
    else
        trim(&r->out);
}

/* {"error": why, "output": ..., "stderr": ...}, without what is empty. */
static void put_failure(run *r, const char *why, ct_buf *out)
{
    ct_buf_str(out, "{\"error\":");
    ct_json_text_string(why, strlen(why), out);
    if (r->out.len) {
        ct_buf_str(out, ",\"output\":");
        ct_json_text_string(r->out.data, r->out.len, out);
    }
    if (r->log.len) {
        ct_buf_str(out, ",\"stderr\":");
        ct_json_text_string(r->log.text, r->log.len, out);
    }
    ct_buf_char(out, '}');
}

/* Exchanges all, until it ends or is ended. The event that it ended by, DONE, LATE or WOKEN. */
static child_event talk(child *c, child_talk *t, double seconds)
{
    const double until = ct_now() + seconds;
    for (;;) {
        const child_event e = child_move(c, t, until);
        if (e == CHILD_WOKEN || cli_was_interrupted())
            return CHILD_WOKEN;
        if (e == CHILD_DONE || e == CHILD_LATE)
            return e;
        if (ct_now() >= until)
            return CHILD_LATE;
    }
}

/* Its last line. */
static void take_said(const child_log *l, char said[160])
{
    size_t end = l->len, start;
    while (end && l->text[end - 1] == '\n')
        end--;
    for (start = end; start && l->text[start - 1] != '\n';)
        start--;
    char line[160];
    snprintf(line, sizeof line, "%.*s", (int)(end - start), l->text + start);
    term_printable(line, said, 160);
}

bool tool_command_run(const tool_command *t, const char *arguments, size_t len, ct_buf *out, bool *failed,
                      char said[160], carat_err *err)
{
    child c;
    char how[96], why[160];
    int status;
    run r = { .n_out = 0 };
    child_talk io = { arguments, len, true, on_out, on_err, &r, cli_interrupt_fd() };
    *said = '\0';
    if (!child_start(&c, (char **)(uintptr_t)t->argv, err))
        return false;
    ct_buf_init(&r.out, TOOL_MOST_BYTES + 256);
    const child_event e = talk(&c, &io, t->seconds);
    if (e != CHILD_DONE)
        child_signal(&c, SIGTERM);
    child_end(&c, GRACE, e != CHILD_DONE, &status);
    close_output(&r);
    take_said(&r.log, said);
    *failed = e == CHILD_LATE || status != 0;
    if (e == CHILD_LATE)
        snprintf(why, sizeof why, "it was not done within %g seconds and was ended", t->seconds);
    else
        snprintf(why, sizeof why, "%s", child_status(status, how, sizeof how));
    if (*failed)
        put_failure(&r, why, out);
    else
        ct_buf_add(out, r.out.data ? r.out.data : "", r.out.len);
    const bool has_memory = !r.out.failed && !out->failed;
    ct_buf_deinit(&r.out);
    if (e == CHILD_WOKEN)
        return ct_fail(err, CARAT_ECANCELLED, CARAT_NOWHERE, "%s: interrupted", t->name);
    return has_memory || no_memory(err);
}
