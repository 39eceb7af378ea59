/* Builds a tokenizer's tables from a list of pieces: lookup, characters, merge ranks, added tokens.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/vocab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/utf8.h"
#include "tokenizer/known_pieces.h"

static const char image_soft_token[] = "<image_soft_token>";

static bool no_memory(carat_err *err)
{
    return ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "vocabulary: no memory for its tables");
}

/* ---- copying ---- */

static bool check_piece(const ct_piece *p, size_t id, carat_err *err)
{
    if (p->len > CT_TOK_MAX_PIECE)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "vocabulary: piece %zu has %zu bytes, at most %u expected",
                       id, p->len, CT_TOK_MAX_PIECE);
    if (ct_utf8_valid(p->text, p->len) != p->len)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "vocabulary: piece %zu is not valid UTF-8", id);
    if (!isfinite(p->score))
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "vocabulary: piece %zu has the score %f, expected a number",
                       id, (double)p->score);
    if ((int)p->kind < 0 || p->kind > CT_PIECE_BYTE)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "vocabulary: piece %zu has type %d, expected 1 to 6", id,
                       (int)p->kind);
    return true;
}

size_t ct_vocab_decoded(char *out, const char *s, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; n++) {
        if (s[i] == '\xe2' && len - i >= 3 && s[i + 1] == '\x96' && s[i + 2] == '\x81') {
            out[n] = ' ';
            i += 3;
        } else {
            out[n] = s[i++];
        }
    }
    return n;
}

static bool copy_pieces(carat_tokenizer *t, const ct_vocab_source *src, carat_err *err)
{
    if (!src->n || src->n > CT_TOK_MAX_PIECES)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "vocabulary: %zu pieces, expected 1 to %u", src->n,
                       CT_TOK_MAX_PIECES);
    size_t bytes = sizeof image_soft_token; /* at most 2^20 pieces of 1024 bytes: no sum here can overflow */
    for (size_t i = 0; i < src->n; i++) {
        if (!check_piece(&src->pieces[i], i, err))
            return false;
        bytes += src->pieces[i].len;
    }
    size_t n = src->n + 1; /* room for an image_soft_token the file leaves out */
    t->text = malloc(bytes);
    t->start = malloc((n + 1) * sizeof *t->start);
    t->kind = malloc(n);
    t->is_special = calloc(n, 1);
    if (!t->text || !t->start || !t->kind || !t->is_special)
        return no_memory(err);
    t->start[0] = 0;
    for (size_t i = 0; i < src->n; i++)
        t->start[i + 1] =
            t->start[i] + (uint32_t)ct_vocab_decoded(t->text + t->start[i], src->pieces[i].text, src->pieces[i].len);
    t->n = (uint32_t)src->n;
    t->facts.n_pieces = src->n;
    return true;
}

/* ---- kinds ---- */

static bool set_kinds(carat_tokenizer *t, const ct_vocab_source *src, carat_err *err)
{
    const ct_piece *pieces = src->pieces;
    size_t n_wrong = 0, first_wrong = 0;
    memset(t->byte_id, -1, sizeof t->byte_id);
    for (int b = 0; b < 256; b++)
        t->bytes[b] = (char)b;
    for (size_t i = 0; i < t->n; i++) {
        const ct_piece *p = &pieces[i];
        uint8_t byte = 0;
        ct_name name = ct_name_of(p->text, p->len, &byte);
        if (src->lists_added && name == CT_NAME_ADDED)
            name = CT_NAME_NONE;
        bool is_wrong;
        ct_piece_kind kind = ct_name_repair(name, p->kind ? p->kind : CT_PIECE_NORMAL, &is_wrong);
        if (is_wrong && !n_wrong++)
            first_wrong = i;
        if (kind == CT_PIECE_BYTE && name != CT_NAME_BYTE)
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                           "vocabulary: piece %zu '%.*s' is typed as a byte, expected <0x00> to <0xFF>", i,
                           (int)(p->len < 32 ? p->len : 32), p->text);
        if (name == CT_NAME_BYTE && t->byte_id[byte] < 0)
            t->byte_id[byte] = (int32_t)i;
        t->kind[i] = (uint8_t)kind;
        t->is_special[i] = kind == CT_PIECE_CONTROL;
    }
    for (int b = 0; b < 256; b++)
        if (t->byte_id[b] < 0)
            return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "vocabulary: no piece <0x%02X> for the byte %d", b, b);
    if (n_wrong)
        ct_logf(CARAT_LOG_WARN, "vocabulary: repaired the type of %zu pieces, the first is %zu '%.*s'", n_wrong,
                first_wrong, (int)pieces[first_wrong].len, pieces[first_wrong].text);
    return true;
}

