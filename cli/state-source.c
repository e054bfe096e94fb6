#include <config.h>

#include "cli/state-source.h"

#include "cli/session.h"
#include "cli/state-file.h"
#include "state/model.h"

bool
state_source_open(struct state_source *source,
                  const struct command_context *ctx, const char *path,
                  const char *node)
{
    *source = (struct state_source) { .session = NULL };
    if (path) {
        source->file = state_file_load(path, node);
    } else {
        source->session = session_open(ctx);
    }
    return source->file || source->session;
}

const struct model *
state_source_model(const struct state_source *source)
{
    return source->file ? source->file : session_model(source->session);
}

void
state_source_close(struct state_source *source)
{
    model_destroy(source->file);
    session_close(source->session);
}
