/* Finds a file of the page among those that embed.py has put into the program.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "web/page.h"

#include <string.h>

#include "web/page_data.h"

const ct_page_file *ct_page_files(size_t *n)
{
    *n = ct_page_data_n;
    return ct_page_data;
}

const ct_page_file *ct_page_find(const char *path)
{
    if (*path == '/')
        path++;
    if (!*path)
        path = "index.html";
    for (size_t i = 0; i < ct_page_data_n; i++)
        if (!strcmp(ct_page_data[i].path, path))
            return &ct_page_data[i];
    return NULL;
}
