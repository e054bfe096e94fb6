#include <config.h>
#include "agent/addr.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

#include "agent/link.h"
#include "agent/nlk.h"
#include "lib/prefix.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(addr);

struct addr_found {
    struct sn_prefix prefix;
    int ifindex;
    bool ours;
    bool global;
};

struct addr_list {
    struct addr_found *addrs;
    size_t n, allocated;
};

/* Reads an address of 'family' out of 'attr'. */
static bool
addr_from_attr(int family, struct nlattr *attr, uint8_t plen,
               struct sn_prefix *prefix)
{
    if (nla_len(attr) != (family == AF_INET ? 4 : 16)
        || (family != AF_INET && family != AF_INET6)) {
        return false;
    }
    *prefix = sn_prefix_from_bytes(nla_data(attr), family == AF_INET);
    prefix->plen = plen;
    return true;
}

static void
addr_dump_cb(struct nlmsghdr *nlh, void *list_)
{
    struct addr_list *list = list_;
    const struct ifaddrmsg *ifa = nlmsg_data(nlh);
    struct nlattr *attrs[IFA_MAX + 1];
    struct addr_found found = { .ifindex = 0 };

    if (nlh->nlmsg_type != RTM_NEWADDR
        || nlmsg_parse(nlh, sizeof *ifa, attrs, IFA_MAX, NULL) < 0) {
        return;
    }
    struct nlattr *a = attrs[IFA_LOCAL] ? attrs[IFA_LOCAL]
                       : attrs[IFA_ADDRESS];
    if (!a || !addr_from_attr(ifa->ifa_family, a, ifa->ifa_prefixlen,
                              &found.prefix)) {
        return;
    }
    found.ifindex = ifa->ifa_index;
    found.global = ifa->ifa_scope < RT_SCOPE_LINK;
    found.ours = (attrs[IFA_PROTO]
                  && nla_get_u8(attrs[IFA_PROTO]) == SN_RTPROT);
    if (list->n >= list->allocated) {
        list->addrs = x2nrealloc(list->addrs, &list->allocated,
                                 sizeof *list->addrs);
    }
    list->addrs[list->n++] = found;
}

/* 'ifindex' 0: of every link. */
static int
addr_dump(struct nlk *nlk, int ifindex, struct addr_list *list)
{
    struct ifaddrmsg ifa = { .ifa_family = AF_UNSPEC, .ifa_index = ifindex };
    struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETADDR, NLM_F_DUMP);

    nlmsg_append(msg, &ifa, sizeof ifa, NLMSG_ALIGNTO);
    return nlk_dump(nlk_strict_sock(nlk), msg, addr_dump_cb, list);
}

static int
addr_change(struct nlk *nlk, int type, int ifindex,
            const struct sn_prefix *prefix)
{
    struct ifaddrmsg ifa = {
        .ifa_family = prefix->is_v4 ? AF_INET : AF_INET6,
        .ifa_prefixlen = prefix->plen,
        .ifa_index = ifindex,
        /* No duplicate address detection: the pipeline answers for it, and
         * the address would be unusable meanwhile. */
        .ifa_flags = prefix->is_v4 ? 0 : IFA_F_NODAD,
    };
    const uint8_t *addr = prefix->addr.s6_addr + (prefix->is_v4 ? 12 : 0);
    int len = prefix->is_v4 ? 4 : 16;
    struct nl_msg *msg = nlmsg_alloc_simple(
        type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0);

    nlmsg_append(msg, &ifa, sizeof ifa, NLMSG_ALIGNTO);
    nla_put(msg, IFA_LOCAL, len, addr);
    nla_put(msg, IFA_ADDRESS, len, addr);
    if (type == RTM_NEWADDR) {
        nla_put_u8(msg, IFA_PROTO, SN_RTPROT);
    }

    int error = nlk_write(nlk, msg);
    char *s = sn_prefix_to_string(prefix);
    if (error) {
        VLOG_WARN("%s address %s of link %d: %s",
                  type == RTM_NEWADDR ? "adding" : "removing", s, ifindex,
                  ovs_strerror(error));
    } else {
        VLOG_INFO("%s address %s of link %d",
                  type == RTM_NEWADDR ? "added" : "removed", s, ifindex);
    }
    free(s);
    return error;
}

static bool
addr_is_wanted(const struct addr_found *found, const struct sn_prefix *wanted,
               size_t n_wanted)
{
    for (size_t i = 0; i < n_wanted; i++) {
        if (sn_prefix_equals(&found->prefix, &wanted[i])) {
            return true;
        }
    }
    return false;
}

int
addr_sync(struct nlk *nlk, const struct link *link,
          const struct sn_prefix *wanted, size_t n_wanted, bool owns_link)
{
    struct addr_list list = { .n = 0 };
    int error = addr_dump(nlk, link->ifindex, &list);

    if (error) {
        free(list.addrs);
        return error;
    }
    for (size_t i = 0; i < n_wanted; i++) {
        bool found = false;

        for (size_t j = 0; j < list.n && !found; j++) {
            found = sn_prefix_equals(&list.addrs[j].prefix, &wanted[i]);
        }
        if (!found) {
            int retval = addr_change(nlk, RTM_NEWADDR, link->ifindex,
                                     &wanted[i]);
            error = error ? error : retval;
        }
    }
    for (size_t i = 0; i < list.n; i++) {
        const struct addr_found *f = &list.addrs[i];

        if (f->global && (f->ours || owns_link)
            && !addr_is_wanted(f, wanted, n_wanted)) {
            int retval = addr_change(nlk, RTM_DELADDR, f->ifindex,
                                     &f->prefix);
            error = error ? error : retval;
        }
    }
    free(list.addrs);
    return error;
}

bool
addr_has_family(struct nlk *nlk, const struct link *link, bool is_v4)
{
    struct addr_list list = { .n = 0 };
    int error = addr_dump(nlk, link->ifindex, &list);
    bool found = false;

    for (size_t i = 0; !error && i < list.n; i++) {
        found |= (list.addrs[i].global
                  && list.addrs[i].prefix.is_v4 == is_v4);
    }
    free(list.addrs);
    return found;
}

void
addr_list(struct nlk *nlk, addr_cb *cb, void *aux)
{
    struct addr_list list = { .n = 0 };

    addr_dump(nlk, 0, &list);
    for (size_t i = 0; i < list.n; i++) {
        if (list.addrs[i].global) {
            cb(list.addrs[i].ifindex, &list.addrs[i].prefix, aux);
        }
    }
    free(list.addrs);
}

int
addr_remove_all(struct nlk *nlk)
{
    struct addr_list list = { .n = 0 };
    int error = addr_dump(nlk, 0, &list);

    for (size_t i = 0; i < list.n; i++) {
        if (list.addrs[i].ours) {
            int retval = addr_change(nlk, RTM_DELADDR, list.addrs[i].ifindex,
                                     &list.addrs[i].prefix);
            error = error ? error : retval;
        }
    }
    free(list.addrs);
    return error;
}
