#include <config.h>
#include "agent/exit-device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/addr.h"
#include "agent/link.h"
#include "agent/nlk.h"
#include "agent/wg-link.h"
#include "agent/wg-process.h"
#include "openvswitch/vlog.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(exit_device);

static char *
sync_wg(struct nlk *nlk, const struct link *link, enum wg_backend backend,
        struct exit_device *want)
{
    struct wg_changes changes;
    struct wg_device have;
    struct wg_peer *peer;

    wg_device_init(&have);
    wg_changes_init(&changes);
    int error = wg_read(nlk, backend, link->name, &have);
    bool blank = (wg_key_is_zero(&have.private_key)
                  && hmap_is_empty(&have.peers));
    if (!error && strcmp(link->alias, EXIT_LINK_ALIAS) && !blank) {
        wg_device_destroy(&have);
        return xasprintf("%s exists and was not made by socknet; end what "
                         "made it (wg-quick down %s)", link->name,
                         link->name);
    }
    if (!error && strcmp(link->alias, EXIT_LINK_ALIAS)) {
        link_set_alias(nlk, link->ifindex, EXIT_LINK_ALIAS);
    }
    if (!want->wg.listen_port) {
        want->wg.listen_port = have.listen_port;
    }
    if (!error) {
        wg_diff(&have, &want->wg, time_wall(), &changes);
    }
    if (!error && !wg_changes_is_empty(&changes)) {
        error = wg_apply(nlk, backend, link->name, &changes);
        VLOG_INFO("%s: WireGuard configured, %"PRIuSIZE" peers changed",
                  link->name, changes.n_peers);
    }
    want->handshake = 0;
    HMAP_FOR_EACH (peer, node, &have.peers) {
        want->handshake = MAX(want->handshake, peer->handshake);
    }
    wg_changes_destroy(&changes);
    wg_device_destroy(&have);
    return (error ? xasprintf("%s: cannot configure the WireGuard device: %s",
                              link->name, ovs_strerror(error)) : NULL);
}

static char *
sync_link(struct nlk *nlk, const struct link *link,
          const struct exit_device *want)
{
    int error = link_configure(nlk, link, want->mtu);

    if (!error) {
        error = addr_sync(nlk, link, want->addresses, want->n_addresses,
                          true);
    }
    return (error ? xasprintf("%s: cannot configure the interface: %s",
                              link->name, ovs_strerror(error)) : NULL);
}

char *
exit_device_sync(struct nlk *nlk, struct links *links,
                 struct exit_device *want, bool *ret_starting)
{
    const struct link *link = links_find(links, want->name);
    enum wg_backend backend;
    char *error = NULL;

    if (!link) {
        error = wg_link_make(nlk, links, want->name, &link);
        if (error) {
            return error;
        }
    }
    backend = link ? wg_probe(link->name, link->kind) : WG_NONE;
    if (backend == WG_NONE) {
        if (!link || wg_process_starting(want->name)) {
            *ret_starting = true;
            return NULL;
        }
        return xasprintf("%s exists and is not a WireGuard interface",
                         want->name);
    }
    error = sync_wg(nlk, link, backend, want);
    if (!error) {
        wg_process_forget_failure(want->name);
        error = sync_link(nlk, link, want);
    }
    return error;
}

void
exit_devices_close(struct nlk *nlk, const struct links *links,
                   const struct sset *wanted)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &links->by_name) {
        const struct link *link = node->data;

        if (link->up && !strcmp(link->alias, EXIT_LINK_ALIAS)
            && !sset_contains(wanted, link->name)) {
            link_set_down(nlk, link->ifindex);
            VLOG_INFO("%s: down, no exit has it", link->name);
        }
    }
}

int
exit_devices_remove(struct nlk *nlk, const struct links *links,
                    const struct sset *wanted)
{
    struct shash_node *node;
    int error = 0;

    SHASH_FOR_EACH (node, &links->by_name) {
        const struct link *link = node->data;

        if (!strcmp(link->alias, EXIT_LINK_ALIAS)
            && (!wanted || !sset_contains(wanted, link->name))) {
            int retval = link_delete(nlk, link->ifindex);

            VLOG_INFO("%s: removed, no exit has it", link->name);
            error = error ? error : retval;
        }
    }
    return error;
}
