/* A grammar over a vocabulary: masks of tokens from an automaton over bytes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/grammar/grammar.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "sample/grammar/automaton.h"

#define N_SEEN   32  /* masks kept, those used last */
#define MOST_RUN 512 /* bytes of text that only one way leads through, looked at at once */

/* An answer's place in the grammar. */
typedef struct follower follower;
struct follower {
    ct_grammar *g;
    follower *next, **link; /* in the grammar's list */
    size_t n_vocab;
    uint32_t state;
    ct_ids run; /* the tokens of the only text that can follow, from run_at on; the last may be any that fits */
    size_t run_at;
    bool has_run; /* run belongs to this place */
    bool has_failed;
    carat_err why;
};

/* The mask of a state, once computed. */
typedef struct seen {
    uint32_t state; /* CT_DEAD: free */
    uint64_t used;
    uint32_t *bits;
} seen;

struct ct_grammar {
    char *name;
    ct_program program;
    const ct_trie *trie;
    atomic_uint holders;
    pthread_mutex_t lock; /* over everything below */
    ct_automaton *automaton;
    follower *followers;
    seen seen[N_SEEN];
    uint64_t clock;
    size_t much; /* bytes of states beyond which some are forgotten */
};

static size_t words(const ct_grammar *g)
{
    return (g->trie->n_tokens + 31) / 32;
}

/* ---- memory that grows ---- */

static void forget_masks(ct_grammar *g)
{
    for (size_t i = 0; i < N_SEEN; i++)
        g->seen[i].state = CT_DEAD;
}

/* Forgets every state that no answer is at. False: no memory. */
static bool compact(ct_grammar *g)
{
    size_t n = 0, i = 0;
    for (follower *f = g->followers; f; f = f->next)
        n++;
    uint32_t *states = malloc((n + 1) * sizeof *states);
    if (!states)
        return false;
    for (follower *f = g->followers; f; f = f->next)
        states[i++] = f->state;
    const bool ok = ct_automaton_compact(g->automaton, states, n);
    i = 0;
    for (follower *f = g->followers; ok && f; f = f->next)
        f->state = states[i++];
    free(states);
    if (ok)
        forget_masks(g);
    /* What is left is needed: to look for more again and again would take time and give nothing. */
    const size_t left = ct_automaton_bytes(g->automaton);
    g->much = left < CT_GRAMMAR_MOST_BYTES ? left + (CT_GRAMMAR_MOST_BYTES - left) / 2 : CT_GRAMMAR_MOST_BYTES;
    return ok;
}

/* Before work that makes states. */
static void make_room(ct_grammar *g)
{
    if (ct_automaton_bytes(g->automaton) > g->much || ct_automaton_failed(g->automaton, NULL))
        compact(g);
}

/* ---- steps ---- */

static bool is_control(const ct_grammar *g, int32_t id)
{
    return id >= 0 && (size_t)id < g->trie->n_tokens && ct_tok_is_samplable(g->trie->tok, id) &&
           ct_tok_is_control(g->trie->tok, id);
}

/* A control token has no text: what is free to be no text at all lets it come, and is where it was. */
static bool lets_control(const ct_grammar *g, uint32_t state)
{
    return ct_automaton_step(g->automaton, state, CT_NO_TEXT) != CT_DEAD;
}

#define MANY 20 /* characters: more may follow where anything may be said, hardly ever where a text is given */

/* A name in the vocabulary that means no text, such as <unused7>, comes where an answer is free, and where the form itself has such
 * text (a choice of <unused0> and <unused1>): there few characters may follow its first one. In a string of anything it would be a
 * word that nobody has written. */
static bool lets_placeholder(const ct_grammar *g, uint32_t state, uint8_t first)
{
    int n = 0;
    if (lets_control(g, state))
        return true;
    const uint32_t next = ct_automaton_step(g->automaton, state, first);
    for (int c = ' '; next != CT_DEAD && c < 0x7F; c++)
        n += ct_automaton_step(g->automaton, next, (uint8_t)c) != CT_DEAD;
    return n <= MANY;
}

static bool may_come(const ct_grammar *g, uint32_t state, int32_t id)
{
    size_t len;
    return !ct_tok_is_placeholder(g->trie->tok, id) ||
           lets_placeholder(g, state, (uint8_t)*ct_tok_bytes(g->trie->tok, id, &len));
}

