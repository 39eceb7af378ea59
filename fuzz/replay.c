/* replay.c - runs a fuzz target over files: each file, or each file of each folder, given as an argument. Any compiler
 * will do. It ends with status 0 when all ran and there was at least one; a crash is a crash.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static long replayed;

/* The block has exactly the file's length, so that a sanitizer sees a read past its end. */
static int run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    if (!f || fstat(fileno(f), &st) != 0) {
        perror(path);
        if (f)
            fclose(f);
        return 1;
    }
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size ? size : 1);
    int bad = !data || fread(data, 1, size, f) != size;
    if (bad)
        fprintf(stderr, "%s: cannot be read\n", path);
    else
        LLVMFuzzerTestOneInput(data, size);
    replayed += !bad;
    free(data);
    fclose(f);
    return bad;
}

static int run_folder(const char *path, DIR *d)
{
    int bad = 0;
    for (struct dirent *e; (e = readdir(d));) {
        char file[4096];
        if (e->d_name[0] == '.')
            continue;
        int n = snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        bad |= n < 0 || (size_t)n >= sizeof file || run_file(file);
    }
    return bad;
}

int main(int argc, char **argv)
{
    int bad = 0;
    for (int i = 1; i < argc; i++) {
        DIR *d = opendir(argv[i]);
        if (d) {
            bad |= run_folder(argv[i], d);
            closedir(d);
        } else {
            bad |= run_file(argv[i]);
        }
    }
    printf("%ld inputs\n", replayed);
    return bad || replayed == 0;
}
