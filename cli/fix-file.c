#include <config.h>

#include "cli/fix-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/run-program.h"
#include "lib/diag-fix.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "state/load.h"
#include "state/model.h"
#include "util.h"

/* A correction can lay others bare, but not without end. */
enum { MAX_PASSES = 8 };

/* One file, again and again.  Returns the text to free, or NULL if there is
 * nothing that makes it better. */
static char *
fix_one(const struct diags *first, const char *file, const char *node,
        size_t *ret_n)
{
    size_t n_errors = first->n_errors;
    size_t n;
    char *text = diags_apply_fixes(first, file,
                                   shash_find_data(&first->sources, file),
                                   ret_n);

    for (int i = 0; *ret_n && i < MAX_PASSES; i++) {
        struct diags diags;

        diags_init(&diags);
        model_destroy(state_load_string(text, file, node, &diags));
        if (diags.n_errors > n_errors) {
            /* It is not what it seemed to be. */
            *ret_n = 0;
        }
        char *better = diags_apply_fixes(&diags, file, text, &n);
        diags_destroy(&diags);
        free(text);
        text = better;
        *ret_n += *ret_n ? n : 0;
        if (!n) {
            break;
        }
    }
    if (!*ret_n) {
        free(text);
        return NULL;
    }
    return text;
}

void
fix_files_find(struct fix_files *files, const struct diags *diags,
               const char *path, const char *node)
{
    const struct shash_node *source;

    shash_init(&files->texts);
    files->n = 0;
    SHASH_FOR_EACH (source, &diags->sources) {
        bool alone = !strcmp(source->name, path);
        size_t n;
        char *text = alone
                     ? fix_one(diags, path, node, &n)
                     : diags_apply_fixes(diags, source->name, source->data,
                                         &n);

        if (text && n) {
            shash_add(&files->texts, source->name, text);
            files->n += n;
        } else {
            free(text);
        }
    }
}

void
fix_files_destroy(struct fix_files *files)
{
    shash_destroy_free_data(&files->texts);
}

char *
fix_files_diff(const struct fix_files *files)
{
    const struct shash_node **sorted = shash_sort(&files->texts);
    struct ds out = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < shash_count(&files->texts); i++) {
        const char *name = sorted[i]->name;
        char *label = xasprintf("%s (corrected)", name);
        /* diff's exit code tells that there is a difference. */
        const char *const argv[] = {
            "/bin/sh", "-c", "diff -u --label \"$1\" --label \"$2\" -- \"$1\""
            " " PROGRAM_INPUT "; true", "sh", name, label, NULL,
        };
        char *output = NULL;
        char *error = program_run(argv, sorted[i]->data, &output);

        ds_put_format(&out, "%s\n", error ? error : output);
        free(output);
        free(error);
        free(label);
    }
    free(sorted);
    return ds_steal_cstr(&out);
}

static bool
write_all(int fd, const char *text)
{
    size_t len = strlen(text);

    while (len) {
        ssize_t n = write(fd, text, len);

        if (n < 0 && errno != EINTR) {
            return false;
        }
        text += MAX(n, 0);
        len -= MAX(n, 0);
    }
    return !fsync(fd);
}

/* The former file gets another name before the new one takes its place, and
 * there is one by that name at any moment. */
static int
replace_file(const char *path, const char *tmp, const char *text,
             const char *backup)
{
    struct stat st;
    int fd = -1;
    int error = 0;

    if (stat(path, &st)
        || (fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600))
           < 0) {
        return errno;
    }
    /* As far as this user may: who is not the owner leaves it his own. */
    ignore(fchown(fd, st.st_uid, st.st_gid));
    if (fchmod(fd, st.st_mode & 07777) || !write_all(fd, text)) {
        error = errno;
    }
    close(fd);
    if (!error && ((unlink(backup) && errno != ENOENT)
                   || link(path, backup) || rename(tmp, path))) {
        error = errno;
    }
    if (error) {
        unlink(tmp);
    }
    return error;
}

char *
fix_files_write(const struct fix_files *files)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &files->texts) {
        /* Behind a link, the file itself. */
        char *path = realpath(node->name, NULL);
        char *tmp = xasprintf("%s.fix-%ld", path ? path : node->name,
                              (long int) getpid());
        char *backup = xasprintf("%s~", path ? path : node->name);
        int error = path ? replace_file(path, tmp, node->data, backup)
                    : errno;

        free(path);
        free(tmp);
        free(backup);
        if (error) {
            return xasprintf("%s: %s", node->name, ovs_strerror(error));
        }
    }
    return NULL;
}
