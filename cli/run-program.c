#include <config.h>

#include "cli/run-program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "openvswitch/dynamic-string.h"
#include "socket-util.h"
#include "util.h"

enum { INPUT_FD = 3 };

char *
program_find(const char *name)
{
    const char *env = getenv("PATH");
    char *path = xasprintf("%s:/usr/sbin:/sbin:/usr/bin:/bin",
                           env ? env : "");
    char *found = NULL;
    char *save = NULL;

    for (char *dir = strtok_r(path, ":", &save); dir && !found;
         dir = strtok_r(NULL, ":", &save)) {
        char *file = xasprintf("%s/%s", dir, name);

        if (!access(file, X_OK)) {
            found = file;
        } else {
            free(file);
        }
    }
    free(path);
    return found;
}

/* A file in memory that holds 'input', or -1. */
static int
input_open(const char *input)
{
    int fd = memfd_create("input", MFD_CLOEXEC);

    if (fd >= 0) {
        size_t bytes_written;

        if (write_fully(fd, input, strlen(input), &bytes_written)
            || lseek(fd, 0, SEEK_SET)) {
            close(fd);
            return -1;
        }
    }
    return fd;
}

/* In the child: never returns. */
static void OVS_NO_RETURN
child_exec(const char *const argv[], int input_fd, int output_fd)
{
    dup2(output_fd, STDOUT_FILENO);
    dup2(output_fd, STDERR_FILENO);
    if (input_fd == INPUT_FD) {
        fcntl(input_fd, F_SETFD, 0);
    } else if (input_fd >= 0) {
        dup2(input_fd, INPUT_FD);
    }
    execv(argv[0], CONST_CAST(char *const *, argv));
    _exit(127);
}

static void
read_all(int fd, struct ds *output)
{
    char buf[4096];
    ssize_t n;

    while ((n = read(fd, buf, sizeof buf)) > 0 || (n < 0 && errno == EINTR)) {
        if (n > 0) {
            ds_put_buffer(output, buf, n);
        }
    }
}

static char *
child_wait(pid_t pid, const char *name, const char *output)
{
    int status;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return xasprintf("%s: %s", name, ovs_strerror(errno));
        }
    }
    if (WIFEXITED(status) && !WEXITSTATUS(status)) {
        return NULL;
    }
    return output[0] ? xstrdup(output)
           : xasprintf("%s failed without saying why", name);
}

char *
program_run(const char *const argv[], const char *input, char **ret_output)
{
    struct ds output = DS_EMPTY_INITIALIZER;
    int input_fd = input ? input_open(input) : -1;
    int fds[2];

    *ret_output = NULL;
    if ((input && input_fd < 0) || pipe2(fds, O_CLOEXEC)) {
        return xasprintf("%s: %s", argv[0], ovs_strerror(errno));
    }

    pid_t pid = fork();
    if (!pid) {
        child_exec(argv, input_fd, fds[1]);
    }
    close(fds[1]);
    if (input_fd >= 0) {
        close(input_fd);
    }
    if (pid < 0) {
        close(fds[0]);
        return xasprintf("%s: %s", argv[0], ovs_strerror(errno));
    }
    read_all(fds[0], &output);
    close(fds[0]);
    ds_chomp(&output, '\n');
    *ret_output = ds_steal_cstr(&output);
    return child_wait(pid, argv[0], *ret_output);
}