static uint32_t step_token(const ct_grammar *g, uint32_t state, int32_t id)
{
    size_t len;
    if (is_control(g, id))
        return lets_control(g, state) ? state : CT_DEAD;
    const char *s = ct_tok_bytes(g->trie->tok, id, &len);
    for (size_t i = 0; i < len && state != CT_DEAD; i++)
        state = ct_automaton_step(g->automaton, state, (uint8_t)s[i]);
    return len ? state : CT_DEAD;
}

/* Writes the only bytes that can follow; returns how many. */
static size_t only_text(const ct_grammar *g, uint32_t state, char *out, size_t most)
{
    size_t n = 0;
    for (int byte; n < most && (byte = ct_automaton_only_byte(g->automaton, state)) >= 0; n++) {
        out[n] = (char)byte;
        state = ct_automaton_step(g->automaton, state, (uint8_t)byte);
    }
    return n;
}

static bool is_in_trie(const ct_grammar *g, int32_t id)
{
    return id >= 0 && (size_t)id < g->trie->n_tokens && ct_tok_is_samplable(g->trie->tok, id) &&
           !ct_tok_is_control(g->trie->tok, id);
}

/* Finds the run at this place, if it is not known. The last token of one is left out, so a run of one is none. */
static void look_for_run(follower *f)
{
    char text[MOST_RUN];
    ct_grammar *g = f->g;
    if (f->has_run)
        return;
    f->run.n = f->run_at = 0;
    f->has_run = true;
    size_t len = only_text(g, f->state, text, sizeof text);
    len -= ct_utf8_incomplete(text, len);
    if (len < 2 || !ct_tok_encode(g->trie->tok, text, len, 0, &f->run, NULL)) {
        f->run.n = 0;
        return;
    }
    f->run.n -= f->run.n > 0;
    for (size_t i = 0; i < f->run.n; i++)
        if (!is_in_trie(g, f->run.v[i]) || (size_t)f->run.v[i] >= f->n_vocab)
            f->run.n = i;
}

static int32_t forced_token(follower *f)
{
    look_for_run(f);
    return f->run_at < f->run.n ? f->run.v[f->run_at] : -1;
}

/* ---- the mask ---- */

static bool allows(void *self, int32_t id)
{
    follower *f = self;
    ct_grammar *g = f->g;
    if (!is_in_trie(g, id) && !is_control(g, id))
        return false;
    pthread_mutex_lock(&g->lock);
    make_room(g);
    const int32_t forced = forced_token(f);
    const bool ok = forced >= 0 ? id == forced : may_come(g, f->state, id) && step_token(g, f->state, id) != CT_DEAD;
    pthread_mutex_unlock(&g->lock);
    return ok;
}

static void set_bit(uint32_t *bits, int32_t id)
{
    bits[id / 32] |= 1u << (id % 32);
}

static void clear_bit(uint32_t *bits, int32_t id)
{
    bits[id / 32] &= ~(1u << (id % 32));
}

static void walk(const ct_grammar *g, uint32_t state, uint32_t *bits)
{
    const ct_trie *t = g->trie;
    size_t len;
    uint32_t states[UINT8_MAX + 1] = { state }; /* after each byte of the path */
    for (uint32_t i = 0; i < t->n_nodes;) {
        const ct_trie_node *n = &t->nodes[i];
        const uint32_t to = ct_automaton_step(g->automaton, states[n->depth - 1], n->byte);
        if (to == CT_DEAD) {
            i = n->end;
            continue;
        }
        states[n->depth] = to;
        for (int32_t id = n->token; id >= 0; id = t->twins[id])
            set_bit(bits, id);
        i++;
    }
    for (size_t i = 0; i < t->n_controls && lets_control(g, state); i++)
        set_bit(bits, t->controls[i]);
    const bool lets_angle = lets_placeholder(g, state, '<'), lets_bracket = lets_placeholder(g, state, '[');
    for (size_t i = 0; i < t->n_placeholders; i++)
        if (*ct_tok_bytes(t->tok, t->placeholders[i], &len) == '<' ? !lets_angle : !lets_bracket)
            clear_bit(bits, t->placeholders[i]);
}