/* ---- the table of pieces ---- */

/* Eight bytes at a time: multiply and fold. The table's place comes from the low half, the tag is the high half. */
static uint64_t hash(const char *s, size_t len)
{
    uint64_t h = len * 0x9E3779B97F4A7C15ull, w = 0;
    while (len >= 8) {
        memcpy(&w, s, 8);
        h = (h ^ w) * 0xD6E8FEB86659FD93ull;
        h ^= h >> 32;
        s += 8, len -= 8;
    }
    w = 0;
    for (size_t i = 0; i < len; i++)
        w |= (uint64_t)(uint8_t)s[i] << (8 * i);
    h = (h ^ w) * 0xD6E8FEB86659FD93ull;
    h ^= h >> 32;
    return h * 0xD6E8FEB86659FD93ull;
}

static bool is_piece(const carat_tokenizer *t, int32_t id, const char *s, size_t len)
{
    return ct_vocab_len(t, id) == len && !memcmp(t->text + t->start[id], s, len);
}

int32_t ct_vocab_lookup(const carat_tokenizer *t, const char *s, size_t len)
{
    uint64_t h = hash(s, len);
    uint32_t tag = (uint32_t)(h >> 32);
    for (uint32_t i = (uint32_t)h & t->slot_mask;; i = (i + 1) & t->slot_mask) {
        const ct_slot *slot = &t->slots[i];
        if (slot->id < 0 || (slot->tag == tag && is_piece(t, slot->id, s, len)))
            return slot->id;
    }
}

/* Of equal pieces the first is found, but one that text can become goes before one that it cannot. Pieces made to
 * collide would cost their square: the work is limited to many times what a normal vocabulary needs (about 2 steps a
 * piece). */
static bool fill_slots(carat_tokenizer *t, carat_err *err)
{
    uint32_t size = 512;
    while (size < 2 * (t->n + 1))
        size *= 2;
    t->slots = malloc(size * sizeof *t->slots);
    if (!t->slots)
        return no_memory(err);
    memset(t->slots, -1, size * sizeof *t->slots);
    t->slot_mask = size - 1;
    uint64_t budget = 64ull * t->n + 4096;
    for (int32_t id = 0; id < (int32_t)t->n; id++) {
        const char *s = t->text + t->start[id];
        uint64_t h = hash(s, ct_vocab_len(t, id));
        uint32_t tag = (uint32_t)(h >> 32), i = (uint32_t)h & t->slot_mask;
        while (t->slots[i].id >= 0 &&
               !(t->slots[i].tag == tag && is_piece(t, t->slots[i].id, s, ct_vocab_len(t, id)))) {
            i = (i + 1) & t->slot_mask;
            if (!budget--)
                return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE,
                               "vocabulary: its pieces collide in the hash table; the file is crafted or damaged");
        }
        if (t->slots[i].id < 0 || (!ct_vocab_is_text(t, t->slots[i].id) && ct_vocab_is_text(t, id)))
            t->slots[i] = (ct_slot){ tag, id };
    }
    return true;
}

/* ---- characters ---- */

static bool make_char_pages(carat_tokenizer *t, carat_err *err)
{
    size_t n_pages = 0;
    for (int32_t id = 0; id < (int32_t)t->n; id++) {
        uint32_t cp;
        size_t len = ct_vocab_len(t, id);
        if (ct_vocab_is_text(t, id) && len && len <= 4 && ct_utf8_next(t->text + t->start[id], len, &cp) == len &&
            !t->char_page[cp >> 8])
            t->char_page[cp >> 8] = (uint16_t)++n_pages;
    }
    t->char_ids = malloc((n_pages + 1) * sizeof *t->char_ids);
    if (!t->char_ids)
        return no_memory(err);
    memset(t->char_ids, -1, (n_pages + 1) * sizeof *t->char_ids);
    return true;
}

