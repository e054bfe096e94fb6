#include <config.h>

#include "ovsdb-sync/fallback.h"

#include <stdlib.h>
#include <string.h>

#include "lib/diag.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
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
 * sees the state arrive counts from then on.  'confirm_by' has whole seconds,
 * rounded up; it decides where the clocks agree, so that all go back at once,
 * the commands included. */
static long long int
time_left_ms(const struct sndb_mesh *mesh, bool live)
{
    long long int within = (mesh->n_confirm_within
                            ? mesh->confirm_within[0] * 1000LL : 0);
    long long int left = mesh->confirm_by[0] * 1000LL - time_wall_msec();

    return MAX(live ? within : 0, MIN(left, within + 1000));
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

/* "#@ KIND<tab>KEY<tab>FILE:LINE:COLUMN" */
#define PLACE_PREFIX "#@ "

static void *
get_object(struct model *model, enum model_kind kind, const char *key)
{
    return kind == MODEL_MESH ? &model->mesh
           : shash_find_data(model_table(model, kind), key);
}

/* A place is what every object begins with. */
static void
put_place(struct ds *s, enum model_kind kind, const char *key,
          const void *object)
{
    const struct sn_loc *loc = object;

    if (loc->file && !strpbrk(loc->file, "\t\n")
        && !strpbrk(key, "\t\n")) {
        char *place = sn_loc_to_string(loc);

        ds_put_format(s, PLACE_PREFIX"%s\t%s\t%s\n",
                      model_kind_to_string(kind), key, place);
        free(place);
    }
}

char *
fallback_format(const struct model *model_)
{
    struct model *model = CONST_CAST(struct model *, model_);
    struct ds s = DS_EMPTY_INITIALIZER;
    char *yaml = state_to_yaml(model);

    ds_put_cstr(&s, yaml);
    free(yaml);
    put_place(&s, MODEL_MESH, "", &model->mesh);
    for (enum model_kind kind = MODEL_MESH + 1; kind < MODEL_N_KINDS;
         kind++) {
        const struct shash_node **sorted
            = shash_sort(model_table(model, kind));

        for (size_t i = 0; i < shash_count(model_table(model, kind)); i++) {
            put_place(&s, kind, sorted[i]->name, sorted[i]->data);
        }
        free(sorted);
    }
    return ds_steal_cstr(&s);
}

static void
restore_place(struct model *model, char *line)
{
    const char *name = strsep(&line, "\t");
    const char *key = strsep(&line, "\t");
    struct sn_loc loc;

    if (!key || !line || !sn_loc_from_string(line, &loc)) {
        return;
    }
    for (enum model_kind kind = 0; kind < MODEL_N_KINDS; kind++) {
        struct sn_loc *place = get_object(model, kind, key);

        if (place && !strcmp(name, model_kind_to_string(kind))) {
            *place = loc;
        }
    }
}

void
fallback_restore_places(struct model *model, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");

        if (!strncmp(text, PLACE_PREFIX, strlen(PLACE_PREFIX))) {
            char *line = xmemdup0(text + strlen(PLACE_PREFIX),
                                  len - strlen(PLACE_PREFIX));

            restore_place(model, line);
            free(line);
        }
        text += len + (text[len] == '\n');
    }
}

struct model *
fallback_parse(const char *text, const char *name, struct diags *diags)
{
    struct model *model = state_load_string(text, name, NULL, diags);

    if (model) {
        fallback_restore_places(model, text);
    }
    return model;
}

struct model *
fallback_load(const struct fallback *fb)
{
    struct diags diags;

    char *name = fallback_name(fb->generation);
    diags_init(&diags);
    struct model *model = fallback_parse(fb->text, name, &diags);
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
