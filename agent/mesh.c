#include <config.h>
#include "agent/mesh.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/addr.h"
#include "agent/keys.h"
#include "agent/link.h"
#include "agent/nlk.h"
#include "agent/paths.h"
#include "agent/plan.h"
#include "agent/resolve.h"
#include "agent/route.h"
#include "agent/wg-link.h"
#include "agent/wg-process.h"
#include "openvswitch/vlog.h"
#include "smap.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(mesh);

/* WireGuard over IPv6 takes 80 bytes of each packet. */
#define WG_OVERHEAD 80
#define MESH_MAX_MTU 1420
#define MESH_MIN_MTU 1280       /* IPv6's least. */

#define KEEPALIVE_S 25

/* How long a device that was removed may keep its port. */
#define PORT_RELEASE_MS 2000

struct mesh {
    struct keyring keyring;
    struct paths *paths;        /* Not owned. */
    enum wg_backend backend;
    struct wg_device device;    /* As read last. */
    struct smap endpoints;      /* Node -> endpoint configured last. */
    bool starting;
    long long int moved_ms;     /* When a device of another name went. */
};

struct mesh *
mesh_create(const char *state_dir, struct paths *paths)
{
    struct mesh *mesh = xzalloc(sizeof *mesh);

    keyring_init(&mesh->keyring, state_dir);
    mesh->paths = paths;
    mesh->moved_ms = LLONG_MIN / 2;
    wg_device_init(&mesh->device);
    smap_init(&mesh->endpoints);
    return mesh;
}

void
mesh_destroy(struct mesh *mesh)
{
    if (mesh) {
        keyring_destroy(&mesh->keyring);
        wg_device_destroy(&mesh->device);
        smap_destroy(&mesh->endpoints);
        free(mesh);
    }
}

const struct wg_key *
mesh_public_key(const struct mesh *mesh)
{
    return mesh->keyring.mesh ? &mesh->keyring.public_key : NULL;
}

const struct wg_key *
mesh_private_key(const struct mesh *mesh)
{
    return mesh->keyring.mesh ? &mesh->keyring.private_key : NULL;
}

struct keyring *
mesh_keyring(struct mesh *mesh)
{
    return &mesh->keyring;
}

enum wg_backend
mesh_backend(const struct mesh *mesh)
{
    return mesh->backend;
}

const struct wg_device *
mesh_device(const struct mesh *mesh)
{
    return &mesh->device;
}

/* A device that the agent made, or one that is still blank: made by an agent
 * that was killed before it could put its mark. */
static bool
device_is_ours(const struct mesh *mesh, const struct link *link,
               const struct wg_device *device)
{
    return (!strcmp(link->alias, MESH_LINK_ALIAS)
            || (wg_key_is_zero(&device->private_key)
                && hmap_is_empty(&device->peers))
            || wg_key_equals(&device->private_key,
                             &mesh->keyring.private_key));
}

/* Where the peer is: as the paths say, else as the operator says. */
static void
mesh_set_endpoint(const struct mesh *mesh, const struct plan_peer *pp,
                  const struct path_endpoint *path, struct wg_peer *peer)
{
    const char *before = smap_get(&mesh->endpoints, pp->node);

    peer->kick = path->kick;
    if (path->ss.ss_family != AF_UNSPEC) {
        peer->endpoint = path->ss;
        peer->force_endpoint = path->force;
        peer->reset = path->reset;
    } else if (pp->endpoint
               && resolve_endpoint(pp->endpoint, &peer->endpoint)) {
        peer->force_endpoint = before && strcmp(before, pp->endpoint);
    }
}

/* Only a host that others cannot call keeps its hole open, and both who are
 * relayed, so that each sees that the relay works; and not before it knows
 * whom to call: WireGuard would take the next five seconds for an answer. */
static bool
mesh_needs_keepalive(const struct mesh *mesh, const struct plan *plan,
                     const struct path_endpoint *path,
                     const struct wg_peer *peer)
{
    const struct wg_peer *have = wg_device_find_peer(&mesh->device,
                                                     &peer->key);

    return ((plan->behind_nat || path->keepalive) && !path->quiet
            && (peer->endpoint.ss_family != AF_UNSPEC
                || (have && have->endpoint.ss_family != AF_UNSPEC)));
}

