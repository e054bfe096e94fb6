#ifndef SN_CHILD_H
#define SN_CHILD_H 1

/* Programs that outlive the agent, so that its end ends no connection:
 * wireguard-go, socknet-relay, the SOCKS5 server. */

#include <stdbool.h>

/* In the child, between fork and exec: out of the agent's session, no signal
 * of its blocked or handled, /dev/null as standard streams, no other file
 * descriptor, umask 077, working directory "/".  False: end at once. */
bool child_detach(void);

#endif /* agent/child.h */
