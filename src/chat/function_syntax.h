/* function_syntax.h - FunctionGemma's own way to write functions, calls and results. <...> are control tokens.
 *
 *   <start_function_declaration>declaration:get_time{description:<escape>Local time<escape>,parameters:{properties:{city:{
 *     description:<escape>Its name<escape>,type:<escape>STRING<escape>}},required:[<escape>city<escape>],type:<escape>OBJECT
 *     <escape>}}<end_function_declaration>                                                            (all in one line)
 *   <start_function_call>call:get_time{city:<escape>Oslo<escape>,days:3}<end_function_call>
 *   <start_function_response>response:get_time{time:<escape>09:15<escape>}<end_function_response>
 *
 * A string stands between two <escape>, as it is; numbers are as they were written. Members are sorted by name, as the
 * published template does it (without regard to case, as Jinja's dictsort). What is no object, of arguments or of a
 * result, is {value:...}.
 *
 * A declaration has of an argument what the format has places for: description (always), enum, properties and required of
 * an object, items of an array, whether it may be null, type (of several the first that is not null). All else of its
 * schema is left out, as by the template.
 *
 * Sources: https://ai.google.dev/gemma/docs/functiongemma/formatting-and-best-practices; the template for FunctionGemma in
 * Google's LiteRT-LM (how turns follow each other).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_CHAT_FUNCTION_SYNTAX_H
#define CT_CHAT_FUNCTION_SYNTAX_H

#include "chat/template.h"

/* What the published guide has the developer say where nobody else says anything: it makes the model call functions. */
#define CT_FUNCTION_TRIGGER "You are a model that can do function calling with the following functions"

/* Each returns false when there is no memory or the text is full. */
bool ct_function_declare(ct_segments *p, const carat_tools *tools);
/* arguments, content: compact JSON. name NULL: not known. */
bool ct_function_call(ct_segments *p, const char *name, const char *arguments, size_t len);
bool ct_function_result(ct_segments *p, const char *name, const char *content, size_t len);

#endif
