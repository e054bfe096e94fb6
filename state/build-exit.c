#include <config.h>

#include "state/build.h"

#include <stdlib.h>
#include <string.h>
#include "lib/suggest.h"
#include "openvswitch/util.h"
#include "state/document.h"
#include "state/model.h"
#include "util.h"

/* Exits, and which of them the "exit" of containers and segments means. */

static void
build_probe_targets(struct build *build, struct model_probe *probe,
                    const struct doc_value *list)
{
    for (size_t i = 0; i < doc_n_items(list); i++) {
        const struct doc_value *item = doc_item(list, i);
        struct sn_prefix address;
        uint16_t port;

        if (item->type != DOC_SCALAR) {
            continue;
        }
        char *error = model_probe_target_parse(item->string, &address, &port);
        if (error) {
            diags_add(build->diags, DIAG_ERROR, &item->loc,
                      "write 192.0.2.1:443 or \"[2001:db8::1]:443\"",
                      "a probe's target must be an address and a TCP port: "
                      "%s", error);
        } else {
            svec_add(&probe->targets, item->string);
        }
        free(error);
    }
}

/* Only what needs no name resolved: that would have to leave by the exit as
 * well. */
static void
build_probe_seen_by(struct build *build, struct model_probe *probe,
                    const struct doc_value *doc)
{
    static const char scheme[] = "http://";
    const char *url = doc_get_string(doc, "seen_by");
    struct sn_prefix address;
    uint16_t port;

    if (!url) {
        return;
    }
    size_t n = strncmp(url, scheme, strlen(scheme)) ? 0 : strlen(scheme);
    size_t host_len = strcspn(url + n, "/");
    const char *colon = memrchr(url + n, ':', host_len);
    const char *bracket = memrchr(url + n, ']', host_len);
    char *host = xasprintf("%.*s%s", (int) host_len, url + n,
                           colon && (!bracket || colon > bracket) ? ""
                           : ":80");
    char *error = (!n ? xasprintf("it does not begin with %s", scheme)
                   : strpbrk(url, " \t\r\n") ? xstrdup("it has a space")
                   : model_probe_target_parse(host, &address, &port));
    if (error) {
        diags_add(build->diags, DIAG_ERROR, &doc_get(doc, "seen_by")->loc,
                  "write http://ADDRESS/PATH of a server that answers with "
                  "the address of who asks",
                  "\"%s\" cannot be asked: %s", url, error);
        free(error);
    } else {
        probe->seen_by = xstrdup(url);
    }
    free(host);
}

static void
build_probe(struct build *build, struct model_probe *probe,
            const struct doc_value *doc)
{
    probe->disabled = !build_bool(doc, "enabled", true);
    build_probe_targets(build, probe, doc_get(doc, "targets"));
    probe->interval_s = build_number(doc, "interval", 3600, 0);
    probe->down_after = build_number(doc, "down_after", 100, 0);
    probe->up_after = build_number(doc, "up_after", 100, 0);
    build_probe_seen_by(build, probe, doc);

    static const struct { const char *key; const char *range; } numbers[] = {
        { "interval", "1 to 3600 seconds" },
        { "down_after", "1 to 100 probes" },
        { "up_after", "1 to 100 probes" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        const struct doc_value *value = doc_get(doc, numbers[i].key);
        if (value && !build_number(doc, numbers[i].key,
                                   i ? 100 : 3600, 0)) {
            diags_add(build->diags, DIAG_ERROR, &value->loc, NULL,
                      "%s must be %s", numbers[i].key, numbers[i].range);
        }
    }
}

static void
build_exit_places(struct build *build, const struct doc_value *doc,
                  const char *key)
{
    static const char *const keys[] = {
        "interface", "profile", "post_up", "pre_down",
    };

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const struct doc_value *value = doc_get(doc, keys[i]);
        if (value) {
            places_put(&build->places, &value->loc, "exit/%s/%s", key,
                       keys[i]);
        }
    }
}

static void
build_profile(struct build *build, struct model_exit *exit,
              const struct doc_value *doc)
{
    exit->profile = build_string(doc, "profile", NULL);
    if (exit->profile && exit->profile[0] != '/') {
        diags_add(build->diags, DIAG_ERROR, &doc_get(doc, "profile")->loc,
                  "write the whole path of the file on the node",
                  "a profile must be an absolute path, and \"%s\" is not",
                  exit->profile);
    }
}

