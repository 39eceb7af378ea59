/* carat serve - models for the programs that speak OpenAI's protocol, and its kin.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "commands.h"
#include "engine.h"
#include "pictures.h"
#include "sampling.h"
#include "served_models.h"
#include "server/server.h"
#include "shared_options.h"
#include "term.h"

#define DEFAULT_ADDRESS "127.0.0.1"
#define FIRST_SOCKET    3  /* of systemd's: sd_listen_fds(3) */
#define MAX_SAID        16 /* models, when it starts */

static struct {
    cli_list addresses, models, origins, hosts;
    const char *keys, *cert, *key, *lora_dir;
    int64_t port, max_loaded, parallel, queue, predict, connections, log;
    uint64_t max_body;
    double grace, idle;
    int logs, metric_names;
    bool any_name, ollama, allow_pull;
} opt;

enum { LOGS_TEXT, LOGS_JSON, LOGS_NONE };
static const cli_word metric_words[] = {
    { "carat", CT_METRICS_CARAT }, { "llamacpp", CT_METRICS_LLAMACPP }, { "vllm", CT_METRICS_VLLM }, { NULL, 0 }
};
static const cli_word log_words[] = {
    { "text", LOGS_TEXT }, { "json", LOGS_JSON }, { "none", LOGS_NONE }, { NULL, 0 }
};

/* clang-format off */
static const cli_option options[] = {
    { 0, "listen", "host", CLI_TEXTS, &opt.addresses, "HOST[:PORT]",
      "where to listen: 127.0.0.1, [::1]:8081, * for every address of this machine, unix:PATH; repeatable",
      .otherwise = DEFAULT_ADDRESS },
    { 0, "port", NULL, CLI_INT, &opt.port, "N", "the port, where --listen gives none; 0: any that is free",
      .deflt = "8080", .max = 65535 },
    { 0, "name", NULL, CLI_TEXTS, &opt.models, "NAME=PATH", "one more model, under a name of its own; repeatable" },
    { 0, "ollama", NULL, CLI_FLAG, &opt.ollama, NULL, "also listen on 127.0.0.1:11434, where programs expect Ollama" },
    { 0, "allow-pull", NULL, CLI_FLAG, &opt.allow_pull, NULL, "clients may pull models and delete pulled ones (Ollama's /api/pull, /api/delete)" },
    { 0, "lora-dir", NULL, CLI_TEXT, &opt.lora_dir, "DIR", "clients may load LoRA adapters of this folder (vLLM's /v1/load_lora_adapter)" },
    CLI_OPTION_TEMPLATE(&cli_model_values.chat_template, "of the first model: "),
    { 0, "any-name", NULL, CLI_FLAG, &opt.any_name, NULL, "the first model answers requests for names that there are not" },
    { 0, "parallel", NULL, CLI_INT, &opt.parallel, "N", "answers generated at once, each with room for --ctx-size tokens",
      .otherwise = "16, or what fits", .min = 1, .max = 256 },
    { 0, "queue", NULL, CLI_INT, &opt.queue, "N", "requests that may wait for a place; one more is refused with 429",
      .otherwise = "256", .min = 1, .max = 65536 },
    CLI_OPTION_PREDICT(&opt.predict, "until the model stops"),
    { 0, "idle-unload", NULL, CLI_NUM, &opt.idle, "SECONDS", "unload a model that was not asked for so long; 0: never",
      .deflt = "0", .max = 1e9 },
    { 0, "max-loaded", "models-max", CLI_INT, &opt.max_loaded, "N", "models loaded at once; the one longest unused makes room",
      .otherwise = "as many as memory allows", .min = 1, .max = 1024 },
    { 0, "grace", NULL, CLI_NUM, &opt.grace, "SECONDS", "how long running answers may take once the server is asked to stop",
      .deflt = "30", .max = 1e6 },
    { 0, "metric-names", NULL, CLI_WORD, &opt.metric_names, NULL,
      "GET /metrics has these names of another server too, for its dashboards",
      .deflt = "carat", .words = metric_words },
    { 0, "log", NULL, CLI_WORD, &opt.logs, NULL, "a line a request on stderr, without what is asked and answered",
      .deflt = "text", .words = log_words },
};

