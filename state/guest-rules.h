#ifndef SN_GUEST_RULES_H
#define SN_GUEST_RULES_H 1

/* The rules about what guests may do with the internet, and with other guests
 * of their node, which the flows never see.  In the order in which they are to
 * be tried: tier by tier, denials first. */

#include <stdbool.h>
#include <stdint.h>
#include "state/model.h"

struct guest_rule {
    const char *name;           /* Of the acl or the segment. */
    const struct sn_prefix *src; /* A client's address; NULL: any guest. */
    const struct sn_prefix *dst; /* NULL: wherever it is about. */
    uint8_t ip_proto;           /* 0: any; IPPROTO_ICMP as well as ICMPv6. */
    struct model_port_range ports; /* 0-0: any. */
    bool accept;
};

/* Calls 'cb' for each rule about the guests of 'node'.  What none matches is
 * accepted, if there is an exit. */
void guest_rules_to_internet(const struct model *, const char *node,
                             void (*cb)(void *aux, const struct guest_rule *),
                             void *aux);
/* The same about each other; what none matches is denied. */
void guest_rules_between(const struct model *, const char *node,
                         void (*cb)(void *aux, const struct guest_rule *),
                         void *aux);
/* Whether everything a client sends to the internet is denied. */
bool guest_is_denied_internet(const struct model *,
                              const struct model_client *);

#endif /* state/guest-rules.h */
