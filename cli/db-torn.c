#include <config.h>
#include "cli/db-torn.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lockfile.h"
#include "sha1.h"
#include "util.h"

#define MAGIC "OVSDB JSON "
/* With room for the length and the checksum. */
#define MAX_HEADER 128

/* Reads a header.  False: it is none, or not whole. */
static bool
read_header(FILE *f, uint64_t *length, uint8_t sha1[SHA1_DIGEST_SIZE])
{
    char line[MAX_HEADER], hex[SHA1_HEX_DIGEST_LEN + 1];

    return (fgets(line, sizeof line, f)
            && strchr(line, '\n')
            && sscanf(line, MAGIC "%"SCNu64" %40[0-9a-f]", length, hex) == 2
            && sha1_from_hex(sha1, hex));
}

static bool
data_is_whole(FILE *f, uint64_t length, const uint8_t sha1[SHA1_DIGEST_SIZE])
{
    uint8_t chunk[65536], actual[SHA1_DIGEST_SIZE];
    struct sha1_ctx ctx;

    sha1_init(&ctx);
    while (length) {
        size_t n = fread(chunk, 1, MIN(length, sizeof chunk), f);

        if (!n) {
            return false;
        }
        sha1_update(&ctx, chunk, n);
        length -= n;
    }
    sha1_final(&ctx, actual);
    return !memcmp(actual, sha1, sizeof actual);
}

/* Whether another record begins after 'offset'. */
static bool
more_follow(FILE *f, off_t offset)
{
    char *line = NULL;
    size_t size = 0;
    bool more = false;

    clearerr(f);
    if (fseeko(f, offset + 1, SEEK_SET)) {
        return true;
    }
    while (!more && getline(&line, &size, f) > 0) {
        more = !strncmp(line, MAGIC, strlen(MAGIC));
    }
    free(line);
    return more || ferror(f);
}

/* Where the last record begins, if that is not whole; else -1.  The first is
 * the schema: without it there is nothing. */
static off_t
find_torn(FILE *f)
{
    uint8_t sha1[SHA1_DIGEST_SIZE];
    uint64_t length;
    off_t begin = 0;

    for (;;) {
        int c = getc(f);

        if (c == EOF) {
            return -1;
        }
        ungetc(c, f);
        if (!read_header(f, &length, sha1)
            || !data_is_whole(f, length, sha1)) {
            return begin && !ferror(f) && !more_follow(f, begin) ? begin : -1;
        }
        begin = ftello(f);
    }
}

static char *
cut(const char *file, off_t *ret_cut)
{
    FILE *f = fopen(file, "r+");
    char *error = NULL;

    if (!f) {
        return xasprintf("%s: %s", file, ovs_strerror(errno));
    }
    off_t torn = find_torn(f);
    if (torn > 0) {
        if (fseeko(f, 0, SEEK_END)) {
            error = xasprintf("%s: %s", file, ovs_strerror(errno));
        } else {
            *ret_cut = ftello(f) - torn;
            if (ftruncate(fileno(f), torn) || fsync(fileno(f))) {
                error = xasprintf("%s: %s", file, ovs_strerror(errno));
            }
        }
    }
    fclose(f);
    return error;
}

char *
db_torn_cut(const char *file, off_t *ret_cut)
{
    struct lockfile *lock;
    char *error = NULL;

    *ret_cut = 0;
    if (!lockfile_lock(file, &lock)) {
        error = cut(file, ret_cut);
        lockfile_unlock(lock);
    }
    return error;
}