static const cli_option access_options[] = {
    { 0, "keys", "api-key-file", CLI_TEXT, &opt.keys, "FILE", "ask clients for one of the keys in this file, one a line; SIGHUP reads it again" },
    { 0, "origin", NULL, CLI_TEXTS, &opt.origins, "URL", "pages of this site may use the server, besides its own; * is every site; repeatable" },
    { 0, "host-name", NULL, CLI_TEXTS, &opt.hosts, "NAME", "a name by which clients call this machine; * is any; repeatable",
      .otherwise = "localhost and addresses" },
    { 0, "tls-cert", NULL, CLI_TEXT, &opt.cert, "FILE", "certificates (PEM): serve HTTPS" },
    { 0, "tls-key", NULL, CLI_TEXT, &opt.key, "FILE", "the certificate's private key (PEM)" },
    { 0, "max-body", NULL, CLI_SIZE, &opt.max_body, "SIZE", "longest body of a request", .deflt = "64M" },
    { 0, "max-connections", NULL, CLI_INT, &opt.connections, "N", "connections at once", .deflt = "1024", .min = 1, .max = 65536 },
};
/* clang-format on */
static const cli_table table = CLI_TABLE("server", options);
static const cli_table access_table = CLI_TABLE("who may call", access_options);

/* Sockets that systemd has opened (socket activation): LISTEN_FDS of them, from descriptor 3 on. */
static size_t inherited(int *to, size_t max)
{
    const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
    if (!pid || !n || strtol(pid, NULL, 10) != (long)getpid())
        return 0;
    long count = strtol(n, NULL, 10);
    for (long i = 0; i < count && (size_t)i < max; i++)
        to[i] = FIRST_SOCKET + (int)i;
    return count < 0 ? 0 : (size_t)count < max ? (size_t)count : max;
}

/* ---- the command ---- */

static void say_urls(const ct_server *s, const ct_server_options *o)
{
    for (size_t i = 0; ct_server_url(s, i); i++)
        term_note("listening on %s  (OpenAI clients: %s/v1)", ct_server_url(s, i), ct_server_url(s, i));
    if (o->n_sockets)
        term_note("listening on %zu socket%s of systemd", o->n_sockets, o->n_sockets == 1 ? "" : "s");
    for (size_t i = 0; i < o->n_addresses; i++)
        if (!o->keys && strncmp(o->addresses[i], "127.", 4) != 0 && strncmp(o->addresses[i], "localhost", 9) != 0 &&
            strncmp(o->addresses[i], "[::1]", 5) != 0 && strcmp(o->addresses[i], "::1") != 0 &&
            strncmp(o->addresses[i], "unix:", 5) != 0)
            term_note("warning: whoever reaches %s may use this server; --keys FILE asks them for a key",
                      o->addresses[i]);
}

/* Where the command line names no model, the user is told which were found. */
static void say_models(const ct_server_options *o)
{
    if (o->loads_first)
        return;
    term_note("%zu model%s, loaded when asked for:", o->n_models, o->n_models == 1 ? "" : "s");
    for (size_t i = 0; i < o->n_models && i < MAX_SAID; i++)
        term_note("  %s", o->models[i].name ? o->models[i].name : o->models[i].path);
    if (o->n_models > MAX_SAID)
        term_note("  and %zu more; carat list shows pulled ones", o->n_models - MAX_SAID);
}

static int serve(const ct_server_options *o)
{
    ct_server *s;
    carat_err err;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (!ct_server_open(o, &s, &err))
        return term_error(&err);
    say_models(o);
    say_urls(s, o);
    bool ok = ct_server_run(s, &err);
    ct_server_close(s);
    return ok ? CLI_OK : term_error(&err);
}

