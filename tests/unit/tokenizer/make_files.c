/* Writes a vocabulary as tokenizer.json and tokenizer.model.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "make_files.h"

#include <stdlib.h>
#include <string.h>

/* U+2581 for spaces in pieces that spell them so (the GGUF's run tokens). Returns the bytes written. */
static size_t hf_spelling(const ct_piece *p, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < p->len; i++) {
        bool space = p->text[i] == ' ';
        memcpy(out + n, space ? "\xe2\x96\x81" : p->text + i, space ? 3 : 1);
        n += space ? 3 : 1;
    }
    return n;
}

static bool is_added(const ct_piece *p)
{
    return p->kind == CT_PIECE_CONTROL || p->kind == CT_PIECE_USER_DEFINED || p->kind == CT_PIECE_UNKNOWN;
}

static bool is_special(const char *s, size_t n)
{
    static const char *const names[] = {
        "<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>"
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == n && !memcmp(names[i], s, n))
            return true;
    return false;
}

static void quoted(ct_buf *out, const char *s, size_t n)
{
    ct_buf_char(out, '"');
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)s[i];
        if (c == '"' || c == '\\' || c < 0x20 || c == 0x7F)
            ct_buf_fmt(out, "\\u%04x", c);
        else
            ct_buf_char(out, s[i]);
    }
    ct_buf_char(out, '"');
}

/* ---- tokenizer.json ---- */

typedef struct merge {
    bool is_run;                    /* of an added token: goes first */
    uint16_t left, n_left, n_right; /* bytes; characters */
    uint32_t id;
    float score;
} merge;

static int by_rank(const void *va, const void *vb)
{
    const merge *a = va, *b = vb;
    if (a->is_run != b->is_run)
        return a->is_run ? -1 : 1;
    if (!a->is_run && a->score != b->score)
        return a->score > b->score ? -1 : 1;
    if (a->n_left != b->n_left)
        return a->n_left > b->n_left ? -1 : 1;
    if (a->n_right != b->n_right)
        return a->n_right > b->n_right ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static merge *list_merges(const vocab_file *v, const carat_tokenizer *t, size_t *n)
{
    size_t cap = 1 << 20;
    merge *list = malloc(cap * sizeof *list);
    *n = 0;
    for (size_t id = 0; list && id < v->n; id++) {
        const ct_piece *p = &v->pieces[id];
        char s[256];
        if (p->kind != CT_PIECE_NORMAL && p->kind != CT_PIECE_USER_DEFINED)
            continue;
        size_t len = hf_spelling(p, s), chars = 0, left = 0;
        for (size_t i = 0; i < len; i++)
            chars += ((uint8_t)s[i] & 0xC0) != 0x80;
        for (size_t i = 1; i < len; i++) {
            if (((uint8_t)s[i] & 0xC0) == 0x80)
                continue;
            left++;
            if (*n < cap && ct_tok_find(t, s, i) >= 0 && ct_tok_find(t, s + i, len - i) >= 0)
                list[(*n)++] = (merge){ p->kind == CT_PIECE_USER_DEFINED, (uint16_t)i,  (uint16_t)left,
                                        (uint16_t)(chars - left),         (uint32_t)id, p->score };
        }
    }
    if (list)
        qsort(list, *n, sizeof *list, by_rank);
    return list;
}

static void put_merges(const vocab_file *v, const merge *list, size_t n, bool as_strings, ct_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        char s[256];
        size_t len = hf_spelling(&v->pieces[list[i].id], s), left = list[i].left;
        ct_buf_str(out, i ? ",\n" : "\n");
        if (as_strings) {
            char both[257];
            memcpy(both, s, left);
            both[left] = ' ';
            memcpy(both + left + 1, s + left, len - left);
            quoted(out, both, len + 1);
            continue;
        }
        ct_buf_char(out, '[');
        quoted(out, s, left);
        ct_buf_str(out, ", ");
        quoted(out, s + left, len - left);
        ct_buf_char(out, ']');
    }
}

static void put_vocab(const vocab_file *v, bool only_added, ct_buf *out)
{
    for (size_t id = 0, n = 0; id < v->n; id++) {
        char s[256];
        size_t len = hf_spelling(&v->pieces[id], s);
        if (only_added && !is_added(&v->pieces[id]))
            continue;
        ct_buf_str(out, n++ ? ",\n" : "\n");
        if (only_added)
            ct_buf_fmt(out, "{\"id\": %zu, \"special\": %s, \"normalized\": false, \"content\": ", id,
                       is_special(s, len) ? "true" : "false");
        quoted(out, s, len);
        if (only_added)
            ct_buf_char(out, '}');
        else
            ct_buf_fmt(out, ": %zu", id);
    }
}

bool make_tokenizer_json(const vocab_file *v, const carat_tokenizer *t, bool as_strings, ct_buf *out)
{
    size_t n;
    merge *list = list_merges(v, t, &n);
    ct_buf_str(out, "{\"version\": \"1.0\", \"added_tokens\": [");
    put_vocab(v, true, out);
    ct_buf_fmt(out, ",\n{\"id\": %zu, \"special\": true, \"content\": \"<image_soft_token>\"}", v->n);
    ct_buf_str(out, "], \"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": "
                    "\"\xe2\x96\x81\"}, \"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"String\": \" \"}},"
                    "\"model\": {\"type\": \"BPE\", \"byte_fallback\": true, \"vocab\": {");
    put_vocab(v, false, out);
    ct_buf_str(out, "}, \"merges\": [");
    if (list)
        put_merges(v, list, n, as_strings, out);
    ct_buf_str(out, "]}}\n");
    free(list);
    return list && !out->failed;
}

/* ---- tokenizer.model ---- */

static void varint(ct_buf *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        ct_buf_char(out, (char)(v | 0x80));
    ct_buf_char(out, (char)v);
}

bool make_tokenizer_model(const vocab_file *v, ct_buf *out)
{
    for (size_t id = 0; id < v->n; id++) {
        const ct_piece *p = &v->pieces[id];
        char s[256];
        size_t len = hf_spelling(p, s);
        ct_buf_char(out, 1 << 3 | 2);
        varint(out, 2 + len + (len >= 0x80) + 5 + 2);
        ct_buf_char(out, 1 << 3 | 2);
        varint(out, len);
        ct_buf_add(out, s, len);
        float score = p->kind == CT_PIECE_NORMAL ? p->score : 0;
        ct_buf_char(out, 2 << 3 | 5);
        ct_buf_add(out, &score, 4);
        ct_buf_char(out, 3 << 3);
        varint(out, p->kind);
    }
    static const char specs[] = { 2 << 3 | 2, 5, 3 << 3, 2, (char)((35 << 3 & 0x7F) | 0x80),
                                  35 >> 4,    1, /* BPE, bytes */
                                  3 << 3 | 2, 4, 3 << 3, 0, 4 << 3,
                                  0 }; /* no prefix, white space stays */
    return ct_buf_add(out, specs, sizeof specs);
}
