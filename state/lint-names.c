#include <config.h>

#include "state/lint-private.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include "lib/diag-fix.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "state/name.h"
#include "util.h"

/* Names, ids and devices: two of the same, and those that are taken. */

#define L3_REASON \
    "a WireGuard device cannot be a port of an Open vSwitch bridge: adding " \
    "it succeeds, carries nothing, and cuts the host off the device"

static void
lint_duplicate(struct lint *lint, struct lint_seen *seen, const char *key,
               const struct sn_loc *loc, const char *what, const char *name)
{
    char *first = lint_seen_add(seen, key, loc);

    if (first) {
        diags_add(lint->diags, DIAG_ERROR, loc, NULL,
                  "duplicate %s %s, first at %s", what, name, first);
        free(first);
    }
}

/* One container's id, veth and MAC against those before it. */
static void
lint_container_duplicates(struct lint *lint, struct lint_seen *seen,
                          const struct model_container *c)
{
    const struct sn_loc *loc;
    char *key;

    key = xasprintf("id %s/%s", c->node, c->id);
    loc = places_get(lint->places, &c->loc, "container/%s/id", c->name);
    lint_duplicate(lint, seen, key, loc, "container id", c->id);
    free(key);

    if (c->veth[0] && !c->any_veth) {
        key = xasprintf("veth %s/%s", c->node, c->veth);
        loc = places_get(lint->places, &c->loc, "container/%s/veth",
                         c->name);
        lint_duplicate(lint, seen, key, loc, "veth", c->veth);
        free(key);
    }
    if (c->has_hwaddr) {
        char mac[ETH_ADDR_STRLEN + 1];
        snprintf(mac, sizeof mac, ETH_ADDR_FMT, ETH_ADDR_ARGS(c->hwaddr));
        key = xasprintf("mac %s", mac);
        loc = places_get(lint->places, &c->loc, "container/%s/hwaddr",
                         c->name);
        lint_duplicate(lint, seen, key, loc, "MAC address", mac);
        free(key);
    }
}

/* A VMID is also the number of the endpoint in the flows. */
static void
lint_container_id(struct lint *lint, const struct model_container *c)
{
    const struct sn_loc *loc = places_get(lint->places, &c->loc,
                                          "container/%s/id", c->name);

    if (str_is_decimal(c->id) && (c->id[0] == '0' || strlen(c->id) > 9)) {
        diags_add(lint->diags, DIAG_ERROR, loc, NULL,
                  "a numeric id is a VMID, 1 to 999999999, not \"%s\"",
                  c->id);
    }
}

static void
lint_container_veth(struct lint *lint, const struct model_container *c)
{
    const struct sn_loc *loc = places_get(lint->places, &c->loc,
                                          "container/%s/veth", c->name);
    const struct model_node *node = model_get_node(lint->model, c->node);
    const char *owner = NULL;

    if (!strcmp(c->veth, "vmbr0")) {
        owner = "the bridge's own port";
    } else if (!strncmp(c->veth, "x-", 2)) {
        owner = "a name that socknet gives to the ports of exits";
    } else if (!strcmp(c->veth, lint->model->mesh.interface)) {
        owner = "the WireGuard device of the mesh";
    } else if (node && sset_contains(&node->uplinks, c->veth)) {
        owner = "an uplink of the bridge";
    } else if (node && node->vpn && !strcmp(c->veth, node->vpn->interface)) {
        owner = "the WireGuard device of the vpn_server";
    }
    for (size_t i = 0; i < lint->n_exits; i++) {
        if (!strcmp(lint->exits[i]->node, c->node)
            && !strcmp(lint->exits[i]->interface, c->veth)) {
            owner = "the WireGuard device of an exit";
        }
    }
    if (owner) {
        diags_add(lint->diags, DIAG_ERROR, loc, NULL,
                  "container \"%s\" cannot have the veth \"%s\": it is %s",
                  c->name, c->veth, owner);
    }
    if (strcmp(c->bridge, "vmbr0")) {
        diags_add(lint->diags, DIAG_ERROR, &c->loc, "write bridge: vmbr0",
                  "container \"%s\" is on bridge \"%s\": a host has one "
                  "socket network bridge, vmbr0", c->name, c->bridge);
    }
}

void
lint_reserved_name(struct lint *lint, const struct sn_loc *loc,
                   const char *what, const char *name)
{
    struct sn_prefix prefix;
    char *error = sn_prefix_parse(name, &prefix);

    if (name_is_reserved(name)) {
        diags_add(lint->diags, DIAG_ERROR, loc, "choose another name",
                  "a %s cannot be named \"%s\": the word is reserved", what,
                  name);
    } else if (!error) {
        diags_add(lint->diags, DIAG_ERROR, loc, "choose another name",
                  "a %s cannot be named \"%s\": rules would take it for an "
                  "address", what, name);
    }
    free(error);
}

static void
lint_segment_names(struct lint *lint)
{
    size_t n;
    struct model_segment **segments = lint_sort(lint->model, MODEL_SEGMENT,
                                                &n);

    for (size_t i = 0; i < n; i++) {
        const struct model_segment *segment = segments[i];
        const struct model_container *c
            = model_get_container(lint->model, segment->name);
        if (c) {
            char *first = sn_loc_to_string(
                places_get(lint->places, &c->loc, "container/%s/name",
                           c->name));
            diags_add(lint->diags, DIAG_ERROR, &segment->loc,
                      "choose another name: rules could not tell them apart",
                      "segment \"%s\" has the name of the container at %s",
                      segment->name, first);
            free(first);
        }
        lint_reserved_name(lint, &segment->loc, "segment", segment->name);
    }
    free(segments);
}

