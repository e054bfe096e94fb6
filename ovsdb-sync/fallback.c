#include <config.h>

#include "ovsdb-sync/fallback.h"

#include <stdlib.h>
#include <string.h>

#include "lib/diag.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-sync/socknet-idl.h"
#include "state/load.h"
#include "state/model.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(fallback);

struct fallback {
    bool pending;
    int64_t generation;         /* Of the state that waits. */
    int64_t confirm_by;
    long long int due_ms;       /* Monotonic. */
    char *text;
};

struct fallback *
fallback_create(void)
{
    return xzalloc(sizeof(struct fallback));
}

void
fallback_destroy(struct fallback *fb)
{
    if (fb) {
        free(fb->text);
        free(fb);
    }
}

/* A clock that is wrong must not take the time away that an operator has: who
 * sees the state arrive counts from then on. */
static long long int
time_left_ms(const struct sndb_mesh *mesh, bool live)
{
    long long int within = (mesh->n_confirm_within
                            ? mesh->confirm_within[0] * 1000LL : 0);
    long long int left = mesh->confirm_by[0] * 1000LL - time_wall_msec();

    return live ? within : MAX(0, MIN(left, within));
}

void
fallback_run(struct fallback *fb, const struct sndb_mesh *mesh, bool live)
{
    bool pending = mesh && mesh->n_confirm_by && mesh->fallback;

    if (pending && (!fb->pending || fb->generation != mesh->generation
                    || fb->confirm_by != mesh->confirm_by[0])) {
        long long int left = time_left_ms(mesh, live);

        fb->generation = mesh->generation;
        fb->confirm_by = mesh->confirm_by[0];
        fb->due_ms = time_msec() + left;
        free(fb->text);
        fb->text = xstrdup(mesh->fallback);
        VLOG_INFO("generation %"PRId64" is to be confirmed within %lld s",
                  fb->generation, left / 1000);
    } else if (!pending && fb->pending) {
        free(fb->text);
        fb->text = NULL;
    }
    fb->pending = pending;
}

bool
fallback_is_due(const struct fallback *fb)
{
    return fb->pending && time_msec() >= fb->due_ms;
}

void
fallback_wait(const struct fallback *fb)
{
    if (fb->pending && time_msec() < fb->due_ms) {
        poll_timer_wait_until(fb->due_ms);
    }
}

char *
fallback_name(int64_t generation)
{
    return xasprintf("before-generation-%"PRId64, generation);
}

struct model *
fallback_load(const struct fallback *fb)
{
    struct diags diags;

    char *name = fallback_name(fb->generation);
    diags_init(&diags);
    struct model *model = state_load_string(fb->text, name, NULL, &diags);
    if (!model) {
        const struct diag *diag;

        LIST_FOR_EACH (diag, node, &diags.list) {
            if (diag->level == DIAG_ERROR) {
                VLOG_ERR("the state before generation %"PRId64" cannot be "
                         "read: line %d: %s", fb->generation, diag->loc.line,
                         diag->text);
            }
        }
    }
    diags_destroy(&diags);
    free(name);
    return model;
}
