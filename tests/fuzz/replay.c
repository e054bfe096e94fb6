/* The fuzz targets' main() where there is no fuzzer: runs the target once on
 * each file named, so that every compiler and every make check replays what a
 * fuzzer once found. */

#include <config.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
replay(const char *file_name)
{
    FILE *file = fopen(file_name, "rb");
    uint8_t *data = NULL;
    size_t n = 0;
    size_t allocated = 0;

    if (!file) {
        ovs_fatal(errno, "%s", file_name);
    }
    for (;;) {
        if (n >= allocated) {
            data = x2nrealloc(data, &allocated, 1);
        }
        size_t chunk = fread(data + n, 1, allocated - n, file);
        if (!chunk) {
            break;
        }
        n += chunk;
    }
    fclose(file);
    LLVMFuzzerTestOneInput(data, n);
    free(data);
}

int
main(int argc, char *argv[])
{
    ovs_set_program_name(argv[0], "replay");
    if (argc < 2) {
        ovs_fatal(0, "usage: %s FILE...", argv[0]);
    }
    for (int i = 1; i < argc; i++) {
        replay(argv[i]);
    }
    return EXIT_SUCCESS;
}
