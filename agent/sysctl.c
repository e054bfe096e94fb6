#include <config.h>
#include "agent/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/stats.h"
#include "openvswitch/vlog.h"
#include "sset.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(sysctl);

static char *
sysctl_file(const char *format, va_list args)
{
    char *path = xvasprintf(format, args);
    char *file = xasprintf("/proc/sys/net/%s", path);

    free(path);
    return file;
}

static int
sysctl_read(const char *file, int *ret_value)
{
    char buffer[32];
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0) {
        return errno;
    }
    n = read(fd, buffer, sizeof buffer - 1);
    close(fd);
    if (n <= 0) {
        return EIO;
    }
    buffer[n] = '\0';
    *ret_value = atoi(buffer);
    return 0;
}

static int
sysctl_write(const char *file, int value)
{
    char buffer[32];
    int len = snprintf(buffer, sizeof buffer, "%d\n", value);
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    int error;

    if (fd < 0) {
        return errno;
    }
    error = write(fd, buffer, len) == len ? 0 : errno;
    close(fd);
    return error;
}

int
sysctl_set(struct sset *problems, int value, const char *format, ...)
{
    va_list args;
    int current;

    va_start(args, format);
    char *file = sysctl_file(format, args);
    va_end(args);

    int error = sysctl_read(file, &current);
    if (!error && current != value) {
        error = sysctl_write(file, value);
        if (error) {
            agent_stats.write_errors++;
        } else {
            agent_stats.netlink_writes++;
            VLOG_INFO("%s: %d, was %d", file, value, current);
        }
    }
    /* ENOENT: the interface has just gone, the next pass knows. */
    if (error && error != ENOENT) {
        sset_add_and_free(problems, xasprintf("%s: cannot set to %d (%s)",
                                              file, value,
                                              ovs_strerror(error)));
    }
    free(file);
    return error;
}

int
sysctl_get(int def, const char *format, ...)
{
    va_list args;
    int value = def;

    va_start(args, format);
    char *file = sysctl_file(format, args);
    va_end(args);
    sysctl_read(file, &value);
    free(file);
    return value;
}
