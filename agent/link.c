#include <config.h>
#include "agent/link.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <linux/if.h>
#include <netlink/addr.h>
#include <netlink/cache.h>
#include <netlink/msg.h>
#include <netlink/route/link.h>
#include <string.h>

#include "agent/nlk.h"
#include "packets.h"
#include "util.h"

void
links_init(struct links *links)
{
    shash_init(&links->by_name);
}

static void
links_clear(struct links *links)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &links->by_name) {
        struct link *link = node->data;

        shash_delete(&links->by_name, node);
        free(link->name);
        free(link->kind);
        free(link->alias);
        free(link);
    }
}

void
links_destroy(struct links *links)
{
    links_clear(links);
    shash_destroy(&links->by_name);
}

static struct link *
link_from_libnl(struct rtnl_link *rl)
{
    struct link *link = xzalloc(sizeof *link);
    struct nl_addr *addr = rtnl_link_get_addr(rl);
    const char *kind = rtnl_link_get_type(rl);
    const char *alias = rtnl_link_get_ifalias(rl);
    unsigned int flags = rtnl_link_get_flags(rl);
    int netnsid;

    link->name = xstrdup(rtnl_link_get_name(rl));
    link->kind = xstrdup(kind ? kind : "");
    link->alias = xstrdup(alias ? alias : "");
    link->ifindex = rtnl_link_get_ifindex(rl);
    link->mtu = rtnl_link_get_mtu(rl);
    link->up = (flags & IFF_UP) != 0;
    link->carrier = (flags & IFF_LOWER_UP) != 0;
    if (addr && nl_addr_get_len(addr) == ETH_ADDR_LEN) {
        memcpy(&link->mac, nl_addr_get_binary_addr(addr), ETH_ADDR_LEN);
    }
    link->peer_ifindex = rtnl_link_get_link(rl);
    link->peer_netnsid = -1;
    if (!rtnl_link_get_link_netnsid(rl, &netnsid)) {
        link->peer_netnsid = netnsid;
    }
    return link;
}

int
links_read(struct links *links, struct nlk *nlk)
{
    struct nl_cache *cache;
    struct nl_object *obj;

    if (rtnl_link_alloc_cache(nlk_route_sock(nlk), AF_UNSPEC, &cache) < 0) {
        return errno ? errno : EPROTO;
    }
    links_clear(links);
    for (obj = nl_cache_get_first(cache); obj; obj = nl_cache_get_next(obj)) {
        struct link *link = link_from_libnl((struct rtnl_link *) obj);

        shash_add(&links->by_name, link->name, link);
    }
    nl_cache_free(cache);
    return 0;
}

const struct link *
links_find(const struct links *links, const char *name)
{
    return shash_find_data(&links->by_name, name);
}

const struct link *
links_find_ifindex(const struct links *links, int ifindex)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &links->by_name) {
        const struct link *link = node->data;

        if (link->ifindex == ifindex) {
            return link;
        }
    }
    return NULL;
}

int
link_create(struct nlk *nlk, const char *name, const char *kind)
{
    struct rtnl_link *rl = rtnl_link_alloc();
    struct nl_msg *msg;
    int error = EINVAL;

    /* Not rtnl_link_set_type(): libnl would want a module for the kind. */
    rtnl_link_set_name(rl, name);
    if (!rtnl_link_build_add_request(rl, NLM_F_CREATE | NLM_F_EXCL, &msg)) {
        struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO);

        nla_put_string(msg, IFLA_INFO_KIND, kind);
        nla_nest_end(msg, info);
        error = nlk_write(nlk, msg);
    }
    rtnl_link_put(rl);
    return error;
}

int
link_delete(struct nlk *nlk, int ifindex)
{
    struct rtnl_link *rl = rtnl_link_alloc();
    struct nl_msg *msg;
    int error = EINVAL;

    rtnl_link_set_ifindex(rl, ifindex);
    if (!rtnl_link_build_delete_request(rl, &msg)) {
        error = nlk_write(nlk, msg);
    }
    rtnl_link_put(rl);
    return error;
}

int
link_set_alias(struct nlk *nlk, int ifindex, const char *alias)
{
    struct ifinfomsg ifi = { .ifi_index = ifindex };
    struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWLINK, 0);

    nlmsg_append(msg, &ifi, sizeof ifi, NLMSG_ALIGNTO);
    nla_put_string(msg, IFLA_IFALIAS, alias);
    return nlk_write(nlk, msg);
}