/* One that is not known stays as it is: whoever knows it, knows why. */
static void
mesh_set_preshared_key(const struct mesh *mesh, const struct plan_peer *pp,
                       struct wg_peer *peer)
{
    const struct wg_peer *have = wg_device_find_peer(&mesh->device, &pp->key);

    peer->preshared_key = (pp->psk_known || !have ? pp->psk
                           : have->preshared_key);
}

static void
mesh_wanted(const struct mesh *mesh, const struct plan *plan,
            struct wg_device *want)
{
    want->private_key = mesh->keyring.private_key;
    want->listen_port = plan->listen_port;
    for (size_t i = 0; i < plan->n_peers; i++) {
        const struct plan_peer *pp = &plan->peers[i];

        if (!pp->has_key
            || wg_key_equals(&pp->key, &mesh->keyring.public_key)) {
            continue;
        }
        struct wg_peer *peer = wg_device_add_peer(want, &pp->key);
        struct path_endpoint path = paths_get_endpoint(mesh->paths, pp->node);
        mesh_set_endpoint(mesh, pp, &path, peer);
        peer->keepalive_s = (mesh_needs_keepalive(mesh, plan, &path, peer)
                             ? KEEPALIVE_S : 0);
        for (size_t j = 0; j < pp->allowed.n; j++) {
            wg_peer_add_allowed(peer, &pp->allowed.prefixes[j]);
        }
        wg_peer_sort(peer);
        mesh_set_preshared_key(mesh, pp, peer);
        peer->has_former = pp->has_former;
        peer->former = pp->former_key;
    }
}

static void
mesh_remember_endpoints(struct mesh *mesh, const struct plan *plan)
{
    smap_clear(&mesh->endpoints);
    for (size_t i = 0; i < plan->n_peers; i++) {
        struct sockaddr_storage ss;
        const char *endpoint = plan->peers[i].endpoint;

        /* One without an address was not configured. */
        if (endpoint && resolve_endpoint(endpoint, &ss)) {
            smap_replace(&mesh->endpoints, plan->peers[i].node, endpoint);
        }
    }
}

static int
mesh_read(struct mesh *mesh, struct nlk *nlk, const char *name)
{
    wg_device_destroy(&mesh->device);
    wg_device_init(&mesh->device);
    return wg_read(nlk, mesh->backend, name, &mesh->device);
}

/* Returns NULL or an error. */
static char *
mesh_sync_device(struct mesh *mesh, struct nlk *nlk, const struct link *link,
                 const struct plan *plan)
{
    struct wg_changes changes;
    struct wg_device want;
    int error = mesh_read(mesh, nlk, link->name);

    if (error) {
        return xasprintf("%s: cannot read the WireGuard device: %s",
                         link->name, ovs_strerror(error));
    } else if (!device_is_ours(mesh, link, &mesh->device)) {
        return xasprintf("%s exists and was not made by socknet; remove it "
                         "or give mesh.interface another name", link->name);
    }
    if (strcmp(link->alias, MESH_LINK_ALIAS)) {
        link_set_alias(nlk, link->ifindex, MESH_LINK_ALIAS);
    }

    /* Before anything follows from it: a handshake a moment ago counts. */
    paths_observe(mesh->paths, &mesh->device);
    wg_device_init(&want);
    wg_changes_init(&changes);
    mesh_wanted(mesh, plan, &want);
    wg_diff(&mesh->device, &want, time_wall(), &changes);
    if (!wg_changes_is_empty(&changes)) {
        error = wg_apply(nlk, mesh->backend, link->name, &changes);
        VLOG_INFO("%s: WireGuard configured, %"PRIuSIZE" peers changed",
                  link->name, changes.n_peers);
    }
    if (!error) {
        mesh_remember_endpoints(mesh, plan);
        if (!wg_changes_is_empty(&changes)) {
            mesh_read(mesh, nlk, link->name);
        }
    }
    wg_changes_destroy(&changes);
    wg_device_destroy(&want);
    return (error ? xasprintf("%s: cannot configure the WireGuard device: %s",
                              link->name, ovs_strerror(error)) : NULL);
}

