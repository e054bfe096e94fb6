#ifndef SN_SYSCTL_H
#define SN_SYSCTL_H 1

/* The few kernel settings under /proc/sys/net that forwarding needs; written
 * only when they differ. */

struct sset;

/* Sets "net/<path>" to 'value'; the path is a printf format because of the
 * interface names.  A failure is added to 'problems'.  Returns 0 or errno. */
int sysctl_set(struct sset *problems, int value, const char *path_format, ...)
    __attribute__((format(printf, 3, 4)));

/* The value of "net/<path>", or 'def' if there is none. */
int sysctl_get(int def, const char *path_format, ...)
    __attribute__((format(printf, 2, 3)));

#endif /* agent/sysctl.h */
