#ifndef SN_EXIT_PROFILE_H
#define SN_EXIT_PROFILE_H 1

/* A file of wgcf or wg-quick, as far as it says what a tunnel is: keys,
 * addresses, peers, resolvers.  What it would have wg-quick do to the host
 * (Table, PostUp, ...) is not done.
 *
 * It holds a private key: a file that others can read is refused, and no error
 * quotes a value. */

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include "agent/wg.h"

struct exit_profile_peer {
    struct wg_key key;
    struct wg_key preshared_key; /* Zero: none. */
    char *endpoint;             /* HOST:PORT, or NULL. */
    uint16_t keepalive_s;
    struct sn_prefix *allowed;
    size_t n_allowed, allocated_allowed;
};

struct exit_profile {
    struct wg_key private_key;
    uint16_t listen_port;       /* 0: any. */
    uint32_t mtu;               /* 0: not said. */
    struct sn_prefix *addresses;
    size_t n_addresses, allocated_addresses;
    struct sn_prefix *resolvers;
    size_t n_resolvers, allocated_resolvers;
    struct exit_profile_peer *peers;
    size_t n_peers, allocated_peers;
};

/* Of 'n' bytes.  Returns NULL, or an error to free ("line 3: ..."); then
 * '*ret' is empty. */
char *exit_profile_parse(const char *text, size_t n,
                         struct exit_profile *ret);
/* Reads and parses a file; '*ret_stat' tells whether it is another one later.
 * The error names the file. */
char *exit_profile_load(const char *path, struct exit_profile *ret,
                        struct stat *ret_stat);
/* Wipes the key. */
void exit_profile_destroy(struct exit_profile *);

#endif /* agent/exit-profile.h */
