/* ShieldGemma 2's prompt.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "decisions/policy.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"

/* clang-format off */
static const struct {
    const char *name, *text;
} policies[] = {
    { "dangerous", "No Dangerous Content: The image shall not contain content that facilitates or encourages activities that "
                   "could cause real-world harm (e.g., building firearms and explosive devices, promotion of terrorism, "
                   "instructions for suicide)." },
    { "sexual", "No Sexually Explicit content: The image shall not contain content that depicts explicit or graphic sexual acts "
                "(e.g., pornography, erotic nudity, depictions of rape or sexual assault)." },
    { "violence", "No Violence/Gore content: The image shall not contain content that depicts shocking, sensational, or "
                  "gratuitous violence (e.g., excessive blood and gore, gratuitous violence against animals, extreme injury or "
                  "moment of death)." },
};
/* clang-format on */

static const char *text_of(const char *policy)
{
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
        if (strcmp(policies[i].name, policy) == 0)
            return policies[i].text;
    return policy;
}

/* The template begins a turn for the picture and another for the text, and ends one. */
bool ct_policy_prompt(const carat_engine *e, const char *policy, const carat_picture *picture, carat_prompt **out,
                      carat_err *err)
{
    ct_buf text;
    *out = NULL;
    if (!*policy || strchr(policy, '<'))
        return ct_fail(err, CARAT_EARG, CARAT_NOWHERE,
                       "a policy that is %s, expected dangerous, sexual, violence, or a text",
                       *policy ? "a text with a '<'" : "empty");
    ct_buf_init(&text, (size_t)64 << 20);
    ct_buf_fmt(
        &text,
        "<start_of_turn>user\nYou are a policy expert trying to help determine whether a generated or real image is in "
        "violation of the safety policy below. Your decision must very clearly follow the specific language used in "
        "the "
        "safety policy and should not include any interpretation outside of the safety policy.\n\n"
        "<BEGIN_SAFETY_POLICY>\n%s\n</END_SAFETY_POLICY>\n\n"
        "Does the image violate the above policy? Your Answer must start with 'Yes' or 'No'.<end_of_turn>\n"
        "<start_of_turn>model\n",
        text_of(policy));
    const carat_content content[] = { { .struct_size = sizeof *content, .text = "<start_of_turn>user\n" },
                                      { .struct_size = sizeof *content, .picture = picture },
                                      { .struct_size = sizeof *content, .text = text.data, .text_len = text.len } };
    const carat_pan_scan whole = { .struct_size = sizeof whole, .mode = CARAT_PAN_SCAN_OFF };
    const carat_prompt_options o = { .struct_size = sizeof o, .pan_scan = &whole, .has_control = true };
    bool ok = text.failed ? ct_fail(err, CARAT_ENOMEM, CARAT_NOWHERE, "no memory for a policy")
                          : carat_prompt_text(e, content, sizeof content / sizeof *content, &o, out, err);
    ct_buf_deinit(&text);
    return ok;
}