/* Fills the pieces of one character, and which characters stand side by side in longer ones. */
static bool index_chars(carat_tokenizer *t, carat_err *err)
{
    t->pairs = calloc((1u << CT_PAIR_BITS) / 64, sizeof *t->pairs);
    if (!t->pairs)
        return no_memory(err);
    if (!make_char_pages(t, err))
        return false;
    for (int32_t id = 0; id < (int32_t)t->n; id++) {
        size_t len = ct_vocab_len(t, id);
        if (!ct_vocab_is_text(t, id) || !len)
            continue;
        const char *s = t->text + t->start[id];
        uint32_t cp, next;
        size_t at = ct_utf8_next(s, len, &cp);
        int32_t *slot = at == len ? &t->char_ids[t->char_page[cp >> 8] - 1][cp & 0xFF] : NULL;
        if (slot && *slot < 0)
            *slot = id;
        for (; at < len; cp = next) {
            at += ct_utf8_next(s + at, len - at, &next);
            uint32_t h = ct_pair_hash(cp, next);
            t->pairs[h >> 6] |= 1ull << (h & 63);
        }
    }
    return true;
}

/* ---- added tokens ---- */

/* A run of spaces in a GGUF stands for a run of U+2581, written to *room. Anything else is matched as it stands. */
static ct_pattern pattern_of(const ct_piece *p, int32_t id, bool runs_in_spaces, char **room)
{
    ct_pattern q = { p->text, (uint32_t)p->len, id };
    for (size_t i = 0; i < p->len; i++)
        if (!runs_in_spaces || p->text[i] != ' ')
            return q;
    q.text = *room;
    for (size_t i = 0; i < p->len; i++, *room += 3)
        memcpy(*room, "\xe2\x96\x81", 3);
    q.len *= 3;
    return q;
}

static bool make_matcher(carat_tokenizer *t, const ct_vocab_source *src, carat_err *err)
{
    size_t n = 0, bytes = 0;
    for (size_t i = 0; i < src->n; i++)
        if (t->kind[i] == CT_PIECE_CONTROL || t->kind[i] == CT_PIECE_USER_DEFINED)
            n++, bytes += src->pieces[i].len * 3;
    ct_pattern *patterns = malloc((n + 1) * sizeof *patterns);
    char *room = malloc(bytes + 1), *used = room;
    bool ok = patterns && room;
    if (ok) {
        n = 0;
        for (size_t i = 0; i < src->n; i++)
            if (t->kind[i] == CT_PIECE_CONTROL || t->kind[i] == CT_PIECE_USER_DEFINED)
                patterns[n++] = pattern_of(&src->pieces[i], (int32_t)i, src->runs_in_spaces, &used);
        if (t->n > src->n)
            patterns[n++] = (ct_pattern){ image_soft_token, sizeof image_soft_token - 1, (int32_t)src->n };
        ok = ct_matcher_init(&t->matcher, patterns, n);
    }
    free(room);
    free(patterns);
    return ok || no_memory(err);
}

/* ---- facts ---- */

static int32_t find(const carat_tokenizer *t, const char *name)
{
    return ct_vocab_lookup(t, name, strlen(name));
}

/* A text-only model's table ends before <image_soft_token>, whose id is then the next one: it does have the markers
 * around an image, and tokenizer.json has the token itself. It is added here, so that all three sources agree. */
static void add_image_soft_token(carat_tokenizer *t)
{
    size_t len = sizeof image_soft_token - 1;
    memcpy(t->text + t->start[t->n], image_soft_token, len);
    t->kind[t->n] = CT_PIECE_CONTROL;
    t->is_special[t->n] = 1;
    t->n++;
    t->start[t->n] = t->start[t->n - 1] + (uint32_t)len;
}

static bool has_piece(const ct_vocab_source *src, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < src->n; i++)
        if (src->pieces[i].len == len && !memcmp(src->pieces[i].text, name, len))
            return true;
    return false;
}

static bool set_facts(carat_tokenizer *t, carat_err *err)
{
    ct_tok_info *f = &t->facts;
    f->bos = find(t, "<bos>");
    f->eos = find(t, "<eos>");
    f->pad = find(t, "<pad>");
    f->unk = find(t, "<unk>");
    f->start_of_turn = find(t, "<start_of_turn>");
    f->end_of_turn = find(t, "<end_of_turn>");
    f->start_of_image = find(t, "<start_of_image>");
    f->end_of_image = find(t, "<end_of_image>");
    f->image_soft_token = find(t, image_soft_token);
    if (f->bos < 0 || f->eos < 0)
        return ct_fail(err, CARAT_EFORMAT, CARAT_NOWHERE, "vocabulary: no piece '%s', which Gemma's has",
                       f->bos < 0 ? "<bos>" : "<eos>");
    return true;
}

