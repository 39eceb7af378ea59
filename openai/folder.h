/* folder.h - names that requests give, in a folder that the operator gives.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_OPENAI_FOLDER_H
#define CT_OPENAI_FOLDER_H

/* The path of what is called so in the folder, or below it, as a full path or one that begins at the folder; the caller's. NULL:
 * there is nothing, it is beside the folder, a link leads out of it, or there is no memory. */
char *ct_openai_path_in(const char *folder, const char *name);

#endif
