#ifndef SN_ADDR_H
#define SN_ADDR_H 1

/* Addresses of links.
 *
 * An address that the agent adds carries IFA_PROTO SN_RTPROT (kernels from
 * 5.18); only such an address is ever removed.  One that is wanted and that
 * somebody else has put there is left as it is. */

#include <stdbool.h>
#include <stddef.h>
#include "openvswitch/shash.h"

struct nlk;
struct link;
struct sn_prefix;

/* Makes the agent's own addresses on 'link' equal to 'wanted'.  If
 * 'owns_link', all others of global scope go, whoever set them.  0, or the
 * first errno. */
int addr_sync(struct nlk *, const struct link *,
              const struct sn_prefix *wanted, size_t n_wanted,
              bool owns_link);

/* Whether 'link' has an address of the family that can speak beyond it. */
bool addr_has_family(struct nlk *, const struct link *, bool is_v4);

/* Calls 'cb' for every address of global scope. */
typedef void addr_cb(int ifindex, const struct sn_prefix *, void *aux);
void addr_list(struct nlk *, addr_cb *, void *aux);

/* Removes every address that the agent added, on any link. */
int addr_remove_all(struct nlk *);

#endif /* agent/addr.h */
