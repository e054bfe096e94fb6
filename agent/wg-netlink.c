#include <config.h>
#include "agent/wg-netlink.h"

#include <errno.h>
#include <linux/wireguard.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <sodium.h>
#include <string.h>

#include "agent/nlk.h"
#include "agent/stats.h"
#include "agent/wg.h"
#include "util.h"

/* A nested attribute ends at 64 kB; the kernel's socket buffer starts at
 * 208 kB. */
#define MSG_SIZE (32 * 1024)
/* What a peer takes without its AllowedIPs, and one of those, at most. */
#define PEER_ROOM 176
#define ALLOWED_ROOM 48

static void
read_allowed(struct wg_peer *peer, struct nlattr *list)
{
    struct nlattr *nested, *attrs[WGALLOWEDIP_A_MAX + 1];
    int left;

    nla_for_each_nested (nested, list, left) {
        struct sn_prefix prefix = { .plen = 0 };

        if (nla_parse_nested(attrs, WGALLOWEDIP_A_MAX, nested, NULL) < 0
            || !attrs[WGALLOWEDIP_A_FAMILY] || !attrs[WGALLOWEDIP_A_IPADDR]
            || !attrs[WGALLOWEDIP_A_CIDR_MASK]) {
            continue;
        }
        struct nlattr *addr = attrs[WGALLOWEDIP_A_IPADDR];
        prefix.is_v4 = nla_get_u16(attrs[WGALLOWEDIP_A_FAMILY]) == AF_INET;
        prefix.plen = nla_get_u8(attrs[WGALLOWEDIP_A_CIDR_MASK]);
        if (nla_len(addr) != (prefix.is_v4 ? 4 : 16)) {
            continue;
        }
        if (prefix.is_v4) {
            prefix.addr.s6_addr[10] = prefix.addr.s6_addr[11] = 0xff;
        }
        memcpy(prefix.addr.s6_addr + (prefix.is_v4 ? 12 : 0), nla_data(addr),
               nla_len(addr));
        wg_peer_add_allowed(peer, &prefix);
    }
}

static void
read_endpoint(struct wg_peer *peer, struct nlattr *attr)
{
    size_t len = nla_len(attr);

    if (len == sizeof(struct sockaddr_in)
        || len == sizeof(struct sockaddr_in6)) {
        memcpy(&peer->endpoint, nla_data(attr), len);
    }
}

static void
read_peer(struct wg_device *device, struct nlattr *nested)
{
    struct nlattr *attrs[WGPEER_A_MAX + 1];
    struct wg_peer *peer;

    if (nla_parse_nested(attrs, WGPEER_A_MAX, nested, NULL) < 0
        || !attrs[WGPEER_A_PUBLIC_KEY]
        || nla_len(attrs[WGPEER_A_PUBLIC_KEY]) != WG_KEY_LEN) {
        return;
    }
    /* One with many AllowedIPs goes on in the next message, under the same
     * key and with nothing else. */
    peer = wg_device_add_peer(device,
                              nla_data(attrs[WGPEER_A_PUBLIC_KEY]));
    if (attrs[WGPEER_A_ENDPOINT]) {
        read_endpoint(peer, attrs[WGPEER_A_ENDPOINT]);
    }
    if (attrs[WGPEER_A_PRESHARED_KEY]
        && nla_len(attrs[WGPEER_A_PRESHARED_KEY]) == WG_KEY_LEN) {
        memcpy(peer->preshared_key.bytes,
               nla_data(attrs[WGPEER_A_PRESHARED_KEY]), WG_KEY_LEN);
    }
    if (attrs[WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL]) {
        peer->keepalive_s = nla_get_u16(
            attrs[WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL]);
    }
    if (attrs[WGPEER_A_LAST_HANDSHAKE_TIME]
        && nla_len(attrs[WGPEER_A_LAST_HANDSHAKE_TIME]) >= 8) {
        memcpy(&peer->handshake,
               nla_data(attrs[WGPEER_A_LAST_HANDSHAKE_TIME]), 8);
    }
    if (attrs[WGPEER_A_RX_BYTES]) {
        peer->rx_bytes = nla_get_u64(attrs[WGPEER_A_RX_BYTES]);
    }
    if (attrs[WGPEER_A_TX_BYTES]) {
        peer->tx_bytes = nla_get_u64(attrs[WGPEER_A_TX_BYTES]);
    }
    if (attrs[WGPEER_A_ALLOWEDIPS]) {
        read_allowed(peer, attrs[WGPEER_A_ALLOWEDIPS]);
    }
}

static void
read_device_cb(struct nlmsghdr *nlh, void *device_)
{
    struct wg_device *device = device_;
    struct nlattr *nested, *attrs[WGDEVICE_A_MAX + 1];
    int left;

    if (genlmsg_parse(nlh, 0, attrs, WGDEVICE_A_MAX, NULL) < 0) {
        return;
    }
    if (attrs[WGDEVICE_A_PRIVATE_KEY]
        && nla_len(attrs[WGDEVICE_A_PRIVATE_KEY]) == WG_KEY_LEN) {
        memcpy(device->private_key.bytes,
               nla_data(attrs[WGDEVICE_A_PRIVATE_KEY]), WG_KEY_LEN);
    }
    if (attrs[WGDEVICE_A_LISTEN_PORT]) {
        device->listen_port = nla_get_u16(attrs[WGDEVICE_A_LISTEN_PORT]);
    }
    if (attrs[WGDEVICE_A_PEERS]) {
        nla_for_each_nested (nested, attrs[WGDEVICE_A_PEERS], left) {
            read_peer(device, nested);
        }
    }
}

