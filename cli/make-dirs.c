#include <config.h>

#include "cli/make-dirs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

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
            error = xasprintf("%s: %s%s", path, ovs_strerror(errno),
                              errno == EACCES && geteuid()
                              ? "; are you root?" : "");
        }
        if (c == '\0') {
            break;
        }
        *p = c;
    }
    free(path);
    return error;
}
