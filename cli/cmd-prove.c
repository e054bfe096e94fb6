#include <config.h>

#include <getopt.h>
#include "cli/command.h"
#include "cli/output.h"
#include "cli/prove-run.h"
#include "cli/state-source.h"
#include "state/model.h"
#include "util.h"

int
cmd_prove(struct command_context *ctx, int argc, char *argv[])
{
    static const struct option options[] = {
        {"node", required_argument, NULL, 'n'},
        {NULL, 0, NULL, 0},
    };
    const char *node = NULL;
    struct state_source source;

    for (int c; (c = command_getopt(argc, argv, options)) != -1; ) {
        if (c != 'n') {
            return EXIT_ERROR;
        }
        node = optarg;
    }
    if (argc - optind > 1) {
        return command_misused("prove", "prove takes one PATH, or none for "
                               "the database");
    }
    if (!state_source_open(&source, ctx, argv[optind], node)) {
        return EXIT_ERROR;
    }

    struct output *out = output_create(ctx->json, "prove");
    bool ok = prove_run(CONST_CAST(struct model *,
                                   state_source_model(&source)), false, out);
    output_finish(out);
    state_source_close(&source);
    return ok ? EXIT_OK : EXIT_ERROR;
}
