#include <config.h>
#include "agent/relay-sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "util.h"

/* A burst of WireGuard's must fit. */
#define BUFFER_SIZE (4 * 1024 * 1024)

void
relay_sock_loopback(uint16_t port, struct sockaddr_storage *ss)
{
    struct sockaddr_in *sin = (void *) ss;

    memset(ss, 0, sizeof *ss);
    sin->sin_family = AF_INET;
    sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sin->sin_port = htons(port);
}

static int
sock_bind(int family, int type, const struct sockaddr_storage *ss,
          int *ret_fd)
{
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int zero = 0, one = 1, size = BUFFER_SIZE;

    if (fd < 0) {
        return errno;
    }
    if (family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    }
    if (type == SOCK_STREAM) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    } else {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    if (bind(fd, (const struct sockaddr *) ss,
             family == AF_INET ? sizeof(struct sockaddr_in)
             : sizeof(struct sockaddr_in6))
        || (type == SOCK_STREAM && listen(fd, 16))) {
        int error = errno;

        close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

int
relay_sock_open(int type, uint16_t port, int *ret_fd)
{
    struct sockaddr_storage ss = { .ss_family = AF_INET6 };
    struct sockaddr_in6 *sin6 = (void *) &ss;
    struct sockaddr_in *sin = (void *) &ss;

    sin6->sin6_port = htons(port);
    int error = sock_bind(AF_INET6, type, &ss, ret_fd);
    if (error == EAFNOSUPPORT || error == EADDRNOTAVAIL) {
        memset(&ss, 0, sizeof ss);
        sin->sin_family = AF_INET;
        sin->sin_port = htons(port);
        error = sock_bind(AF_INET, type, &ss, ret_fd);
    }
    return error;
}

int
relay_sock_open_local(uint16_t *portp, int *ret_fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;

    relay_sock_loopback(*portp, &ss);
    int error = sock_bind(AF_INET, SOCK_DGRAM, &ss, ret_fd);
    if (error && *portp) {
        relay_sock_loopback(0, &ss);
        error = sock_bind(AF_INET, SOCK_DGRAM, &ss, ret_fd);
    }
    if (!error && !getsockname(*ret_fd, (struct sockaddr *) &ss, &len)) {
        *portp = ntohs(((struct sockaddr_in *) &ss)->sin_port);
    }
    return error;
}

static void
unmap(struct sockaddr_storage *ss)
{
    struct sockaddr_in6 sin6;
    struct sockaddr_in *sin = (void *) ss;

    memcpy(&sin6, ss, sizeof sin6);
    if (sin6.sin6_family == AF_INET6
        && IN6_IS_ADDR_V4MAPPED(&sin6.sin6_addr)) {
        memset(ss, 0, sizeof *ss);
        sin->sin_family = AF_INET;
        sin->sin_port = sin6.sin6_port;
        memcpy(&sin->sin_addr, &sin6.sin6_addr.s6_addr[12], 4);
    }
}

size_t
relay_sock_receive(int fd, void *data, size_t size,
                   struct sockaddr_storage *from)
{
    socklen_t len = sizeof *from;

    memset(from, 0, sizeof *from);
    ssize_t n = recvfrom(fd, data, size, MSG_DONTWAIT,
                         (struct sockaddr *) from, &len);
    unmap(from);
    return MAX(n, 0);
}

void
relay_sock_send(int fd, const void *data, size_t n,
                const struct sockaddr_storage *to)
{
    const struct sockaddr_in *sin = (const void *) to;
    struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
    struct sockaddr_storage own;
    socklen_t len = sizeof own;

    if (to->ss_family == AF_INET
        && !getsockname(fd, (struct sockaddr *) &own, &len)
        && own.ss_family == AF_INET6) {
        sin6.sin6_port = sin->sin_port;
        memset(&sin6.sin6_addr.s6_addr[10], 0xff, 2);
        memcpy(&sin6.sin6_addr.s6_addr[12], &sin->sin_addr, 4);
        sendto(fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL,
               (struct sockaddr *) &sin6, sizeof sin6);
    } else {
        sendto(fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL,
               (const struct sockaddr *) to,
               to->ss_family == AF_INET ? sizeof *sin : sizeof sin6);
    }
}