static int run(int argc, char **argv)
{
    static const char *const here[] = { DEFAULT_ADDRESS };
    static cli_served models;
    static int sockets[8];
    cli_list args = { 0 };
    carat_sampling sampling;
    carat_err err;
    if (!cli_parse(&cli_serve, argc, argv, &args) || !cli_sampling(&cli_serve, &sampling))
        return CLI_USAGE;
    for (size_t i = 0; i < opt.models.n; i++)
        if (!strchr(opt.models.v[i], '=') || *opt.models.v[i] == '=')
            return cli_usage(&cli_serve, "--name is '%s', expected NAME=PATH", opt.models.v[i]);
    size_t n_sockets = inherited(sockets, sizeof sockets / sizeof *sockets);
    if (!opt.cert != !opt.key)
        return cli_usage(&cli_serve, "--tls-cert and --tls-key belong together");
    term_init(cli_model_values.quiet);
    if (!cli_find_served(cli_model_values.path, &args, &opt.models, &models, &err) || !cli_template_is_readable(&err))
        return term_error(&err);
    cli_model_values.sessions = (size_t)opt.parallel;
    cli_model_values.queue = (size_t)opt.queue;
    bool is_default = opt.addresses.n == 0;
    const ct_server_options o = {
        .addresses = is_default ? here : opt.addresses.v,
        .n_addresses = is_default ? !n_sockets : opt.addresses.n,
        .port = (unsigned)opt.port,
        .sockets = sockets,
        .n_sockets = n_sockets,
        .models = models.v,
        .n_models = models.n,
        .is_ollama = opt.ollama,
        .allows_pull = opt.allow_pull,
        .adapter_files = opt.lora_dir,
        .loads_first = models.is_named,
        .answers_any_name = opt.any_name,
        .engine = cli_engine_options(CARAT_VISION_AUTO),
        .requests = { .sampling = sampling,
                      .max_tokens = opt.predict > 0 ? (size_t)opt.predict : 0,
                      .pan_scan = cli_pan_scan() },
        .has_seed = cli_seed_given(),
        .sampling_given = cli_sampling_given(),
        .keys = opt.keys,
        .origins = opt.origins.v,
        .n_origins = opt.origins.n,
        .hosts = opt.hosts.v,
        .n_hosts = opt.hosts.n,
        .cert = opt.cert,
        .key = opt.key,
        .max_connections = (size_t)opt.connections,
        .max_body = opt.max_body,
        .grace_seconds = opt.grace,
        .idle_seconds = opt.idle > 0 ? opt.idle : INFINITY,
        .max_loaded = (size_t)opt.max_loaded,
        .metric_names = (ct_metric_names)opt.metric_names,
        .logs_json = opt.logs == LOGS_JSON,
        .is_quiet = opt.logs == LOGS_NONE,
    };
    return serve(&o);
}

const cli_command cli_serve = {
    .name = "serve",
    .usage = "[MODEL...] [options]",
    .summary = "answer over HTTP: OpenAI, Ollama, Anthropic, a chat page",
    .text = "Serves models over HTTP: to browsers a chat page, to programs the protocols of OpenAI (base URL "
            "http://127.0.0.1:8080/v1), Ollama, Anthropic and llama-server. A MODEL is a file, a Hugging Face folder, "
            "the name of a pulled one, or a folder of models. The first is loaded at once and answers requests that "
            "name none; others are loaded when they are asked for. Without a MODEL those in models/ and all that were "
            "pulled are served. Only programs on this machine can connect, unless --listen says otherwise.\n\n"
            "  carat serve gemma-3-4b-it-q4_0.gguf\n"
            "  carat serve small=gemma-3-270m.gguf large=gemma-3-4b-it-q4_0.gguf\n"
            "  carat serve --listen '*' --keys keys.txt gemma-3-4b-it-q4_0.gguf",
    .tables = { &table, &access_table, &cli_model_table, &cli_loading_table, &cli_guess_table, &cli_sampling_table,
                &cli_pan_scan_table },
    .run = run,
};
