#ifndef SN_RELAY_SOCK_H
#define SN_RELAY_SOCK_H 1

/* The sockets of socknet-relay.  An address of IPv4 is always of family
 * AF_INET here, whatever socket it comes from. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* A socket of 'type' at 'port' of every address (IPv4 only if the host has no
 * IPv6), not blocking.  0 or errno. */
int relay_sock_open(int type, uint16_t port, int *ret_fd);
/* A UDP socket at 127.0.0.1; '*portp' 0: any port, else that one if it is
 * free. */
int relay_sock_open_local(uint16_t *portp, int *ret_fd);

/* Bytes received, 0: none. */
size_t relay_sock_receive(int fd, void *data, size_t size,
                          struct sockaddr_storage *ret_from);
void relay_sock_send(int fd, const void *data, size_t n,
                     const struct sockaddr_storage *to);
/* 127.0.0.1:PORT. */
void relay_sock_loopback(uint16_t port, struct sockaddr_storage *);

#endif /* agent/relay-sock.h */
