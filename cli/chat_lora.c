/* /lora in a conversation: which adapters there are, and how much of each counts from the next answer on.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat.h"
#include "term.h"

#define MOST 64

typedef struct chosen {
    carat_adapter_use uses[MOST]; /* [n], those of scale 0 too */
    size_t n;
} chosen;

/* As they were loaded; /lora changes them. */
static chosen *current(const chat *c)
{
    static chosen own; /* of the one conversation */
    for (; own.n < MOST; own.n++) {
        carat_adapter_use *u = &own.uses[own.n];
        *u = (carat_adapter_use){ .struct_size = sizeof *u };
        u->adapter = carat_engine_adapter(c->engine, own.n, &u->scale);
        if (!u->adapter)
            break;
    }
    return &own;
}

static void list(const chosen *all)
{
    char name[256];
    for (size_t i = 0; i < all->n; i++) {
        const carat_adapter_info *a = carat_adapter_describe(all->uses[i].adapter);
        printf("  %s  scale %g, rank %zu, %zu matrices\n", term_printable(a->name, name, sizeof name),
               all->uses[i].scale, a->rank, a->n_matrices);
    }
    if (!all->n)
        puts("  no adapters: --lora FILE loads them");
}

/* Those that count; more than the library takes it refuses. */
static bool apply(chat *c, const chosen *all)
{
    carat_adapter_use uses[MOST];
    carat_err err;
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++)
        if (all->uses[i].scale != 0)
            uses[n++] = all->uses[i];
    if (carat_session_use_adapters(c->session, uses, n, &err))
        return true;
    chat_fail(c, "/lora: %s", err.msg);
    return false;
}

/* "NAME=SCALE"; a name may have a '=' in it, a scale has none. */
static bool split(char *text, double *scale)
{
    char *is = strrchr(text, '='), *end;
    if (!is || is == text || !is[1])
        return false;
    *scale = strtod(is + 1, &end);
    *is = '\0';
    return !*end && isfinite(*scale);
}

void chat_lora(chat *c, const char *text)
{
    chosen *all = current(c);
    char name[512];
    double scale, before;
    size_t i = 0;
    if (!*text) {
        list(all);
        return;
    }
    snprintf(name, sizeof name, "%s", text);
    if (!split(name, &scale)) {
        chat_fail(c, "/lora NAME=SCALE: how much of an adapter counts; 0: nothing");
        return;
    }
    while (i < all->n && strcmp(carat_adapter_describe(all->uses[i].adapter)->name, name) != 0)
        i++;
    if (i == all->n) {
        chat_fail(c, "/lora: there is no adapter '%.80s'; /lora lists them", name);
        return;
    }
    before = all->uses[i].scale;
    all->uses[i].scale = scale;
    if (!apply(c, all))
        all->uses[i].scale = before;
}
