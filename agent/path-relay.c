#include <config.h>
#include "agent/paths-private.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(path_relay);

/* A relay that is needed no longer stays for packets under way. */
#define LINGER_MS 15000

/* What several others see as one address and many ports. */
static bool
is_symmetric(const struct rendezvous_node *node)
{
    for (size_t i = 0; node && i < node->n_observed; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct sockaddr_storage *a = &node->observed[i].ss;
            const struct sockaddr_storage *b = &node->observed[j].ss;

            if (ss_same_host(a, b) && !wg_endpoint_equals(a, b)) {
                return true;
            }
        }
    }
    return false;
}

void
path_explain_nat(const struct paths *ps, const struct path *p, struct ds *ds)
{
    if (is_symmetric(rendezvous_find(&ps->rendezvous, ps->node))) {
        ds_put_format(ds, "; the NAT of %s has another port for each "
                      "destination", ps->node);
    }
    if (is_symmetric(rendezvous_find(&ps->rendezvous, p->node))) {
        ds_put_format(ds, "; the NAT of %s has another port for each "
                      "destination", p->node);
    }
}

void
path_explain_relay(const struct paths *ps OVS_UNUSED, const struct path *p,
                   struct ds *ds)
{
    if (!p->hub) {
        ds_put_cstr(ds, "; no node that both reach can relay");
    } else if (!p->relay.ss_family) {
        ds_put_format(ds, "; %s has not opened its relay yet", p->hub);
    } else {
        ds_put_format(ds, "; nothing comes back by the relay of %s either",
                      p->hub);
    }
}

void
path_update_relay(struct paths *ps OVS_UNUSED, struct path *p OVS_UNUSED,
                  const struct rendezvous_node *self OVS_UNUSED)
{
}

void
path_ask_relay(struct paths *ps OVS_UNUSED, struct path *p OVS_UNUSED,
               bool needed OVS_UNUSED)
{
}