/* The mask of a state: a computed one, or the place for it with *is_new. NULL: no memory. */
static uint32_t *mask_of(ct_grammar *g, uint32_t state, bool *is_new)
{
    seen *oldest = &g->seen[0];
    *is_new = false;
    for (size_t i = 0; i < N_SEEN; i++) {
        seen *s = &g->seen[i];
        if (s->state == state) {
            s->used = ++g->clock;
            return s->bits;
        }
        if (s->state == CT_DEAD || (oldest->state != CT_DEAD && s->used < oldest->used))
            oldest = s;
    }
    *is_new = true;
    if (!oldest->bits)
        oldest->bits = malloc(words(g) * sizeof *oldest->bits);
    if (oldest->bits) {
        oldest->state = state;
        oldest->used = ++g->clock;
        memset(oldest->bits, 0, words(g) * sizeof *oldest->bits);
    }
    return oldest->bits;
}

static bool compute(ct_grammar *g, uint32_t state, uint32_t **out, carat_err *err)
{
    bool is_new;
    *out = mask_of(g, state, &is_new);
    if (!*out)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for a mask", g->name);
    if (is_new)
        walk(g, state, *out);
    if (!ct_automaton_failed(g->automaton, err))
        return true;
    forget_masks(g);
    return ct_fail_in(err, "%s", g->name);
}

static bool fill_locked(follower *f, uint32_t *bits, carat_err *err)
{
    ct_grammar *g = f->g;
    const size_t n = (f->n_vocab + 31) / 32, have = words(g);
    if (f->has_failed) {
        if (err)
            *err = f->why;
        return false;
    }
    make_room(g);
    const int32_t forced = forced_token(f);
    if (forced >= 0) {
        memset(bits, 0, n * sizeof *bits);
        set_bit(bits, forced);
        return true;
    }
    uint32_t *mask;
    if (!compute(g, f->state, &mask, err))
        return false;
    memcpy(bits, mask, (n < have ? n : have) * sizeof *bits);
    if (n > have)
        memset(bits + have, 0, (n - have) * sizeof *bits);
    return true;
}

static bool fill(void *self, uint32_t *bits, carat_err *err)
{
    follower *f = self;
    pthread_mutex_lock(&f->g->lock);
    const bool ok = fill_locked(f, bits, err);
    pthread_mutex_unlock(&f->g->lock);
    return ok;
}

static size_t forced(void *self, int32_t *ids, size_t most)
{
    follower *f = self;
    pthread_mutex_lock(&f->g->lock);
    make_room(f->g);
    look_for_run(f);
    pthread_mutex_unlock(&f->g->lock);
    size_t n = f->run.n - f->run_at;
    n = n < most ? n : most;
    if (n)
        memcpy(ids, f->run.v + f->run_at, n * sizeof *ids);
    return n;
}

static void accept(void *self, int32_t id)
{
    follower *f = self;
    pthread_mutex_lock(&f->g->lock);
    make_room(f->g);
    look_for_run(f);
    f->state = step_token(f->g, f->state, id);
    f->has_run = f->run_at < f->run.n && f->run.v[f->run_at] == id && ++f->run_at < f->run.n;
    if (ct_automaton_failed(f->g->automaton, &f->why)) {
        ct_fail_in(&f->why, "%s", f->g->name);
        f->has_failed = true;
    }
    pthread_mutex_unlock(&f->g->lock);
}

static bool may_end(const void *self)
{
    const follower *f = self;
    pthread_mutex_lock(&f->g->lock);
    const bool yes = ct_automaton_may_end(f->g->automaton, f->state);
    pthread_mutex_unlock(&f->g->lock);
    return yes;
}

static void close_mask(void *self)
{
    follower *f = self;
    ct_grammar *g = f->g;
    pthread_mutex_lock(&g->lock);
    *f->link = f->next;
    if (f->next)
        f->next->link = f->link;
    pthread_mutex_unlock(&g->lock);
    ct_ids_deinit(&f->run);
    free(f);
    ct_grammar_release(g);
}

