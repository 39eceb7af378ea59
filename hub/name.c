/* Names of models at a hub, and what may become a path.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "hub/name.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "hub/quant.h"
#include "hub/short.h"

#define MAX_NAME 2000 /* bytes: longer ones are not looked at */
#define MAX_PART 96   /* of an owner's or a repository's name: the hub's own limit */
#define MAX_BASE 240  /* of a file's name without folders: ".part.json" must fit behind it */

/* ---- what may be ---- */

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

static bool is_part(const char *s, size_t n)
{
    if (n == 0 || n > MAX_PART || *s == '.' || *s == '-')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_plain(s[i]) || (s[i] == '.' && i + 1 < n && s[i + 1] == '.'))
            return false;
    return true;
}

bool ct_hub_repo_is_name(const char *repo)
{
    const char *slash = strchr(repo, '/');
    return slash && is_part(repo, (size_t)(slash - repo)) && is_part(slash + 1, strlen(slash + 1));
}

bool ct_hub_revision_is_name(const char *revision)
{
    size_t n = strlen(revision);
    if (n == 0 || n >= HUB_MAX_REV || *revision == '/' || *revision == '-' || revision[n - 1] == '/')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_plain(revision[i]) && revision[i] != '/')
            return false;
    return !strstr(revision, "..") && !strstr(revision, "//");
}

/* One folder or the file itself. */
static bool is_step(const char *s, size_t n)
{
    return n > 0 && n <= MAX_BASE && *s != '.' && *s != ' ' && *s != '-';
}

static bool is_shown_as_it_is(const char *s)
{
    for (size_t left = strlen(s), n; left; s += n, left -= n) {
        uint32_t cp;
        n = ct_utf8_next(s, left, &cp);
        if (cp == CT_UTF8_BAD || ct_utf8_is_control(cp))
            return false;
    }
    return true;
}

bool ct_hub_file_is_name(const char *file)
{
    size_t len = strlen(file);
    if (len == 0 || len >= HUB_MAX_FILE || strchr(file, '\\') || !is_shown_as_it_is(file))
        return false;
    for (const char *s = file;; s++) {
        size_t n = strcspn(s, "/");
        if (!is_step(s, n))
            return false;
        s += n;
        if (!*s)
            break;
    }
    return strcasecmp(ct_hub_base(file), HUB_MANIFEST) != 0 && !ct_hub_has_end(file, ".part") &&
           !ct_hub_has_end(file, ".part.json");
}

/* ---- names of models ---- */

static bool refuse(const char *name, const char *why, carat_err *err)
{
    return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "'%.80s' is no name of a model: %s", name, why);
}

static bool is_word_of(const char *s, size_t n, const char *w)
{
    return n == strlen(w) && strncasecmp(s, w, n) == 0;
}

static bool is_host(const char *s, size_t n)
{
    static const char *const hubs[] = { "hf.co", "huggingface.co", "www.huggingface.co" };
    for (size_t i = 0; i < sizeof hubs / sizeof *hubs; i++)
        if (is_word_of(s, n, hubs[i]))
            return true;
    return false;
}

/* Takes "https://HOST/" or "hf.co/" off; *is_url: the rest is a page's path. */
static bool take_host(const char **at, const char *name, bool *is_url, ct_hub_name *out, carat_err *err)
{
    const char *s = *at;
    *is_url = strncasecmp(s, "https://", 8) == 0 || strncasecmp(s, "http://", 7) == 0;
    if (!*is_url && strncasecmp(s, "hf://", 5) == 0)
        s += 5;
    if (*is_url)
        s = strstr(s, "//") + 2;
    size_t n = strcspn(s, "/?#");
    if (*is_url || is_host(s, n)) {
        if (n == 0 || n >= sizeof out->host || s[n] != '/' || memchr(s, '@', n))
            return refuse(name, "expected https://HOST/OWNER/REPO", err);
        snprintf(out->host, sizeof out->host, "%.*s", (int)n, s);
        s += n + 1;
    }
    *at = s;
    return true;
}

