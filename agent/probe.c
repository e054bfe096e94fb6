#include <config.h>
#include "agent/probe.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "util.h"

#define UDP_LEN ((int) sizeof(struct udphdr))
#define CHECKSUM_OFS 6

struct probe_sock {
    uint16_t port;
    int fds[2];                 /* IPv4, IPv6; -1: none. */
};

struct probe_sock *
probe_sock_create(void)
{
    struct probe_sock *sock = xzalloc(sizeof *sock);

    sock->fds[0] = sock->fds[1] = -1;
    return sock;
}

static void
probe_sock_close(struct probe_sock *sock)
{
    for (int i = 0; i < 2; i++) {
        if (sock->fds[i] >= 0) {
            close(sock->fds[i]);
            sock->fds[i] = -1;
        }
    }
}

void
probe_sock_destroy(struct probe_sock *sock)
{
    if (sock) {
        probe_sock_close(sock);
        free(sock);
    }
}

/* The kernel hands an IPv4 socket the IP header as well, and an IPv6 socket
 * not: X is where UDP begins. */
static int
attach_filter(int fd, bool is_v4, uint16_t port)
{
    struct sock_filter code[] = {
        is_v4 ? (struct sock_filter) BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0)
              : (struct sock_filter) BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, 0),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_IND, UDP_LEN),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x534e7031, 0, 1), /* "SNp1" */
        BPF_STMT(BPF_RET | BPF_K, UINT16_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog prog = { .len = ARRAY_SIZE(code), .filter = code };

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog);
}

static int
open_one(bool is_v4, uint16_t port)
{
    int checksum = CHECKSUM_OFS;
    int fd = socket(is_v4 ? AF_INET : AF_INET6,
                    SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);

    if (fd >= 0
        && (attach_filter(fd, is_v4, port)
            || (!is_v4 && setsockopt(fd, IPPROTO_IPV6, IPV6_CHECKSUM,
                                     &checksum, sizeof checksum)))) {
        int error = errno;

        close(fd);
        errno = error;
        fd = -1;
    }
    return fd;
}

int
probe_sock_set_port(struct probe_sock *sock, uint16_t port)
{
    if (port == sock->port && sock->fds[0] >= 0) {
        return 0;
    }
    probe_sock_close(sock);
    sock->port = port;
    sock->fds[0] = open_one(true, port);
    if (sock->fds[0] < 0) {
        return errno;
    }
    sock->fds[1] = open_one(false, port);   /* A host may have no IPv6. */
    return 0;
}

int
probe_sock_send(struct probe_sock *sock, const struct sockaddr_storage *to,
                const uint8_t data[PROBE_LEN])
{
    bool is_v4 = to->ss_family == AF_INET;
    struct sockaddr_storage dst = *to;
    struct sockaddr_in6 *sin6 = (void *) &dst;
    struct sockaddr_in *sin = (void *) &dst;
    uint8_t packet[sizeof(struct udphdr) + PROBE_LEN];
    /* Without a checksum, which IPv4 permits; IPv6's the kernel writes. */
    struct udphdr udp = {
        .source = htons(sock->port),
        .dest = is_v4 ? sin->sin_port : sin6->sin6_port,
        .len = htons(sizeof packet),
    };

    memcpy(packet, &udp, sizeof udp);
    memcpy(packet + sizeof udp, data, PROBE_LEN);
    if (is_v4) {
        sin->sin_port = 0;
    } else {
        sin6->sin6_port = 0;
    }
    return (sendto(sock->fds[!is_v4], packet, sizeof packet, MSG_DONTWAIT,
                   (struct sockaddr *) &dst,
                   is_v4 ? sizeof *sin : sizeof *sin6) < 0 ? errno : 0);
}

static bool
receive_one(const struct probe_sock *sock, bool is_v4,
            uint8_t data[PROBE_LEN], struct sockaddr_storage *from)
{
    uint8_t packet[128 + sizeof(struct udphdr) + PROBE_LEN];
    struct sockaddr_in6 *sin6 = (void *) from;
    struct sockaddr_in *sin = (void *) from;
    socklen_t from_len = sizeof *from;
    struct udphdr udp;

    memset(from, 0, sizeof *from);
    ssize_t n = recvfrom(sock->fds[!is_v4], packet, sizeof packet, 0,
                         (struct sockaddr *) from, &from_len);
    size_t ofs = n > 0 && is_v4 ? (packet[0] & 15) * 4 : 0;

    if (n < 0 || (size_t) n != ofs + sizeof udp + PROBE_LEN) {
        return false;
    }
    memcpy(&udp, packet + ofs, sizeof udp);
    memcpy(data, packet + ofs + sizeof udp, PROBE_LEN);
    if (is_v4) {
        sin->sin_port = udp.source;
    } else {
        sin6->sin6_port = udp.source;
    }
    return udp.dest == htons(sock->port);
}

bool
probe_sock_receive(struct probe_sock *sock, uint8_t data[PROBE_LEN],
                   struct sockaddr_storage *ret_from)
{
    return ((sock->fds[0] >= 0 && receive_one(sock, true, data, ret_from))
            || (sock->fds[1] >= 0
                && receive_one(sock, false, data, ret_from)));
}

void
probe_sock_wait(const struct probe_sock *sock)
{
    for (int i = 0; i < 2; i++) {
        if (sock->fds[i] >= 0) {
            poll_fd_wait(sock->fds[i], POLLIN);
        }
    }
}