/* "wireguard.warp_tunnel" is the exit "warp". */
void
build_exits(struct build *build, const char *node_name,
            const struct doc_value *wireguard)
{
    const struct schema *wg = schema_find_key(&schema_node,
                                              "wireguard")->schema;
    size_t n = wireguard && wireguard->type == DOC_MAP
               ? wireguard->n_members : 0;

    for (size_t i = 0; i < n; i++) {
        const struct doc_member *member = &wireguard->members[i];
        const char *end = strstr(member->key, "_tunnel");
        const char *interface = doc_get_string(member->value, "interface");

        if (!end || end == member->key || end[strlen("_tunnel")]
            || !interface) {
            continue;
        }
        struct model_exit *exit = model_object_create(MODEL_EXIT);
        exit->loc = member->key_loc;
        exit->node = xstrdup(node_name);
        exit->name = xmemdup0(member->key, end - member->key);
        exit->interface = xstrdup(interface);
        exit->enabled = build_bool(member->value, "enabled", true);
        exit->other = build_kept(wg->item, member->value);
        build_profile(build, exit, member->value);
        build_probe(build, &exit->probe, doc_get(member->value, "probe"));

        char *key = xasprintf("%s/%s", node_name, exit->name);
        build_exit_places(build, member->value, key);
        model_put(build->model, MODEL_EXIT, key, exit);
        free(key);
    }
}

void
build_unknown_exit(struct build *build, const char *key,
                   const struct sn_loc *loc)
{
    const char *name = strchr(key, '/') + 1;
    char *node = xmemdup0(key, name - 1 - key);
    const struct shash_node *exit_node;
    struct suggest near;
    char *fix = NULL;

    suggest_init(&near, name);
    SHASH_FOR_EACH (exit_node, &build->model->exits) {
        const struct model_exit *exit = exit_node->data;
        if (!strcmp(exit->node, node)) {
            suggest_offer(&near, exit->name);
            if (!strcmp(exit->interface, name)) {
                near.best = exit->name;
                break;
            }
        }
    }
    if (near.best) {
        fix = xasprintf("write %s", near.best);
    } else {
        fix = xasprintf("an exit \"%s\" comes from wireguard: "
                        "{%s_tunnel: {interface: ...}} on the node",
                        name, name);
    }
    diags_add(build->diags, DIAG_ERROR, loc, fix,
              "node \"%s\" has no exit \"%s\"", node, name);
    free(fix);
    free(node);
}

char *
build_exit_key(const char *s, const char *node)
{
    return strchr(s, '/') ? xstrdup(s) : xasprintf("%s/%s", node, s);
}

/* Adds the exit that 'scalar' means. */
static void
build_container_exit(struct build *build, struct model_container *container,
                     const struct doc_value *scalar)
{
    char *key = build_exit_key(scalar->string, container->node);

    if (!model_get_exit(build->model, key)) {
        build_unknown_exit(build, key, &scalar->loc);
    } else if (!svec_contains_unsorted(&container->exits, key)) {
        svec_add(&container->exits, key);
        places_put(&build->places, &scalar->loc, "container/%s/exit/%s",
                   container->name, key);
    }
    free(key);
}

bool
build_exit_list(struct build *build, const struct doc_value *doc,
                void (*cb)(struct build *, const struct doc_value *item,
                           void *aux), void *aux)
{
    const struct doc_value *list = doc && doc->type == DOC_MAP
                                   ? doc_get(doc, "via") : doc;
    size_t n = doc_n_items(list);
    bool none = false;

    for (size_t i = 0; i < n; i++) {
        const struct doc_value *item = doc_item(list, i);

        if (item->type != DOC_SCALAR || !item->string[0]
            || doc_is_null(item)) {
            continue;
        } else if (strcmp(item->string, "none")) {
            cb(build, item, aux);
        } else if (n > 1) {
            diags_add(build->diags, DIAG_ERROR, &item->loc, NULL,
                      "\"none\" stands alone: it is no exit of a list");
        } else {
            none = true;
        }
    }
    return none;
}

