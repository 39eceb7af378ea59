/* A made-up vocabulary of any size with Gemma's control tokens in their places (gemma3 tokenizer, ids 0-137, 238-493,
 * 255999, 256000), every printable ASCII character, and filler words. Small tables get what fits.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/gguf_write.h"
#include "synth/synth.h"
#include "tokenizer/tokenizer.h"

#define FIRST_NEWLINES 107
#define FIRST_BYTE     238
#define FIRST_CHAR     494
#define START_OF_IMAGE 255999

static const char *const first[] = { "<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "[multimodal]" };

/* Writes the piece of one id to buf; returns its kind. */
static ct_piece_kind piece_of(size_t id, char buf[48])
{
    if (id < sizeof first / sizeof *first) {
        snprintf(buf, 48, "%s", first[id]);
        return id == 3 ? CT_PIECE_UNKNOWN : CT_PIECE_CONTROL;
    }
    if (id == 105 || id == 106 || id == START_OF_IMAGE || id == START_OF_IMAGE + 1) {
        snprintf(buf, 48, "<%s_of_%s>", id == 105 || id == START_OF_IMAGE ? "start" : "end",
                 id < 200 ? "turn" : "image");
        return CT_PIECE_CONTROL;
    }
    if (id >= FIRST_NEWLINES && id < FIRST_NEWLINES + 31) {
        size_t n = id - FIRST_NEWLINES + 1;
        memset(buf, '\n', n);
        buf[n] = '\0';
        return CT_PIECE_USER_DEFINED;
    }
    if (id >= FIRST_BYTE && id < FIRST_BYTE + 256) {
        snprintf(buf, 48, "<0x%02X>", (unsigned)(id - FIRST_BYTE));
        return CT_PIECE_BYTE;
    }
    if (id >= FIRST_CHAR && id < FIRST_CHAR + 94) {
        snprintf(buf, 48, "%c", (char)('!' + id - FIRST_CHAR));
        return CT_PIECE_NORMAL;
    }
    if (id == FIRST_CHAR + 94) {
        snprintf(buf, 48, "\xe2\x96\x81"); /* the space */
        return CT_PIECE_NORMAL;
    }
    snprintf(buf, 48, "\xe2\x96\x81w%zu", id);
    return CT_PIECE_NORMAL;
}

bool ct_synth_vocab(ct_gguf_writer *w, size_t n, carat_err *err)
{
    ct_str *texts = calloc(n, sizeof *texts);
    float *scores = calloc(n, sizeof *scores);
    int32_t *kinds = calloc(n, sizeof *kinds);
    char *all = calloc(n, 48);
    bool ok = texts && scores && kinds && all;
    for (size_t id = 0; ok && id < n; id++) {
        char *piece = all + id * 48;
        kinds[id] = (int32_t)piece_of(id, piece);
        texts[id] = (ct_str){ piece, strlen(piece) };
        scores[id] = -(float)id;
    }
    if (ok) {
        ct_gguf_writer_text(w, "tokenizer.ggml.model", "llama");
        ct_gguf_writer_texts(w, "tokenizer.ggml.tokens", texts, n);
        ct_gguf_writer_f32s(w, "tokenizer.ggml.scores", scores, n);
        ct_gguf_writer_i32s(w, "tokenizer.ggml.token_type", kinds, n);
        ct_gguf_writer_u32(w, "tokenizer.ggml.bos_token_id", 2);
        ct_gguf_writer_u32(w, "tokenizer.ggml.eos_token_id", 1);
        ct_gguf_writer_bool(w, "tokenizer.ggml.add_bos_token", true);
        ct_gguf_writer_bool(w, "tokenizer.ggml.add_space_prefix", false);
    } else {
        ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a vocabulary of %zu tokens", n);
    }
    free(texts);
    free(scores);
    free(kinds);
    free(all);
    return ok;
}
