#ifndef SN_DNS_SOCK_H
#define SN_DNS_SOCK_H 1

/* Socket addresses and sockets of DNS. */

#include <stdbool.h>
#include <sys/socket.h>

struct sn_prefix;

/* Port 53 of an address.  Returns the length. */
socklen_t dns_sockaddr_from_prefix(const struct sn_prefix *,
                                   struct sockaddr_storage *);
bool dns_prefix_from_sockaddr(const struct sockaddr *, struct sn_prefix *);

/* A socket of 'type' bound to port 53 of an address, whether or not the host
 * has it at the moment; a stream listens.  A negative errno on failure. */
int dns_open_listening(const struct sn_prefix *, int type);

/* The interface by which a datagram came to such a socket, 0: unknown. */
int dns_received_by(struct msghdr *);

#endif /* agent/dns-sock.h */