int
link_set_down(struct nlk *nlk, int ifindex)
{
    struct ifinfomsg ifi = { .ifi_index = ifindex, .ifi_change = IFF_UP };
    struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWLINK, 0);

    nlmsg_append(msg, &ifi, sizeof ifi, NLMSG_ALIGNTO);
    return nlk_write(nlk, msg);
}

int
link_configure(struct nlk *nlk, const struct link *link, uint32_t mtu)
{
    bool set_mtu = mtu && link->mtu != mtu;
    struct ifinfomsg ifi = {
        .ifi_index = link->ifindex,
        .ifi_flags = link->up ? 0 : IFF_UP,
        .ifi_change = link->up ? 0 : IFF_UP,
    };

    if (link->up && !set_mtu) {
        return 0;
    }

    struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWLINK, 0);
    nlmsg_append(msg, &ifi, sizeof ifi, NLMSG_ALIGNTO);
    if (set_mtu) {
        nla_put_u32(msg, IFLA_MTU, mtu);
    }
    return nlk_write(nlk, msg);
}

static void
peer_cb(struct nlmsghdr *nlh, void *peer_)
{
    struct link_peer *peer = peer_;
    struct nlattr *addr = nlmsg_find_attr(nlh, sizeof(struct ifinfomsg),
                                          IFLA_ADDRESS);
    struct nlattr *name = nlmsg_find_attr(nlh, sizeof(struct ifinfomsg),
                                          IFLA_IFNAME);

    if (addr && nla_len(addr) == ETH_ADDR_LEN) {
        memcpy(&peer->mac, nla_data(addr), ETH_ADDR_LEN);
    }
    if (name) {
        nla_strlcpy(peer->name, name, sizeof peer->name);
    }
}

static struct nl_msg *
get_link_alloc(int ifindex)
{
    struct ifinfomsg ifi = { .ifi_index = ifindex };
    struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETLINK, 0);

    nlmsg_append(msg, &ifi, sizeof ifi, NLMSG_ALIGNTO);
    return msg;
}

int
link_read_peer(struct nlk *nlk, const struct link *link,
               struct link_peer *ret)
{
    struct link_peer peer = { .mac = eth_addr_zero };

    if (strcmp(link->kind, "veth") || !link->peer_ifindex) {
        return ENODEV;
    }

    struct nl_msg *msg = get_link_alloc(link->peer_ifindex);
    if (link->peer_netnsid >= 0) {
        nla_put_s32(msg, IFLA_TARGET_NETNSID, link->peer_netnsid);
    }
    int error = nlk_dump(nlk_strict_sock(nlk), msg, peer_cb, &peer);
    if (!error && eth_addr_is_zero(peer.mac)) {
        error = ENODATA;
    }
    if (!error) {
        *ret = peer;
    }
    return error;
}

static void
peer_netnsid_cb(struct nlmsghdr *nlh, void *id_)
{
    struct nlattr *attr = nlmsg_find_attr(nlh, sizeof(struct ifinfomsg),
                                          IFLA_LINK_NETNSID);
    int *id = id_;

    *id = attr ? nla_get_s32(attr) : -1;
}

int
link_read_peer_netnsid(struct nlk *nlk, const struct link *link, int *ret_id)
{
    int id = -1;
    int error = nlk_dump(nlk_strict_sock(nlk), get_link_alloc(link->ifindex),
                         peer_netnsid_cb, &id);

    if (!error) {
        *ret_id = id;
    }
    return error;
}

static void
netnsid_cb(struct nlmsghdr *nlh, void *id_)
{
    struct nlattr *attr = nlmsg_find_attr(nlh, sizeof(struct rtgenmsg),
                                          NETNSA_NSID);
    int *id = id_;

    *id = attr ? nla_get_s32(attr) : -1;
}

int
link_read_netnsid(struct nlk *nlk, pid_t pid, int *ret_id)
{
    struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETNSID, 0);
    struct rtgenmsg gen = { .rtgen_family = AF_UNSPEC };
    int id = -1;

    nlmsg_append(msg, &gen, sizeof gen, NLMSG_ALIGNTO);
    nla_put_u32(msg, NETNSA_PID, pid);
    int error = nlk_dump(nlk_strict_sock(nlk), msg, netnsid_cb, &id);
    if (!error) {
        *ret_id = id;
    }
    return error;
}
