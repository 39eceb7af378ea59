/* Languages, and the instruction that names two of them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "openai/translate.h"

#include <string.h>
#include <strings.h>

/* clang-format off */
static const struct {
    const char *code, *name;
} languages[] = {
    { "af", "Afrikaans" },
    { "am", "Amharic" },
    { "ar", "Arabic" },
    { "as", "Assamese" },
    { "az", "Azerbaijani" },
    { "be", "Belarusian" },
    { "bg", "Bulgarian" },
    { "bn", "Bengali" },
    { "bs", "Bosnian" },
    { "ca", "Catalan" },
    { "cs", "Czech" },
    { "cy", "Welsh" },
    { "da", "Danish" },
    { "de", "German" },
    { "el", "Greek" },
    { "en", "English" },
    { "eo", "Esperanto" },
    { "es", "Spanish" },
    { "et", "Estonian" },
    { "eu", "Basque" },
    { "fa", "Persian" },
    { "fi", "Finnish" },
    { "fil", "Filipino" },
    { "fo", "Faroese" },
    { "fr", "French" },
    { "ga", "Irish" },
    { "gd", "Scottish Gaelic" },
    { "gl", "Galician" },
    { "gu", "Gujarati" },
    { "ha", "Hausa" },
    { "he", "Hebrew" },
    { "hi", "Hindi" },
    { "hr", "Croatian" },
    { "ht", "Haitian Creole" },
    { "hu", "Hungarian" },
    { "hy", "Armenian" },
    { "id", "Indonesian" },
    { "ig", "Igbo" },
    { "is", "Icelandic" },
    { "it", "Italian" },
    { "ja", "Japanese" },
    { "jv", "Javanese" },
    { "ka", "Georgian" },
    { "kk", "Kazakh" },
    { "km", "Khmer" },
    { "kn", "Kannada" },
    { "ko", "Korean" },
    { "ku", "Kurdish" },
    { "ky", "Kyrgyz" },
    { "la", "Latin" },
    { "lb", "Luxembourgish" },
    { "lo", "Lao" },
    { "lt", "Lithuanian" },
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
    { "ne", "Nepali" },
    { "nl", "Dutch" },
    { "nn", "Norwegian Nynorsk" },
    { "no", "Norwegian" },
    { "or", "Odia" },
    { "pa", "Punjabi" },
    { "pl", "Polish" },
    { "ps", "Pashto" },
    { "pt", "Portuguese" },
    { "ro", "Romanian" },
    { "ru", "Russian" },
    { "rw", "Kinyarwanda" },
    { "sd", "Sindhi" },
    { "si", "Sinhala" },
    { "sk", "Slovak" },
    { "sl", "Slovenian" },
    { "so", "Somali" },
    { "sq", "Albanian" },
    { "sr", "Serbian" },
    { "su", "Sundanese" },
    { "sv", "Swedish" },
    { "sw", "Swahili" },
    { "ta", "Tamil" },
    { "te", "Telugu" },
    { "tg", "Tajik" },
    { "th", "Thai" },
    { "tk", "Turkmen" },
    { "tr", "Turkish" },
    { "tt", "Tatar" },
    { "uk", "Ukrainian" },
    { "ur", "Urdu" },
    { "uz", "Uzbek" },
    { "vi", "Vietnamese" },
    { "xh", "Xhosa" },
    { "yi", "Yiddish" },
    { "yo", "Yoruba" },
    { "zh", "Chinese" },
    { "zu", "Zulu" },
};
/* clang-format on */

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

/* Its name and "(de-AT)", as the template has them: regions behind a hyphen. */
static bool put_language(const char *name, const char *code, ct_buf *out)
{
    bool ok = ct_buf_str(out, name) && ct_buf_str(out, " (");
    for (const char *s = code; ok && *s; s++)
        ok = ct_buf_char(out, *s == '_' ? '-' : *s);
    return ok && ct_buf_char(out, ')');
}

bool ct_translate_ask(const char *source, const char *target, const char *text, size_t len, ct_buf *out, carat_err *err)
{
    const char *const codes[] = { source, target };
    const char *names[2];
    for (int i = 0; i < 2; i++) {
        names[i] = is_plain(codes[i]) ? ct_language_name(codes[i]) : NULL;
        if (!names[i])
            return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                           "there is no language '%.20s' here, expected a code like de, en or pt-BR", codes[i]);
    }
    bool ok =
        ct_buf_str(out, "You are a professional ") && put_language(names[0], source, out) && ct_buf_str(out, " to ") &&
        put_language(names[1], target, out) &&
        ct_buf_fmt(out,
                   " translator. Your goal is to accurately convey the meaning and nuances of the original %s text "
                   "while adhering to %s grammar, vocabulary, and cultural sensitivities.\n"
                   "Produce only the %s translation, without any additional explanations or commentary. Please "
                   "translate the following %s text into %s:\n\n\n",
                   names[0], names[1], names[1], names[0], names[1]) &&
        ct_buf_add(out, text, len);
    return ok || ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a text to translate");
}
