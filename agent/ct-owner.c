#include <config.h>
#include "agent/ct-owner.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ct-config.h"
#include "agent/ct-configs.h"
#include "agent/ct-inits.h"
#include "agent/link.h"
#include "agent/plan.h"
#include "packets.h"
#include "state/port-name.h"
#include "svec.h"

void
ct_owners_init(struct ct_owners *owners, struct nlk *nlk,
               const struct links *links, const struct ct_configs *configs,
               struct ct_inits *inits)
{
    *owners = (struct ct_owners) {
        .nlk = nlk, .links = links, .configs = configs, .inits = inits,
    };
    simap_init(&owners->unnamed);
}

void
ct_owners_destroy(struct ct_owners *owners)
{
    simap_destroy(&owners->unnamed);
}

static void
read_unnamed(struct ct_owners *owners)
{
    struct svec ids = SVEC_EMPTY_INITIALIZER;
    const char *id;
    size_t i;

    ct_configs_add_unnamed(owners->configs, &ids);
    SVEC_FOR_EACH (i, id, &ids) {
        int netnsid;

        if (!ct_inits_read_netnsid(owners->inits, owners->nlk, id, &netnsid)
            && netnsid >= 0) {
            simap_put(&owners->unnamed, id, netnsid);
        }
    }
    svec_destroy(&ids);
    owners->ready = true;
}

/* Of those that share a namespace, the first by name. */
static const struct ct_config *
find_by_end(struct ct_owners *owners, const struct link *link)
{
    const struct simap_node *node;
    const char *id = NULL;

    if (strcmp(link->kind, "veth") || link->peer_netnsid < 0) {
        return NULL;
    } else if (!owners->ready) {
        read_unnamed(owners);
    }
    SIMAP_FOR_EACH (node, &owners->unnamed) {
        if (node->data == link->peer_netnsid
            && (!id || strcmp(node->name, id) < 0)) {
            id = node->name;
        }
    }
    if (id) {
        ct_inits_note_end(owners->inits, link, id);
    }
    return id ? ct_configs_find(owners->configs, id) : NULL;
}

/* What it was until a moment ago. */
static const struct ct_config *
recall(struct ct_owners *owners, const struct ct_owner *owner)
{
    const char *id = ct_inits_recall_end(owners->inits, owners->nlk,
                                         owner->veth, owner->link);

    return id ? ct_configs_find(owners->configs, id) : NULL;
}

void
ct_owner_find(struct ct_owners *owners, const char *port,
              struct ct_owner *owner)
{
    memset(owner, 0, sizeof *owner);
    owner->veth = port_name_veth(port);
    owner->link = links_find(owners->links, owner->veth);
    owner->config = ct_configs_find_veth(owners->configs, owner->veth,
                                         &owner->nic);
    if (!owner->config) {
        struct link_peer peer = { .mac = eth_addr_zero };

        owner->config = owner->link ? find_by_end(owners, owner->link) : NULL;
        owner->config = owner->config ? owner->config : recall(owners, owner);
        if (owner->config && owner->link) {
            link_read_peer(owners->nlk, owner->link, &peer);
        }
        owner->nic = (owner->config
                      ? ct_config_choose_nic(owner->config, SN_BRIDGE,
                                             peer.mac, peer.name)
                      : NULL);
    }
}

void
ct_owner_destroy(struct ct_owner *owner)
{
    free(owner->veth);
}