bool ct_grammar_mask(ct_grammar *g, size_t n_vocab, ct_mask *out, carat_err *err)
{
    follower *f = calloc(1, sizeof *f);
    if (!f)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for a mask", g->name);
    *f = (follower){ .g = ct_grammar_hold(g), .n_vocab = n_vocab };
    pthread_mutex_lock(&g->lock);
    make_room(g);
    f->state = ct_automaton_start(g->automaton);
    f->next = g->followers;
    f->link = &g->followers;
    if (f->next)
        f->next->link = &f->next;
    g->followers = f;
    const bool ok = !ct_automaton_failed(g->automaton, err);
    pthread_mutex_unlock(&g->lock);
    *out = (ct_mask){ f, g->name, allows, fill, forced, accept, may_end, close_mask };
    if (!ok)
        close_mask(f);
    return ok || ct_fail_in(err, "%s", g->name);
}

/* ---- the grammar ---- */

/* Every byte needs a token of its own, so that no text leads into a place that no token leads out of. */
static bool has_every_byte(const char *what, const ct_program *p, const ct_trie *t, carat_err *err)
{
    ct_byteset has = { { 0 } };
    for (uint32_t i = 0; i < t->n_nodes; i = t->nodes[i].end)
        if (t->nodes[i].token >= 0)
            ct_byteset_add(&has, t->nodes[i].byte);
    for (uint32_t i = 0; i < p->n_sets; i++)
        for (int w = 0; w < 4; w++)
            if (p->sets[i].bits[w] & ~has.bits[w])
                return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                               "%s: the vocabulary has no token for byte 0x%02X, which may have to come", what,
                               64 * w + __builtin_ctzll(p->sets[i].bits[w] & ~has.bits[w]));
    return true;
}

bool ct_grammar_open(const char *what, const ct_rules *rules, uint32_t root, const ct_trie *trie, ct_grammar **out,
                     carat_err *err)
{
    *out = NULL;
    ct_grammar *g = calloc(1, sizeof *g);
    if (!g)
        return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for it", what);
    atomic_init(&g->holders, 1);
    pthread_mutex_init(&g->lock, NULL);
    g->trie = trie;
    g->much = CT_GRAMMAR_MOST_BYTES / 2;
    g->name = strdup(what);
    bool ok = g->name || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "%s: no memory for it", what);
    ok = ok && ct_program_build(what, rules, root, &g->program, err) && has_every_byte(what, &g->program, trie, err) &&
         ct_automaton_open(&g->program, CT_GRAMMAR_MOST_BYTES, &g->automaton, err);
    if (ok && ct_automaton_start(g->automaton) == CT_DEAD && ct_automaton_failed(g->automaton, err))
        ok = ct_fail_in(err, "%s", what);
    if (!ok) {
        ct_grammar_release(g);
        return false;
    }
    *out = g;
    return true;
}

ct_grammar *ct_grammar_hold(ct_grammar *g)
{
    atomic_fetch_add(&g->holders, 1);
    return g;
}

void ct_grammar_release(ct_grammar *g)
{
    if (!g || atomic_fetch_sub(&g->holders, 1) != 1)
        return;
    ct_automaton_close(g->automaton);
    ct_program_free(&g->program);
    for (size_t i = 0; i < N_SEEN; i++)
        free(g->seen[i].bits);
    pthread_mutex_destroy(&g->lock);
    free(g->name);
    free(g);
}

bool ct_grammar_matches(ct_grammar *g, const char *text, size_t len, bool *matches, carat_err *err)
{
    pthread_mutex_lock(&g->lock);
    make_room(g);
    uint32_t state = ct_automaton_start(g->automaton);
    for (size_t i = 0; i < len && state != CT_DEAD; i++)
        state = ct_automaton_step(g->automaton, state, (uint8_t)text[i]);
    *matches = ct_automaton_may_end(g->automaton, state);
    const bool ok = !ct_automaton_failed(g->automaton, err);
    pthread_mutex_unlock(&g->lock);
    return ok || ct_fail_in(err, "%s", g->name);
}

size_t ct_grammar_bytes(ct_grammar *g)
{
    pthread_mutex_lock(&g->lock);
    size_t bytes = sizeof *g + ct_program_bytes(&g->program) + ct_automaton_bytes(g->automaton);
    for (size_t i = 0; i < N_SEEN; i++)
        bytes += g->seen[i].bits ? words(g) * sizeof(uint32_t) : 0;
    pthread_mutex_unlock(&g->lock);
    return bytes;
}
