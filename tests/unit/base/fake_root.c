/* Made-up files below a temporary folder.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fake_root.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "unit.h"

char fake_root[64];

void fake_root_put(const char *path, const char *text)
{
    char full[512], *slash = full;
    snprintf(full, sizeof full, "%s%s", fake_root, path);
    while ((slash = strchr(slash + 1, '/'))) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

int fake_root_begin(void **state)
{
    (void)state;
    snprintf(fake_root, sizeof fake_root, "/tmp/carat-root-XXXXXX");
    return mkdtemp(fake_root) ? 0 : -1;
}

int fake_root_end(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", fake_root);
    return system(command);
}
