/* The values of JSON Schema's `format` (2020-12 Validation, section 7.3), as regular expressions.
 *
 * Where a standard lets rarely used texts in that a regular expression tells apart only at great length, the narrower
 * form is taken: whatever matches is valid.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "sample/grammar/formats.h"

#include <string.h>

/* RFC 3339; the 29th of February in leap years only, and no year 0, which programs seldom have. */
#define YEAR "(?:\\d{3}[1-9]|\\d\\d[1-9]0|\\d[1-9]00|[1-9]000)"
#define LEAP "(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][48]|[2468]0|[13579][26])00)"
#define DATE                                                                                                           \
    "(?:" YEAR "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)"                   \
    "|02-(?:0[1-9]|1\\d|2[0-8]))|" LEAP "-02-29)"
#define TIME "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)"
/* RFC 3339, appendix A. */
#define DURATION_TIME "T(?:\\d{1,9}H(?:\\d{1,9}M(?:\\d{1,9}S)?)?|\\d{1,9}M(?:\\d{1,9}S)?|\\d{1,9}S)"
#define DURATION_DATE "(?:\\d{1,9}Y(?:\\d{1,9}M(?:\\d{1,9}D)?)?|\\d{1,9}M(?:\\d{1,9}D)?|\\d{1,9}D)"
#define DURATION      "P(?:\\d{1,9}W|" DURATION_DATE "(?:" DURATION_TIME ")?|" DURATION_TIME ")"
/* RFC 1123; at most 4 labels of 63 characters, which is within 253 by leaving the last shorter. */
#define LABEL    "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define HOSTNAME "(?:" LABEL "\\.){0,2}" LABEL
#define ATOM     "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,32}"
#define BYTE     "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
#define IPV4     BYTE "\\." BYTE "\\." BYTE "\\." BYTE
/* RFC 4291, 2.2: eight groups, or fewer around one "::". */
#define H "[0-9A-Fa-f]{1,4}"
#define IPV6                                                                                                           \
    "(?:(?:" H ":){7}" H "|::(?:" H "(?::" H "){0,6})?|" H "::(?:" H "(?::" H "){0,5})?|" H ":" H "::(?:" H "(?::" H   \
    "){0,4})?|(?:" H ":){2}" H "::(?:" H "(?::" H "){0,3})?|(?:" H ":){3}" H "::(?:" H "(?::" H "){0,2})?|(?:" H       \
    ":){4}" H "::(?:" H "(?::" H ")?)?|(?:" H ":){5}" H "::(?:" H ")?|(?:" H ":){6}" H "::)"
/* RFC 3986. */
#define PCHAR "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
#define TAIL  "(?:\\?(?:" PCHAR "|[/?])*)?(?:#(?:" PCHAR "|[/?])*)?"
#define HOST  "(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})"
#define URI                                                                                                            \
    "[A-Za-z][A-Za-z0-9+.-]*:(?://(?:" HOST "*@)?" HOST "*(?::\\d*)?(?:/" PCHAR "*)*|/?(?:" PCHAR "+(?:/" PCHAR        \
    "*)*)?)" TAIL
#define RELATIVE "(?:/(?:" PCHAR "+(?:/" PCHAR "*)*)?|" HOST "+(?:/" PCHAR "*)*)?" TAIL
#define POINTER  "(?:/(?:[^/~]|~[01])*)*"

static const struct {
    const char *name, *pattern; /* NULL: of a number */
} formats[] = {
    { "date-time", DATE "T" TIME },
    { "date", DATE },
    { "time", TIME },
    { "duration", DURATION },
    { "email", ATOM "(?:\\." ATOM ")?@" HOSTNAME },
    { "hostname", HOSTNAME },
    { "ipv4", IPV4 },
    { "ipv6", IPV6 },
    { "uuid", "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}" },
    { "uri", URI },
    { "uri-reference", "(?:" URI "|" RELATIVE ")" },
    { "json-pointer", POINTER },
    { "relative-json-pointer", "(?:0|[1-9]\\d{0,9})(?:#|" POINTER ")" },
    { "int32", NULL },
    { "int64", NULL },
    { "float", NULL },
    { "double", NULL },
};

ct_format_kind ct_format_find(const char *name, const char **pattern)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, name) == 0) {
            *pattern = formats[i].pattern;
            return *pattern ? CT_FORMAT_TEXT : CT_FORMAT_NUMBER;
        }
    return CT_FORMAT_UNKNOWN;
}