/* The least MTU of the interfaces that lead to the peers, less WireGuard's
 * overhead.  What the kernel learns about the path beyond (ICMP too big) it
 * applies to the outer packets by itself; it expires, and the interface's MTU
 * should not follow it back and forth. */
static uint32_t
mesh_mtu(struct nlk *nlk, const struct links *links, const struct link *mesh,
         const struct plan *plan)
{
    uint32_t mtu = MESH_MAX_MTU;

    for (size_t i = 0; i < plan->n_peers; i++) {
        struct sockaddr_storage ss;

        if (!plan->peers[i].endpoint
            || !resolve_endpoint(plan->peers[i].endpoint, &ss)) {
            continue;
        }
        int oif = route_find_oif(nlk, &ss);
        const struct link *link = oif ? links_find_ifindex(links, oif) : NULL;
        if (link && link != mesh && link->mtu >= MESH_MIN_MTU + WG_OVERHEAD) {
            mtu = MIN(mtu, link->mtu - WG_OVERHEAD);
        } else if (link && link != mesh) {
            mtu = MESH_MIN_MTU;
        }
    }
    return mtu;
}

static char *
mesh_sync_link(struct nlk *nlk, const struct links *links,
               const struct link *link, const struct plan *plan)
{
    int error = link_configure(nlk, link, mesh_mtu(nlk, links, link, plan));

    if (!error) {
        error = addr_sync(nlk, link, plan->tunnel.prefixes, plan->tunnel.n,
                          true);
    }
    return (error ? xasprintf("%s: cannot configure the interface: %s",
                              link->name, ovs_strerror(error)) : NULL);
}

/* The state file gave the interface another name: that of before goes, for it
 * has the port.  Returns true if there was one. */
static bool
mesh_remove_others(struct nlk *nlk, const struct links *links,
                   const char *name)
{
    struct shash_node *node;
    bool found = false;

    SHASH_FOR_EACH (node, &links->by_name) {
        const struct link *link = node->data;

        if (!strcmp(link->alias, MESH_LINK_ALIAS)
            && strcmp(link->name, name)) {
            VLOG_INFO("%s: removed, the mesh is %s now", link->name, name);
            link_delete(nlk, link->ifindex);
            found = true;
        }
    }
    return found;
}

bool
mesh_run(struct mesh *mesh, struct nlk *nlk, struct links *links,
         const struct plan *plan, struct sset *problems)
{
    const struct link *link = links_find(links, plan->interface);
    char *error = NULL;

    mesh->starting = false;
    if (!mesh->keyring.mesh) {
        return false;           /* rotation_run() says why. */
    }
    if (!link) {
        error = wg_link_make(nlk, links, plan->interface, &link);
    }
    if (link) {
        mesh->backend = wg_probe(link->name, link->kind);
    }
    if (!error && (!link || mesh->backend == WG_NONE)) {
        if (!link || wg_process_starting(plan->interface)) {
            mesh->starting = true;
            return false;
        }
        error = xasprintf("%s exists and is not a WireGuard interface; "
                          "remove it or give mesh.interface another name",
                          plan->interface);
    }
    if (!error && mesh_remove_others(nlk, links, plan->interface)) {
        mesh->moved_ms = time_msec();
        mesh->starting = true;
        return false;
    }
    if (!error) {
        error = mesh_sync_device(mesh, nlk, link, plan);
        if (error && time_msec() < mesh->moved_ms + PORT_RELEASE_MS) {
            free(error);
            mesh->starting = true;
            return false;
        }
    }
    if (!error) {
        wg_process_forget_failure(link->name);
        error = mesh_sync_link(nlk, links, link, plan);
    }
    if (error) {
        sset_add_and_free(problems, error);
    }
    return !error;
}

bool
mesh_is_starting(const struct mesh *mesh)
{
    return mesh->starting;
}

int
mesh_cleanup(struct nlk *nlk, const struct links *links)
{
    struct shash_node *node;
    int error = 0;

    SHASH_FOR_EACH (node, &links->by_name) {
        const struct link *link = node->data;

        if (!strcmp(link->alias, MESH_LINK_ALIAS)) {
            int retval = link_delete(nlk, link->ifindex);
            error = error ? error : retval;
        }
    }
    return error;
}
