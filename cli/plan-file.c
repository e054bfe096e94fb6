#include <config.h>

#include "cli/plan-file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/session.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "ovsdb-sync/model-apply.h"
#include "ovsdb-sync/revision.h"
#include "ovsdb-sync/socknet-idl.h"
#include "socket-util.h"
#include "state/model.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

/* Of the format: another one is refused, whatever it may hold. */
enum { PLAN_VERSION = 1 };

static const char marker[] = "socknet_plan";

static char *
hash_model(const struct model *model)
{
    char *yaml = state_to_yaml(model);
    char *hash = revision_hash_text(yaml);

    free(yaml);
    return hash;
}

void
plan_base_read(struct plan_base *base, const struct session *session)
{
    const struct sndb_mesh *mesh = sndb_mesh_first(session_idl(session));

    if (mesh && !mesh->name) {
        mesh = NULL;            /* Made with the database, and empty. */
    }
    *base = (struct plan_base) {
        .mesh = mesh ? xasprintf(UUID_FMT, UUID_ARGS(&mesh->header_.uuid))
                : NULL,
        .name = xstrdup(mesh ? mesh->name : ""),
        .revision = model_apply_revision(session_idl(session)),
        .generation = session_generation(session),
        .state = mesh ? hash_model(session_model(session)) : xstrdup(""),
    };
}

void
plan_base_destroy(struct plan_base *base)
{
    free(base->mesh);
    free(base->name);
    free(base->state);
}

/* Writing. */

static struct json *
nullable_to_json(const char *s)
{
    return s ? json_string_create(s) : json_null_create();
}

static struct json *
base_to_json(const struct plan_base *base)
{
    struct json *json = json_object_create();

    json_object_put(json, "mesh", nullable_to_json(base->mesh));
    json_object_put_string(json, "name", base->name);
    json_object_put(json, "revision", json_integer_create(base->revision));
    json_object_put(json, "generation",
                    json_integer_create(base->generation));
    json_object_put_string(json, "state", base->state);
    return json;
}

static struct json *
proposal_to_json(const struct proposal *proposal)
{
    const struct state_files *files = &proposal->files;
    struct json *json = json_object_create();
    struct json *array = json_array_create_empty();
    char *hash = hash_model(proposal->model);

    for (size_t i = 0; i < files->n; i++) {
        struct json *file = json_object_create();

        json_object_put_string(file, "name", files->files[i].name);
        json_object_put_string(file, "text", files->files[i].text);
        json_array_add(array, file);
    }
    json_object_put_string(json, "path", files->path);
    json_object_put(json, "folder", json_boolean_create(files->folder));
    json_object_put(json, "node", nullable_to_json(proposal->node));
    json_object_put(json, "files", array);
    json_object_put_string(json, "state", hash);
    free(hash);
    return json;
}

/* Of all but the hash itself. */
static char *
hash_plan(const struct json *plan)
{
    struct json *rest = json_deep_clone(plan);

    json_destroy(shash_find_and_delete(json_object(rest), "hash"));
    char *text = json_to_string(rest, JSSF_SORT);
    char *hash = revision_hash_text(text);
    free(text);
    json_destroy(rest);
    return hash;
}

/* A new file takes the place of what is there, whole and with its mode. */
static int
replace_file(const char *path, const char *text)
{
    char *tmp = xasprintf("%s.new-%ld", path, (long int) getpid());
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    size_t bytes_written;
    int error = fd < 0 ? errno : 0;

    if (fd >= 0) {
        error = write_fully(fd, text, strlen(text), &bytes_written);
        if (!error && fsync(fd)) {
            error = errno;
        }
        close(fd);
        if (!error && rename(tmp, path)) {
            error = errno;
        }
        if (error) {
            unlink(tmp);
        }
    }
    free(tmp);
    return error;
}

char *
plan_file_write(const char *path, const struct plan_base *base,
                const struct proposal *proposal)
{
    struct json *plan = json_object_create();

    json_object_put(plan, marker, json_integer_create(PLAN_VERSION));
    json_object_put(plan, "time", json_integer_create(time_wall()));
    json_object_put(plan, "base", base_to_json(base));
    json_object_put(plan, "proposal", proposal_to_json(proposal));
    char *hash = hash_plan(plan);
    json_object_put_string(plan, "hash", hash);
    free(hash);

    char *text = json_to_string(plan, JSSF_SORT | JSSF_PRETTY);
    json_destroy(plan);
    int error = replace_file(path, text);
    free(text);
    return error ? xasprintf("cannot write %s: %s", path,
                             ovs_strerror(error)) : NULL;
}

/* Reading. */

bool
plan_file_is_plan(const struct state_files *files)
{
    const char *text = files->n == 1 && !files->folder ? files->files[0].text
                       : "";

    return (text[strspn(text, " \t\r\n")] == '{'
            && strstr(text, "\"socknet_plan\""));
}

/* NULL: no such member, or of another type. */
static const struct json *
get(const struct json *object, const char *name, enum json_type type)
{
    const struct json *json
        = object && object->type == JSON_OBJECT
          ? shash_find_data(json_object(object), name) : NULL;

    return json && json->type == type ? json : NULL;
}