/* "/tree/main", "/resolve/main/x.gguf" */
static bool take_page(const char *s, const char *name, ct_hub_name *out, carat_err *err)
{
    size_t n = strcspn(s, "/");
    bool has_file = is_word_of(s, n, "blob") || is_word_of(s, n, "resolve") || is_word_of(s, n, "raw");
    if (!has_file && !is_word_of(s, n, "tree"))
        return refuse(name, "behind OWNER/REPO expected /tree/REVISION, or /resolve/REVISION/FILE", err);
    s += n + (s[n] == '/');
    n = strcspn(s, "/");
    if (n == 0 || n >= sizeof out->revision)
        return refuse(name, "the URL has no revision", err);
    snprintf(out->revision, sizeof out->revision, "%.*s", (int)n, s);
    s += n + (s[n] == '/');
    n = strlen(s);
    while (!has_file && n && s[n - 1] == '/')
        n--;
    if (n >= sizeof out->file || (has_file && n == 0))
        return refuse(name, "the URL has no file", err);
    if (has_file)
        snprintf(out->file, sizeof out->file, "%.*s", (int)n, s);
    else if (n)
        return refuse(name, "a folder of a repository; name the repository or a file of it", err);
    return true;
}

/* "OWNER/REPO", and what stands behind it. */
static bool take_repo(const char *s, const char *name, bool is_url, ct_hub_name *out, carat_err *err)
{
    size_t owner = strcspn(s, "/"), n = s[owner] ? owner + 1 + strcspn(s + owner + 1, is_url ? "/" : "/:") : owner;
    if (!s[owner])
        return refuse(name, "expected OWNER/REPO, or a short name like gemma-3-4b-it", err);
    if (n >= sizeof out->repo)
        return refuse(name, "too long", err);
    snprintf(out->repo, sizeof out->repo, "%.*s", (int)n, s);
    if (!ct_hub_repo_is_name(out->repo))
        return refuse(name, "an owner and a repository are letters, digits and . _ - each", err);
    s += n;
    if (*s == '/' && (s[1] || !out->host[0]))
        return out->host[0] ? take_page(s + 1, name, out, err)
                            : refuse(name, "expected OWNER/REPO; a file of it is given with --file", err);
    if (*s == ':' && (strlen(s + 1) >= sizeof out->tag || !s[1]))
        return refuse(name, "expected a quantisation behind the colon", err);
    snprintf(out->tag, sizeof out->tag, "%s", *s == ':' ? s + 1 : "");
    return true;
}

static bool read_short(const char *name, ct_hub_name *out)
{
    const char *tag;
    const ct_short *s = ct_short_find(name, &tag);
    if (!s)
        return false;
    snprintf(out->repo, sizeof out->repo, "%s", s->repo);
    snprintf(out->tag, sizeof out->tag, "%s", tag);
    out->licence = s->licence;
    return true;
}

bool ct_hub_name_read(const char *name, ct_hub_name *out, carat_err *err)
{
    char plain[MAX_NAME];
    const char *at = plain;
    bool is_url;
    *out = (ct_hub_name){ .licence = NULL };
    if (!*name || strlen(name) >= sizeof plain)
        return refuse(name, *name ? "too long" : "it is empty", err);
    if (!is_shown_as_it_is(name))
        return refuse(name, "it has control characters, or is not UTF-8", err);
    snprintf(plain, sizeof plain, "%s", name);
    if (read_short(plain, out))
        return true;
    if (!take_host(&at, name, &is_url, out, err))
        return false;
    if (out->host[0])
        plain[at - plain + (ptrdiff_t)strcspn(at, "?#")] = '\0'; /* ?download=true */
    if (!take_repo(at, name, is_url, out, err))
        return false;
    if (out->revision[0] && !ct_hub_revision_is_name(out->revision))
        return refuse(name, "a revision is letters, digits and . _ - /", err);
    if (out->file[0] && !ct_hub_file_is_name(out->file))
        return refuse(name, "its file's name cannot be one here", err);
    if (out->tag[0] && !ct_hub_file_is_name(out->tag))
        return refuse(name, "its tag cannot be one", err);
    return true;
}
