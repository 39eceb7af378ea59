/* pattern.h - keys of PEFT's rank_pattern and alpha_pattern: regular expressions over the end of a module's name.
 *
 * PEFT applies a key as re.match("^(.*\.)?(KEY)$", module). Most keys are names, "q_proj" or "layers.3.mlp.up_proj"; of
 * expressions those are honoured whose meaning in Python and POSIX is the same: . * + ? | ( ) [ ] ^ $, \. and \d.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_ADAPTER_PATTERN_H
#define CT_ADAPTER_PATTERN_H

#include "base/err.h"

/* Does the key mean this module? Errors: CARAT_EUNSUPPORTED (an expression beyond those), CARAT_EFORMAT (none), CARAT_ENOMEM;
 * each names the key. */
bool ct_pattern_fits(const char *key, const char *module, bool *fits, carat_err *err);

#endif