/* What wg-quick would do behind socknet's back. */
static void
lint_exit_hooks(struct lint *lint, const struct model_exit *exit,
                const char *key)
{
    if (exit->other && strstr(exit->other, "add-port")) {
        const struct sn_loc *loc = places_get(lint->places, &exit->loc,
                                              "exit/%s/post_up", key);
        char *fix = xasprintf("remove post_up and pre_down here and in "
                              "wg-quick's file; containers leave by exit: %s",
                              exit->name);
        diags_add(lint->diags, DIAG_ERROR, loc, fix, "%s", L3_REASON);
        diags_fix_remove_member(lint->diags, loc, "post_up");
        loc = places_get(lint->places, NULL, "exit/%s/pre_down", key);
        if (loc) {
            diags_fix_remove_member(lint->diags, loc, "pre_down");
        }
        free(fix);
    }
}

static void
lint_exit_interface(struct lint *lint, struct lint_seen *seen,
                    const struct model_exit *exit, const char *key)
{
    const struct sn_loc *loc = places_get(lint->places, &exit->loc,
                                          "exit/%s/interface", key);
    const char *s = exit->interface;

    if (strlen(s) + strlen("x-") >= IFNAMSIZ) {
        diags_add(lint->diags, DIAG_ERROR, loc,
                  "give the device a name of at most 13 characters",
                  "the bridge's port for the exit would be \"x-%s\", longer "
                  "than the %d characters of an interface's name", s,
                  IFNAMSIZ - 1);
    }
    if (!strcmp(s, lint->model->mesh.interface)) {
        diags_add(lint->diags, DIAG_ERROR, loc, NULL,
                  "\"%s\" is the WireGuard device of the mesh, and no exit",
                  s);
    } else if (!strcmp(s, "vmbr0")) {
        diags_add(lint->diags, DIAG_ERROR, loc, NULL,
                  "\"%s\" is the bridge, and no exit", s);
    } else if (!strncmp(s, "xr-", 3) || !strncmp(s, "x-", 2)) {
        diags_add(lint->diags, DIAG_ERROR, loc, "give it another name",
                  "\"%s\" is a name that socknet gives to its own devices",
                  s);
    }
    char *device = xasprintf("exit %s/%s", exit->node, s);
    lint_duplicate(lint, seen, device, loc, "exit interface", s);
    free(device);
}

static void
lint_uplinks(struct lint *lint, const struct model_node *node)
{
    const char **uplinks = sset_sort(&node->uplinks);
    const char *vpn = node->vpn ? node->vpn->interface : NULL;

    for (size_t i = 0; i < sset_count(&node->uplinks); i++) {
        const char *uplink = uplinks[i];
        const struct sn_loc *loc = places_get(lint->places, &node->loc,
                                              "node/%s/uplink/%s",
                                              node->name, uplink);
        bool is_l3 = !strcmp(uplink, lint->model->mesh.interface)
                     || (vpn && !strcmp(uplink, vpn));
        for (size_t j = 0; j < lint->n_exits; j++) {
            is_l3 |= !strcmp(lint->exits[j]->node, node->name)
                     && !strcmp(lint->exits[j]->interface, uplink);
        }
        if (is_l3) {
            diags_add(lint->diags, DIAG_ERROR, loc,
                      "leave it out of the uplinks", "%s", L3_REASON);
        } else if (!strcmp(uplink, "vmbr0") || !strncmp(uplink, "x-", 2)) {
            diags_add(lint->diags, DIAG_ERROR, loc, NULL,
                      "\"%s\" is no physical port", uplink);
        }
    }
    free(uplinks);
}

static void
lint_mesh_interface(struct lint *lint)
{
    const char *interface = lint->model->mesh.interface;

    if (!strcmp(interface, "vmbr0") || !strncmp(interface, "x-", 2)) {
        diags_add(lint->diags, DIAG_ERROR, &lint->model->mesh.loc,
                  "choose another name",
                  "the mesh's device cannot be \"%s\": that is a bridge's",
                  interface);
    }
}

void
lint_names(struct lint *lint)
{
    struct lint_seen seen;

    lint_seen_init(&seen);
    lint_mesh_interface(lint);
    for (size_t i = 0; i < lint->n_containers; i++) {
        const struct model_container *c = lint->containers[i];
        lint_container_duplicates(lint, &seen, c);
        lint_container_id(lint, c);
        lint_container_veth(lint, c);
        lint_reserved_name(lint, places_get(lint->places, &c->loc,
                                            "container/%s/name", c->name),
                           "container", c->name);
    }
    lint_segment_names(lint);
    for (size_t i = 0; i < lint->n_exits; i++) {
        const struct model_exit *exit = lint->exits[i];
        char *key = xasprintf("%s/%s", exit->node, exit->name);
        lint_exit_interface(lint, &seen, exit, key);
        lint_exit_hooks(lint, exit, key);
        free(key);
    }
    for (size_t i = 0; i < lint->n_nodes; i++) {
        lint_uplinks(lint, lint->nodes[i]);
    }
    lint_seen_destroy(&seen);
}
