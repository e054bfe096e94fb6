#ifndef SN_PROBE_H
#define SN_PROBE_H 1

/* The sockets of probes.
 *
 * A probe must leave by WireGuard's own UDP port, so that NATs take it for
 * the tunnel's; WireGuard has the port, so these are raw sockets, with a
 * filter that lets through nothing but probes to that port. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "agent/probe-message.h"

struct probe_sock;

struct probe_sock *probe_sock_create(void);
void probe_sock_destroy(struct probe_sock *);

/* From now on for WireGuard at 'port'.  0 or errno. */
int probe_sock_set_port(struct probe_sock *, uint16_t port);

int probe_sock_send(struct probe_sock *, const struct sockaddr_storage *to,
                    const uint8_t data[PROBE_LEN]);
/* Takes one probe; false if there is none.  '*ret_from' has the port. */
bool probe_sock_receive(struct probe_sock *, uint8_t data[PROBE_LEN],
                        struct sockaddr_storage *ret_from);
void probe_sock_wait(const struct probe_sock *);

#endif /* agent/probe.h */
