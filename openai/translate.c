/* Languages, and the instruction that names two of them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "openai/translate.h"

#include <string.h>
#include <strings.h>

#include "base/trim.h"

/* clang-format off */
static const struct {
    const char *code, *name;
} languages[] = {
    { "aa", "Afar" },
    { "ab", "Abkhazian" },
    { "af", "Afrikaans" },
    { "ak", "Akan" },
    { "am", "Amharic" },
    { "an", "Aragonese" },
    { "ar", "Arabic" },
    { "as", "Assamese" },
    { "az", "Azerbaijani" },
    { "ba", "Bashkir" },
    { "be", "Belarusian" },
    { "bg", "Bulgarian" },
    { "bm", "Bambara" },
    { "bn", "Bengali" },
    { "bo", "Tibetan" },
    { "br", "Breton" },
    { "bs", "Bosnian" },
    { "ca", "Catalan" },
    { "ce", "Chechen" },
    { "co", "Corsican" },
    { "cs", "Czech" },
    { "cv", "Chuvash" },
    { "cy", "Welsh" },
    { "da", "Danish" },
    { "de", "German" },
    { "dv", "Divehi" },
    { "dz", "Dzongkha" },
    { "ee", "Ewe" },
    { "el", "Greek" },
    { "en", "English" },
    { "eo", "Esperanto" },
    { "es", "Spanish" },
    { "et", "Estonian" },
    { "eu", "Basque" },
    { "fa", "Persian" },
    { "ff", "Fulah" },
    { "fi", "Finnish" },
    { "fil", "Filipino" },
    { "fo", "Faroese" },
    { "fr", "French" },
    { "fy", "Western Frisian" },
    { "ga", "Irish" },
    { "gd", "Scottish Gaelic" },
    { "gl", "Galician" },
    { "gn", "Guarani" },
    { "gu", "Gujarati" },
    { "gv", "Manx" },
    { "ha", "Hausa" },
    { "he", "Hebrew" },
    { "hi", "Hindi" },
    { "hr", "Croatian" },
    { "ht", "Haitian" },
    { "hu", "Hungarian" },
    { "hy", "Armenian" },
    { "ia", "Interlingua" },
    { "id", "Indonesian" },
    { "ie", "Interlingue" },
    { "ig", "Igbo" },
    { "ii", "Sichuan Yi" },
    { "ik", "Inupiaq" },
    { "io", "Ido" },
    { "is", "Icelandic" },
    { "it", "Italian" },
    { "iu", "Inuktitut" },
    { "ja", "Japanese" },
    { "jv", "Javanese" },
    { "ka", "Georgian" },
    { "ki", "Kikuyu" },
    { "kk", "Kazakh" },
    { "kl", "Kalaallisut" },
    { "km", "Central Khmer" },
    { "kn", "Kannada" },
    { "ko", "Korean" },
    { "ks", "Kashmiri" },
    { "ku", "Kurdish" },
    { "kw", "Cornish" },
    { "ky", "Kyrgyz" },
    { "la", "Latin" },
    { "lb", "Luxembourgish" },
    { "lg", "Ganda" },
    { "ln", "Lingala" },
    { "lo", "Lao" },
    { "lt", "Lithuanian" },
    { "lu", "Luba-Katanga" },
    { "lv", "Latvian" },
    { "mg", "Malagasy" },
    { "mi", "Maori" },
    { "mk", "Macedonian" },
    { "ml", "Malayalam" },
    { "mn", "Mongolian" },
    { "mr", "Marathi" },
    { "ms", "Malay" },
    { "mt", "Maltese" },
    { "my", "Burmese" },
    { "nb", "Norwegian Bokmål" },
    { "nd", "North Ndebele" },
    { "ne", "Nepali" },
    { "nl", "Dutch" },
    { "nn", "Norwegian Nynorsk" },
    { "no", "Norwegian" },
    { "nr", "South Ndebele" },
    { "nv", "Navajo" },
    { "ny", "Chichewa" },
    { "oc", "Occitan" },
    { "om", "Oromo" },
    { "or", "Oriya" },
    { "os", "Ossetian" },
    { "pa", "Punjabi" },
    { "pl", "Polish" },
    { "ps", "Pashto" },
    { "pt", "Portuguese" },
    { "qu", "Quechua" },
    { "rm", "Romansh" },
    { "rn", "Rundi" },
    { "ro", "Romanian" },
    { "ru", "Russian" },
    { "rw", "Kinyarwanda" },
    { "sa", "Sanskrit" },
    { "sc", "Sardinian" },
    { "sd", "Sindhi" },
    { "se", "Northern Sami" },
    { "sg", "Sango" },
    { "si", "Sinhala" },
    { "sk", "Slovak" },
    { "sl", "Slovenian" },
    { "sn", "Shona" },
    { "so", "Somali" },
    { "sq", "Albanian" },
    { "sr", "Serbian" },
    { "ss", "Swati" },
    { "st", "Southern Sotho" },
    { "su", "Sundanese" },
    { "sv", "Swedish" },
    { "sw", "Swahili" },
    { "ta", "Tamil" },
    { "te", "Telugu" },
    { "tg", "Tajik" },
    { "th", "Thai" },
    { "ti", "Tigrinya" },
    { "tk", "Turkmen" },
    { "tl", "Tagalog" },
    { "tn", "Tswana" },
    { "to", "Tonga" },
    { "tr", "Turkish" },
    { "ts", "Tsonga" },
    { "tt", "Tatar" },
    { "ug", "Uyghur" },
    { "uk", "Ukrainian" },
    { "ur", "Urdu" },
    { "uz", "Uzbek" },
    { "ve", "Venda" },
    { "vi", "Vietnamese" },
    { "vo", "Volapük" },
    { "wa", "Walloon" },
    { "wo", "Wolof" },
    { "xh", "Xhosa" },
    { "yi", "Yiddish" },
    { "yo", "Yoruba" },
    { "za", "Zhuang" },
    { "zh", "Chinese" },
    { "zu", "Zulu" },
};
/* clang-format on */

