#include <config.h>

#include "cli/local-daemon.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "daemon.h"
#include "dirs.h"
#include "jsonrpc.h"
#include "unixctl.h"
#include "util.h"

static enum local_daemon_state
ask_socket(const char *path, const char *command, const char *argument,
           char **ret_text)
{
    char *argv[] = { CONST_CAST(char *, argument) };
    struct jsonrpc *client;
    char *result = NULL, *refusal = NULL;
    int error = unixctl_client_create(path, &client);

    if (!error) {
        error = unixctl_client_transact(client, command, argument ? 1 : 0,
                                        argv, &result, &refusal);
        jsonrpc_close(client);
    }
    if (error || refusal) {
        *ret_text = refusal ? refusal
                    : xasprintf("%s: %s", path, ovs_retval_to_string(error));
        free(result);
        return refusal ? LOCAL_DAEMON_ANSWERS : LOCAL_DAEMON_SILENT;
    }
    *ret_text = result ? result : xstrdup("");
    return LOCAL_DAEMON_ANSWERS;
}

enum local_daemon_state
local_daemon_ask(const char *name, const char *command, char **ret_text)
{
    return local_daemon_ask_about(name, command, NULL, ret_text);
}

enum local_daemon_state
local_daemon_ask_about(const char *name, const char *command,
                       const char *argument, char **ret_text)
{
    char *pidfile = xasprintf("%s/%s.pid", ovs_rundir(), name);
    pid_t pid = access(pidfile, F_OK) ? 0 : read_pidfile(pidfile);
    enum local_daemon_state state;

    if (pid > 0) {
        char *path = xasprintf("%s/%s.%ld.ctl", ovs_rundir(), name,
                               (long int) pid);

        state = ask_socket(path, command, argument, ret_text);
        free(path);
    } else {
        state = LOCAL_DAEMON_ABSENT;
        *ret_text = xasprintf("%s: no process", pidfile);
    }
    free(pidfile);
    return state;
}

char *
local_daemon_value(const char *text, const char *key)
{
    size_t len = strlen(key);

    for (const char *line = text; line; ) {
        if (!strncmp(line, key, len) && !strncmp(line + len, ": ", 2)) {
            const char *value = line + len + 2;

            return xmemdup0(value, strcspn(value, "\n"));
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return NULL;
}
