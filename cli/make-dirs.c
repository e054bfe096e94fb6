#include <config.h>

#include "cli/make-dirs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

static char *
describe_error(const char *path, int error)
{
    return xasprintf("%s: %s%s", path, ovs_strerror(error),
                     error == EACCES && geteuid() ? "; are you root?" : "");
}

char *
make_dirs(const char *dir, mode_t mode)
{
    char *path = xstrdup(dir);
    char *error = NULL;

    for (char *p = path + 1; !error; p++) {
        char c = *p;

        if (c != '/' && c != '\0') {
            continue;
        }
        *p = '\0';
        if (mkdir(path, mode) && errno != EEXIST) {
            error = describe_error(path, errno);
        }
        if (c == '\0') {
            break;
        }
        *p = c;
    }
    if (!error && access(path, W_OK)) {
        error = describe_error(path, errno);
    }
    free(path);
    return error;
}
