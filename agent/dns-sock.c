#include <config.h>
#include "agent/dns-sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "lib/prefix.h"
#include "util.h"

bool
dns_prefix_from_sockaddr(const struct sockaddr *sa, struct sn_prefix *p)
{
    memset(p, 0, sizeof *p);
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *sin
            = ALIGNED_CAST(const struct sockaddr_in *, sa);

        p->is_v4 = true;
        p->plen = 32;
        p->addr.s6_addr[10] = p->addr.s6_addr[11] = 0xff;
        memcpy(&p->addr.s6_addr[12], &sin->sin_addr, 4);
        return true;
    } else if (sa->sa_family == AF_INET6) {
        p->plen = 128;
        p->addr = ALIGNED_CAST(const struct sockaddr_in6 *, sa)->sin6_addr;
        return true;
    }
    return false;
}

socklen_t
dns_sockaddr_from_prefix(const struct sn_prefix *p,
                         struct sockaddr_storage *ss)
{
    memset(ss, 0, sizeof *ss);
    if (p->is_v4) {
        struct sockaddr_in *sin = ALIGNED_CAST(struct sockaddr_in *, ss);

        sin->sin_family = AF_INET;
        sin->sin_port = htons(53);
        memcpy(&sin->sin_addr, &p->addr.s6_addr[12], 4);
        return sizeof *sin;
    }
    struct sockaddr_in6 *sin6 = ALIGNED_CAST(struct sockaddr_in6 *, ss);
    sin6->sin6_family = AF_INET6;
    sin6->sin6_port = htons(53);
    sin6->sin6_addr = p->addr;
    return sizeof *sin6;
}

int
dns_open_listening(const struct sn_prefix *address, int type)
{
    int fd = socket(address->is_v4 ? AF_INET : AF_INET6,
                    type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_storage ss;
    socklen_t len = dns_sockaddr_from_prefix(address, &ss);
    const int on = 1;

    if (fd < 0) {
        return -errno;
    }
    if (address->is_v4) {
        setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof on);
        setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    } else {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof on);
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    }
    if (type == SOCK_STREAM) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    if (bind(fd, (struct sockaddr *) &ss, len)
        || (type == SOCK_STREAM && listen(fd, 64))) {
        int error = errno;

        close(fd);
        return -error;
    }
    return fd;
}

int
dns_received_by(struct msghdr *mh)
{
    struct cmsghdr *c;

    for (c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof info);
            return info.ipi_ifindex;
        } else if (c->cmsg_level == IPPROTO_IPV6
                   && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof info);
            return info.ipi6_ifindex;
        }
    }
    return 0;
}
