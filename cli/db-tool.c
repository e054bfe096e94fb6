#include <config.h>

#include "cli/db-tool.h"

#include <stdlib.h>
#include <string.h>

#include "cli/run-program.h"
#include "svec.h"
#include "util.h"

/* A conversion of a large database takes its time. */
#define CLIENT_TIMEOUT "--timeout=60"

static char *
run(const char *name, const char *package, const char *const options[],
    const char *const args[], const char *input, char **ret_output)
{
    struct svec argv = SVEC_EMPTY_INITIALIZER;
    char *program = program_find(name);
    char *error;

    *ret_output = NULL;
    if (!program) {
        return xasprintf("%s is not installed (Debian: apt install %s)",
                         name, package);
    }
    svec_add_nocopy(&argv, program);
    for (size_t i = 0; options[i]; i++) {
        svec_add(&argv, options[i]);
    }
    for (size_t i = 0; args[i]; i++) {
        svec_add(&argv, args[i]);
    }
    svec_terminate(&argv);
    error = program_run((const char *const *) argv.names, input, ret_output);
    svec_destroy(&argv);
    return error;
}

char *
db_tool(const char *const args[], const char *input, char **ret_output)
{
    static const char *const options[] = { "-vconsole:warn", NULL };
    char *error = run("ovsdb-tool", "openvswitch-common", options, args,
                      input, ret_output);

    if (error && strstr(error, "cannot lock file")) {
        free(error);
        error = xasprintf("%s is in use: another ovsdb-server has it open",
                          args[1]);
    }
    return error;
}

char *
db_client(const char *const args[], const char *input, char **ret_output)
{
    static const char *const options[] = {
        "-vconsole:off", CLIENT_TIMEOUT, "--no-leader-only", NULL,
    };

    return run("ovsdb-client", "openvswitch-common", options, args, input,
               ret_output);
}