/* ---- building ---- */

static bool rank(carat_tokenizer *t, const ct_vocab_source *src, carat_err *err)
{
    if (src->rank)
        return src->rank(src->arg, t, err);
    float *scores = calloc(t->n, sizeof *scores);
    if (!scores)
        return no_memory(err);
    for (size_t i = 0; i < src->n; i++)
        scores[i] = src->pieces[i].score;
    bool ok = ct_vocab_rank_by_score(t, scores, err);
    free(scores);
    return ok;
}

bool ct_vocab_build(const ct_vocab_source *src, carat_tokenizer **out, carat_err *err)
{
    *out = NULL;
    carat_tokenizer *t = calloc(1, sizeof *t);
    if (!t)
        return no_memory(err);
    if (!copy_pieces(t, src, err) || !set_kinds(t, src, err))
        goto fail;
    if (has_piece(src, "<start_of_image>") && !has_piece(src, image_soft_token))
        add_image_soft_token(t);
    if (!fill_slots(t, err) || !index_chars(t, err) || !make_matcher(t, src, err) || !set_facts(t, err) ||
        !rank(t, src, err))
        goto fail;
    *out = t;
    return true;
fail:
    ct_tokenizer_close(t);
    return false;
}

bool ct_tokenizer_from_pieces(const ct_piece *pieces, size_t n, carat_tokenizer **out, carat_err *err)
{
    return ct_vocab_build(&(ct_vocab_source){ .pieces = pieces, .n = n, .runs_in_spaces = true }, out, err);
}

void ct_tokenizer_close(carat_tokenizer *t)
{
    if (!t)
        return;
    ct_matcher_deinit(&t->matcher);
    free(t->text);
    free(t->start);
    free(t->kind);
    free(t->is_special);
    free(t->slots);
    free(t->rank);
    free(t->first_merge);
    free(t->merges);
    free(t->char_ids);
    free(t->pairs);
    free(t);
}

/* ---- asking ---- */

const ct_tok_info *ct_tok_facts(const carat_tokenizer *t)
{
    return &t->facts;
}

bool ct_tok_is_control(const carat_tokenizer *t, int32_t id)
{
    return id >= 0 && (uint32_t)id < t->n && t->is_special[id];
}

bool ct_tok_is_added(const carat_tokenizer *t, int32_t id)
{
    return id >= 0 && (uint32_t)id < t->n &&
           (t->kind[id] == CT_PIECE_CONTROL || t->kind[id] == CT_PIECE_USER_DEFINED || t->kind[id] == CT_PIECE_UNUSED);
}

bool ct_tok_is_placeholder(const carat_tokenizer *t, int32_t id)
{
    return ct_tok_is_added(t, id) && ct_name_is_placeholder(t->text + t->start[id], ct_vocab_len(t, id));
}

bool ct_tok_is_samplable(const carat_tokenizer *t, int32_t id)
{
    return id >= 0 && (uint32_t)id < t->n && t->kind[id] != CT_PIECE_UNUSED && id != t->facts.image_soft_token;
}

bool ct_tok_can_end(const carat_tokenizer *t, int32_t id)
{
    if (id < 0 || (uint32_t)id >= t->n)
        return false;
    const char *s = t->text + t->start[id];
    size_t len = ct_vocab_len(t, id), n_space = 0;
    while (n_space < len && strchr(" \t\n\r", s[n_space]) && s[n_space])
        n_space++;
    bool is_marker = len > 4 && !memcmp(s, "<|", 2) && !memcmp(s + len - 2, "|>", 2);
    return t->kind[id] == CT_PIECE_CONTROL || (t->kind[id] == CT_PIECE_USER_DEFINED && n_space < len) ||
           (t->kind[id] == CT_PIECE_NORMAL && is_marker);
}

void ct_tok_make_control(carat_tokenizer *t, int32_t id)
{
    t->is_special[id] = 1;
}

int32_t ct_tok_find(const carat_tokenizer *t, const char *piece, size_t len)
{
    char decoded[CT_TOK_MAX_PIECE];
    if (len > sizeof decoded)
        return -1;
    return ct_vocab_lookup(t, decoded, ct_vocab_decoded(decoded, piece, len));
}
