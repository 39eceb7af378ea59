/* quantise_iq.c - blocks of IQ1, IQ2 and IQ3 written from their entries and scales: the mirror image of unpack_iq.c.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/le.h"
#include "quant/fit_codebook.h"
#include "quant/quantise.h"

static void put_iq2_xxs(const ct_coded *c, uint8_t *b)
{
    ct_put_le16(b, c->d);
    for (int g = 0; g < 8; g++) {
        uint32_t tail = (uint32_t)c->s[g] << 28;
        for (int k = 0; k < 4; k++) {
            b[2 + 8 * g + k] = (uint8_t)c->entry[4 * g + k];
            tail |= (uint32_t)(c->signs[4 * g + k] & 127) << (7 * k);
        }
        ct_put_le32(b + 2 + 8 * g + 4, tail);
    }
}

/* The nibbles of 16 groups. */
static void put_scales(const ct_coded *c, uint8_t *b)
{
    for (int g = 0; g < 16; g += 2)
        b[g / 2] = (uint8_t)(c->s[g] | c->s[g + 1] << 4);
}

static void put_iq2_xs(const ct_coded *c, uint8_t *b)
{
    ct_put_le16(b, c->d);
    for (int k = 0; k < 32; k++)
        ct_put_le16(b + 2 + 2 * k, (uint16_t)(c->entry[k] | (c->signs[k] & 127) << 9));
    put_scales(c, b + 66);
}

static void put_iq2_s(const ct_coded *c, uint8_t *b)
{
    memset(b, 0, 82);
    ct_put_le16(b, c->d);
    for (int k = 0; k < 32; k++) {
        b[2 + k] = (uint8_t)c->entry[k];
        b[34 + k] = c->signs[k];
        b[66 + k / 4] |= (uint8_t)((c->entry[k] >> 8) << (2 * (k % 4)));
    }
    put_scales(c, b + 74);
}

static void put_iq3_xxs(const ct_coded *c, uint8_t *b)
{
    ct_put_le16(b, c->d);
    for (int k = 0; k < 64; k++)
        b[2 + k] = (uint8_t)c->entry[k];
    for (int g = 0; g < 8; g++) {
        uint32_t tail = (uint32_t)c->s[g] << 28;
        for (int k = 0; k < 4; k++)
            tail |= (uint32_t)(c->signs[4 * g + k] & 127) << (7 * k);
        ct_put_le32(b + 66 + 4 * g, tail);
    }
}

static void put_iq3_s(const ct_coded *c, uint8_t *b)
{
    memset(b, 0, 110);
    ct_put_le16(b, c->d);
    for (int k = 0; k < 64; k++) {
        b[2 + k] = (uint8_t)c->entry[k];
        b[66 + k / 8] |= (uint8_t)((c->entry[k] >> 8) << (k % 8));
    }
    memcpy(b + 74, c->signs, 32);
    for (int g = 0; g < 8; g++)
        b[106 + g / 2] |= (uint8_t)(c->s[g] << (4 * (g % 2)));
}

static void put_iq1_s(const ct_coded *c, uint8_t *b)
{
    ct_put_le16(b, c->d);
    for (int g = 0; g < 8; g++) {
        unsigned high = (unsigned)c->s[g] << 12 | (c->minus[4 * g] ? 0x8000u : 0);
        for (int k = 0; k < 4; k++) {
            b[2 + 4 * g + k] = (uint8_t)c->entry[4 * g + k];
            high |= (unsigned)(c->entry[4 * g + k] >> 8) << (3 * k);
        }
        ct_put_le16(b + 34 + 2 * g, (uint16_t)high);
    }
}

static void put_iq1_m(const ct_coded *c, uint8_t *b)
{
    memset(b, 0, 56);
    for (int k = 0; k < 32; k++) {
        b[k] = (uint8_t)c->entry[k];
        b[32 + k / 2] |= (uint8_t)((c->entry[k] >> 8 | (c->minus[k] ? 8 : 0)) << (4 * (k % 2)));
    }
    for (int i = 0; i < 4; i++) {
        unsigned scales = (unsigned)(c->d >> (4 * i) & 15) << 12;
        for (int g = 0; g < 4; g++)
            scales |= (unsigned)c->s[4 * i + g] << (3 * g);
        ct_put_le16(b + 48 + 2 * i, (uint16_t)scales);
    }
}

/* n blocks, each of which `put` writes. */
static void fit_each(ct_book book, const ct_stretch *s, int n, ct_type type, void (*put)(const ct_coded *c, uint8_t *b),
                     uint8_t *b)
{
    ct_coded c[2];
    ct_fit_codebook(book, s, n, c);
    for (int k = 0; k < n; k++)
        put(&c[k], b + k * ct_type_get(type)->bytes);
}

#define QUANTISE(T, t)                                                                                                 \
    void CT_AT_LEVEL(ct_quantise_##t)(const ct_stretch *s, int n, uint8_t *b)                                          \
    {                                                                                                                  \
        fit_each(CT_BOOK_##T, s, n, CT_##T, put_##t, b);                                                               \
    }
QUANTISE(IQ1_S, iq1_s)
QUANTISE(IQ1_M, iq1_m)
QUANTISE(IQ2_XXS, iq2_xxs)
QUANTISE(IQ2_XS, iq2_xs)
QUANTISE(IQ2_S, iq2_s)
QUANTISE(IQ3_XXS, iq3_xxs)
QUANTISE(IQ3_S, iq3_s)