/* Codes of ISO 639; a code with a region or script behind it names the same language in the template's list. */
const char *ct_language_name(const char *code)
{
    const size_t n = strcspn(code, "-_");
    for (size_t i = 0; i < sizeof languages / sizeof *languages; i++)
        if (strlen(languages[i].code) == n && strncasecmp(languages[i].code, code, n) == 0)
            return languages[i].name;
    return NULL;
}

static bool is_plain(const char *code)
{
    return strlen(code) < 16 &&
           code[strspn(code, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")] == '\0';
}

/* One subtag of a code, as the template's list spells it: "zh", "Hant", "TW", "polyton" (RFC 5646, section 2.1.1). */
static bool put_subtag(const char *s, size_t n, bool is_first, ct_buf *out)
{
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        const bool is_big = !is_first && (n == 2 || (n == 4 && i == 0));
        const char c = s[i];
        ok = ct_buf_char(out,
                         (char)((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ? (c & ~32) | (is_big ? 0 : 32) : c));
    }
    return ok;
}

/* Its name and "(de-AT)": what follows the language stands behind hyphens. */
static bool put_language(const char *name, const char *code, ct_buf *out)
{
    bool ok = ct_buf_str(out, name) && ct_buf_str(out, " (");
    for (const char *s = code; ok;) {
        const size_t n = strcspn(s, "-_");
        ok = put_subtag(s, n, s == code, out);
        s += n;
        if (!*s)
            break;
        s++;
        ok = ok && ct_buf_char(out, '-');
    }
    return ok && ct_buf_char(out, ')');
}

/* What both kinds of content begin with; names are the languages'. */
static bool put_beginning(const char *source, const char *target, const char *names[2], ct_buf *out, carat_err *err)
{
    const char *const codes[] = { source, target };
    for (int i = 0; i < 2; i++) {
        names[i] = is_plain(codes[i]) ? ct_language_name(codes[i]) : NULL;
        if (!names[i])
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                           "there is no language '%.20s' here, expected a code like de, en or pt-BR", codes[i]);
    }
    const bool ok =
        ct_buf_str(out, "You are a professional ") && put_language(names[0], source, out) && ct_buf_str(out, " to ") &&
        put_language(names[1], target, out) &&
        ct_buf_fmt(out,
                   " translator. Your goal is to accurately convey the meaning and nuances of the original %s text "
                   "while adhering to %s grammar, vocabulary, and cultural sensitivities.\n",
                   names[0], names[1]);
    return ok || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a text to translate");
}

bool ct_translate_ask(const char *source, const char *target, const char *text, size_t len, ct_buf *out, carat_err *err)
{
    const char *names[2];
    if (!put_beginning(source, target, names, out, err))
        return false;
    ct_trim(&text, &len);
    if (!len)
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE, "there is no text to translate");
    const bool ok =
        ct_buf_fmt(out,
                   "Produce only the %s translation, without any additional explanations or commentary. Please "
                   "translate the following %s text into %s:\n\n\n",
                   names[1], names[0], names[1]) &&
        ct_buf_add(out, text, len);
    return ok || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a text to translate");
}

bool ct_translate_ask_picture(const char *source, const char *target, ct_buf *out, carat_err *err)
{
    const char *names[2];
    if (!put_beginning(source, target, names, out, err))
        return false;
    const bool ok =
        ct_buf_fmt(out,
                   "Please translate the %s text in the provided image into %s. Produce only the %s translation, "
                   "without any additional explanations, alternatives or commentary. Focus only on the text, do not "
                   "output where the text is located, surrounding objects or any other explanation about the "
                   "picture. Ignore symbols, pictogram, and arrows!\n\n\n",
                   names[0], names[1], names[1]);
    return ok || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a picture to translate");
}
