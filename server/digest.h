/* digest.h - what identifies a model's files without reading them whole: Ollama's clients show the beginning of it, and end where
 * there is none.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CT_SERVER_DIGEST_H
#define CT_SERVER_DIGEST_H

#include <stdbool.h>

#define CT_DIGEST 65

/* SHA-256 over a file's size, its first and its last MiB, or over those of a folder's main files; 64 hexadecimal digits, "" where
 * nothing can be read. It is not the file's own SHA-256. */
void ct_digest_of(const char *path, char to[CT_DIGEST]);

#endif