static void
container_exit_cb(struct build *build, const struct doc_value *item,
                  void *container)
{
    build_container_exit(build, container, item);
}

void
build_container_exits(struct build *build, struct model_container *container,
                      const struct doc_value *doc)
{
    container->no_exit = build_exit_list(build, doc, container_exit_cb,
                                         container);
}

/* A name alone is an exit of each member's own node: one node that has it
 * makes sense of it. */
static bool
segment_exit_is_known(const struct build *build, const char *s)
{
    const struct shash_node *exit_node;

    SHASH_FOR_EACH (exit_node, &build->model->exits) {
        const struct model_exit *exit = exit_node->data;
        if (!strcmp(exit_node->name, s) || !strcmp(exit->name, s)) {
            return true;
        }
    }
    return false;
}

static void
segment_exit_cb(struct build *build, const struct doc_value *item,
                void *segment_)
{
    struct model_segment *segment = segment_;
    const char *s = item->string;
    const struct shash_node *exit_node;
    struct suggest near;

    if (segment_exit_is_known(build, s)) {
        if (!svec_contains_unsorted(&segment->exits, s)) {
            svec_add(&segment->exits, s);
        }
        return;
    }
    suggest_init(&near, s);
    SHASH_FOR_EACH (exit_node, &build->model->exits) {
        const struct model_exit *exit = exit_node->data;
        suggest_offer(&near, strchr(s, '/') ? exit_node->name : exit->name);
    }
    char *fix = near.best ? xasprintf("write %s", near.best) : NULL;
    diags_add(build->diags, DIAG_ERROR, &item->loc, fix,
              "no node has an exit \"%s\"", s);
    free(fix);
}

void
build_segment_exits(struct build *build, struct model_segment *segment,
                    const struct doc_value *doc)
{
    build_exit_list(build, doc, segment_exit_cb, segment);
    if (doc) {
        places_put(&build->places, &doc->loc, "segment/%s/exit",
                   segment->name);
    }
}

static bool
segment_has_member(const struct model *model,
                   const struct model_segment *segment,
                   const struct model_container *container)
{
    for (size_t i = 0; i < segment->n_members; i++) {
        if (model_selector_matches(model, &segment->members[i], container)) {
            return true;
        }
    }
    return false;
}

/* Those that there are on the container's node, or anywhere if they say
 * where. */
static void
segment_exits_for(const struct model *model,
                  const struct model_segment *segment,
                  const struct model_container *container,
                  struct svec *exits)
{
    for (size_t i = 0; i < segment->exits.n; i++) {
        char *key = build_exit_key(segment->exits.names[i], container->node);

        if (model_get_exit(model, key)
            && !svec_contains_unsorted(exits, key)) {
            svec_add(exits, key);
        }
        free(key);
    }
}

static void
build_inherited_exit(struct build *build, struct model_container *container,
                     const struct model_segment *segment)
{
    struct svec exits = SVEC_EMPTY_INITIALIZER;

    segment_exits_for(build->model, segment, container, &exits);
    if (!container->exits_from) {
        if (exits.n) {
            svec_swap(&container->exits, &exits);
            container->exits_from = xstrdup(segment->name);
        }
    } else if (exits.n && !svec_equal(&exits, &container->exits)) {
        diags_add(build->diags, DIAG_WARNING, &container->loc,
                  "write the container's own exit",
                  "container \"%s\" is a member of the segments \"%s\" and "
                  "\"%s\", which have other exits; those of the former, the "
                  "first by name, count", container->name,
                  container->exits_from, segment->name);
    }
    svec_destroy(&exits);
}

void
build_inherited_exits(struct build *build)
{
    const struct model *model = build->model;
    const struct shash_node **segments = shash_sort(&model->segments);
    struct shash_node *node;

    SHASH_FOR_EACH (node, &model->containers) {
        struct model_container *container = node->data;

        if (container->exits.n || container->no_exit) {
            continue;           /* Its own word counts. */
        }
        for (size_t i = 0; i < shash_count(&model->segments); i++) {
            const struct model_segment *segment = segments[i]->data;

            if (segment->exits.n
                && segment_has_member(model, segment, container)) {
                build_inherited_exit(build, container, segment);
            }
        }
    }
    free(segments);
}
