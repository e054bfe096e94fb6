#include <config.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/output.h"
#include "cli/session.h"
#include "openvswitch/json.h"
#include "state/load.h"

int
cmd_export(struct command_context *ctx, int argc, char *argv[])
{
    static const struct option options[] = {
        {NULL, 0, NULL, 0},
    };

    if (command_getopt(argc, argv, options) != -1) {
        return EXIT_ERROR;
    }
    if (argc != optind) {
        return command_misused("export", "export takes no argument");
    }

    struct session *session = session_open(ctx);
    if (!session) {
        return EXIT_ERROR;
    }

    if (!session_generation(session)) {
        session_close(session);
        return command_fail("the database holds no state yet: "
                            "`socknet apply PATH` writes it");
    }

    struct output *out = output_create(ctx->json, "export");
    char *yaml = state_to_yaml(session_model(session));

    if (ctx->json) {
        output_attach(out, "generation",
                      json_integer_create(session_generation(session)));
        output_attach(out, "yaml", json_string_create(yaml));
    } else {
        fputs(yaml, stdout);
    }
    output_finish(out);
    free(yaml);
    session_close(session);
    return EXIT_OK;
}