int
wg_netlink_read(struct nlk *nlk, const char *name, struct wg_device *device)
{
    int family;
    struct nl_sock *sock = nlk_genl_sock(nlk, WG_GENL_NAME, &family);
    struct wg_peer *peer;

    if (!sock) {
        return EOPNOTSUPP;
    }
    struct nl_msg *msg = nlmsg_alloc();
    genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, NLM_F_DUMP,
                WG_CMD_GET_DEVICE, WG_GENL_VERSION);
    nla_put_string(msg, WGDEVICE_A_IFNAME, name);
    int error = nlk_dump(sock, msg, read_device_cb, device);

    HMAP_FOR_EACH (peer, node, &device->peers) {
        wg_peer_sort(peer);
    }
    return error;
}

/* Set requests being written, one message after the other. */
struct wg_writer {
    struct nl_sock *sock;
    int family;
    const char *name;
    struct nl_msg *msg;
    struct nlattr *peers;
    int error;
};

static void
writer_begin(struct wg_writer *w)
{
    w->msg = nlmsg_alloc_size(MSG_SIZE);
    genlmsg_put(w->msg, NL_AUTO_PORT, NL_AUTO_SEQ, w->family, 0, 0,
                WG_CMD_SET_DEVICE, WG_GENL_VERSION);
    nla_put_string(w->msg, WGDEVICE_A_IFNAME, w->name);
    w->peers = NULL;
}

static void
writer_send(struct wg_writer *w)
{
    if (w->peers) {
        nla_nest_end(w->msg, w->peers);
    }

    /* libnl frees the message without wiping the key in it. */
    struct nl_msg *msg = w->msg;
    nlmsg_get(msg);
    int error = nlk_transact(w->sock, msg);
    sodium_memzero(nlmsg_data(nlmsg_hdr(msg)), nlmsg_datalen(nlmsg_hdr(msg)));
    nlmsg_free(msg);

    if (error) {
        agent_stats.write_errors++;
        w->error = w->error ? w->error : error;
    } else {
        agent_stats.wg_writes++;
    }
    w->msg = NULL;
}

static void
writer_need(struct wg_writer *w, size_t room)
{
    if (nlmsg_hdr(w->msg)->nlmsg_len + room > MSG_SIZE) {
        writer_send(w);
        writer_begin(w);
    }
    if (!w->peers) {
        w->peers = nla_nest_start(w->msg, WGDEVICE_A_PEERS);
    }
}

static void
put_allowed(struct nl_msg *msg, const struct sn_prefix *p)
{
    struct nlattr *nested = nla_nest_start(msg, 0);

    nla_put_u16(msg, WGALLOWEDIP_A_FAMILY, p->is_v4 ? AF_INET : AF_INET6);
    nla_put(msg, WGALLOWEDIP_A_IPADDR, p->is_v4 ? 4 : 16,
            p->addr.s6_addr + (p->is_v4 ? 12 : 0));
    nla_put_u8(msg, WGALLOWEDIP_A_CIDR_MASK, p->plen);
    nla_nest_end(msg, nested);
}

static void
put_peer_head(struct nl_msg *msg, const struct wg_peer_change *c)
{
    nla_put(msg, WGPEER_A_PUBLIC_KEY, WG_KEY_LEN, c->key.bytes);
    if (c->remove) {
        nla_put_u32(msg, WGPEER_A_FLAGS, WGPEER_F_REMOVE_ME);
    }
    if (c->set_endpoint) {
        size_t len = (c->endpoint.ss_family == AF_INET
                      ? sizeof(struct sockaddr_in)
                      : sizeof(struct sockaddr_in6));

        nla_put(msg, WGPEER_A_ENDPOINT, len, &c->endpoint);
    }
    if (c->set_preshared_key) {
        nla_put(msg, WGPEER_A_PRESHARED_KEY, WG_KEY_LEN,
                c->preshared_key.bytes);
    }
    if (c->set_keepalive) {
        nla_put_u16(msg, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL,
                    c->keepalive_s);
    }
}

/* A peer whose prefixes do not fit goes on in the next message. */
static void
write_peer(struct wg_writer *w, const struct wg_peer_change *c)
{
    struct wg_peer_change rest = { .key = c->key };
    size_t i = 0;

    do {
        writer_need(w, PEER_ROOM + ALLOWED_ROOM);
        struct nlattr *peer = nla_nest_start(w->msg, 0);
        put_peer_head(w->msg, i ? &rest : c);
        if (i < c->n_allowed) {
            struct nlattr *allowed = nla_nest_start(w->msg,
                                                    WGPEER_A_ALLOWEDIPS);

            while (i < c->n_allowed
                   && (nlmsg_hdr(w->msg)->nlmsg_len + ALLOWED_ROOM
                       <= MSG_SIZE)) {
                put_allowed(w->msg, &c->allowed[i++]);
            }
            nla_nest_end(w->msg, allowed);
        }
        nla_nest_end(w->msg, peer);
    } while (i < c->n_allowed);
}

int
wg_netlink_apply(struct nlk *nlk, const char *name,
                 const struct wg_changes *changes)
{
    struct wg_writer w = { .name = name };

    w.sock = nlk_genl_sock(nlk, WG_GENL_NAME, &w.family);
    if (!w.sock) {
        return EOPNOTSUPP;
    }
    writer_begin(&w);
    if (changes->set_private_key) {
        nla_put(w.msg, WGDEVICE_A_PRIVATE_KEY, WG_KEY_LEN,
                changes->private_key.bytes);
    }
    if (changes->set_listen_port) {
        nla_put_u16(w.msg, WGDEVICE_A_LISTEN_PORT, changes->listen_port);
    }
    for (size_t i = 0; i < changes->n_peers; i++) {
        write_peer(&w, &changes->peers[i]);
    }
    writer_send(&w);
    return w.error;
}
