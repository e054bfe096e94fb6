#ifndef SN_PROTOCOL_H
#define SN_PROTOCOL_H 1

/* "tcp/443", "icmp": what a connection is made with. */

#include <stdbool.h>
#include <stdint.h>

/* '*ret_port' is what follows the slash, to free, or NULL.  False, having said
 * why for the command 'name', if 's' is none. */
bool protocol_parse(const char *name, const char *s, uint8_t *ret_ip_proto,
                    char **ret_port);

#endif /* cli/protocol.h */