static bool
get_string(const struct json *object, const char *name, char **ret)
{
    const struct json *json = get(object, name, JSON_STRING);

    *ret = json ? xstrdup(json_string(json)) : NULL;
    return json != NULL;
}

static bool
get_nullable(const struct json *object, const char *name, char **ret)
{
    return get_string(object, name, ret) || get(object, name, JSON_NULL);
}

static bool
get_integer(const struct json *object, const char *name, int64_t *ret)
{
    const struct json *json = get(object, name, JSON_INTEGER);

    *ret = json ? json_integer(json) : 0;
    return json != NULL;
}

static bool
parse_base(const struct json *json, struct plan_base *base)
{
    bool ok = get_nullable(json, "mesh", &base->mesh);

    ok &= get_string(json, "name", &base->name);
    ok &= get_integer(json, "revision", &base->revision);
    ok &= get_integer(json, "generation", &base->generation);
    ok &= get_string(json, "state", &base->state);
    return ok;
}

static bool
parse_files(const struct json *json, struct state_files *files)
{
    const struct json *array = get(json, "files", JSON_ARRAY);
    const struct json *folder = get(json, "folder", JSON_TRUE);
    bool ok = (get_string(json, "path", &files->path) && array
               && (folder || get(json, "folder", JSON_FALSE)));

    files->folder = folder != NULL;
    for (size_t i = 0; ok && i < json_array(array)->n; i++) {
        const struct json *item = json_array(array)->elems[i];
        const struct json *name = get(item, "name", JSON_STRING);
        char *text = NULL;

        ok = name && get_string(item, "text", &text);
        if (ok) {
            state_files_add(files, json_string(name), text);
        }
    }
    return ok && files->n && (files->folder || files->n == 1);
}

static bool
parse_plan(const struct json *json, struct plan_file *plan)
{
    const struct json *proposal = get(json, "proposal", JSON_OBJECT);
    bool ok = parse_base(get(json, "base", JSON_OBJECT), &plan->base);

    ok &= parse_files(proposal, &plan->proposal.files);
    ok &= get_nullable(proposal, "node", &plan->proposal.node);
    ok &= get_string(proposal, "state", &plan->state);
    return ok;
}

static char *
check_plan(const struct json *json)
{
    int64_t version;
    char *hash;

    if (json->type == JSON_STRING) {
        return xasprintf("it is damaged (%s)", json_string(json));
    } else if (!get_integer(json, marker, &version)) {
        return xstrdup("it says nothing of its version");
    } else if (version != PLAN_VERSION) {
        return xasprintf("it has version %"PRId64" of the format, and this "
                         "socknet knows version %d", version,
                         PLAN_VERSION);
    } else if (!get_string(json, "hash", &hash)) {
        return xstrdup("it is damaged: it has no hash");
    }

    char *real = hash_plan(json);
    bool same = !strcmp(real, hash);
    free(real);
    free(hash);
    return same ? NULL
           : xstrdup("it is damaged, or was edited after `socknet plan` wrote "
                     "it: change the state file instead, and plan again");
}

char *
plan_file_parse(const char *text, struct plan_file *plan)
{
    struct json *json = json_from_string(text);
    char *error = check_plan(json);

    *plan = (struct plan_file) { .state = NULL };
    if (!error && !parse_plan(json, plan)) {
        plan_file_destroy(plan);
        error = xstrdup("it is damaged: something is missing in it");
    }
    json_destroy(json);
    return error;
}

void
plan_file_destroy(struct plan_file *plan)
{
    plan_base_destroy(&plan->base);
    proposal_destroy(&plan->proposal);
    free(plan->state);
}

/* Comparing. */

static char *
describe_base(const struct plan_base *base)
{
    return base->mesh ? xasprintf("revision %"PRId64", generation %"PRId64,
                                  base->revision, base->generation)
           : xstrdup("no state yet");
}

char *
plan_file_check_base(const struct plan_file *plan,
                     const struct session *session)
{
    const struct plan_base *was = &plan->base;
    char *error = NULL;
    struct plan_base is;

    plan_base_read(&is, session);
    if (was->mesh && is.mesh && strcmp(was->mesh, is.mesh)) {
        error = xasprintf("the plan was made for another database, of mesh "
                          "\"%s\"; nothing was changed", was->name);
    } else if (!nullable_string_is_equal(was->mesh, is.mesh)
               || was->revision != is.revision
               || was->generation != is.generation
               || strcmp(was->state, is.state)) {
        char *before = describe_base(was), *now = describe_base(&is);

        error = xasprintf("the state has changed since the plan was made "
                          "(then: %s; now: %s); nothing was changed: look at "
                          "`socknet history`, and plan again", before, now);
        free(before);
        free(now);
    }
    plan_base_destroy(&is);
    return error;
}

bool
plan_file_is_same_state(const struct plan_file *plan,
                        const struct model *model)
{
    char *hash = hash_model(model);
    bool same = !strcmp(hash, plan->state);

    free(hash);
    return same;
}
