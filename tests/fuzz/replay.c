/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target over every file of the folders given, without a fuzzer: "replay_NAME
 * FOLDER..." ends with the number of inputs, and fails if there were none. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The whole file, allocated at its exact size, so that a sanitizer sees any access beyond it.  NULL
 * and a message if it cannot be read. */
static uint8_t *read_file(const char *path, size_t size)
{
    uint8_t *data = malloc(size > 0 ? size : 1);
    FILE *file = fopen(path, "rb");

    if (!data || !file || fread(data, 1, size, file) != size) {
        fprintf(stderr, "%s: cannot be read\n", path);
        free(data);
        data = NULL;
    }
    if (file) {
        fclose(file);
    }
    return data;
}

/* Runs the input at the path if it is a file, and counts it. */
static bool replay_file(const char *path, size_t *count)
{
    struct stat status;
    uint8_t *data;

    if (stat(path, &status) != 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    if (!S_ISREG(status.st_mode)) {
        return true;
    }
    data = read_file(path, (size_t)status.st_size);
    if (!data) {
        return false;
    }
    printf("%s\n", path);
    fflush(stdout); /* so that the last line names the input that ends the program */
    (void)LLVMFuzzerTestOneInput(data, (size_t)status.st_size);
    free(data);
    (*count)++;
    return true;
}

static bool replay_folder(const char *folder, size_t *count)
{
    struct dirent **entries = NULL;
    const int found = scandir(folder, &entries, NULL, alphasort);
    bool good = true;

    if (found < 0) {
        fprintf(stderr, "%s: %s\n", folder, strerror(errno));
        return false;
    }
    for (int i = 0; i < found; i++) {
        char *path = NULL;

        if (good && asprintf(&path, "%s/%s", folder, entries[i]->d_name) < 0) {
            fprintf(stderr, "%s: out of memory\n", folder);
            path = NULL;
            good = false;
        }
        good = good && replay_file(path, count);
        free(path);
        free(entries[i]);
    }
    free(entries);
    return good;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    bool good = true;

    for (int i = 1; i < argc; i++) {
        good = replay_folder(argv[i], &count) && good;
    }
    printf("%zu inputs replayed\n", count);
    return good && count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
