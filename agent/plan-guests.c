#include <config.h>
#include "agent/plan.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "state/guest-rules.h"
#include "state/model.h"
#include "util.h"

/* The part of the plan that is about guests. */

static void
add_pools(struct plan_guests *g, const struct model_vpn *vpn)
{
    for (size_t i = 0; i < vpn->n_pools; i++) {
        struct sn_prefix own = sn_prefix_nth(&vpn->pools[i], 1);

        plan_prefixes_add(&g->pools, &vpn->pools[i]);
        own.plen = vpn->pools[i].plen;
        plan_prefixes_add(&g->addresses, &own);
    }
}

static void
add_client(struct plan_guests *g, const struct model_client *mc)
{
    struct plan_client *c = &g->clients[g->n_clients++];

    c->name = xstrdup(mc->name);
    c->has_key = wg_key_from_base64(mc->public_key, &c->key);
    c->expires = mc->expires;
    c->revoked = mc->revoked;
    for (size_t i = 0; i < mc->n_addresses; i++) {
        /* Not from another node's pool. */
        for (size_t j = 0; j < g->pools.n; j++) {
            if (sn_prefix_contains(&g->pools.prefixes[j],
                                   &mc->addresses[i])) {
                plan_prefixes_add(&c->allowed, &mc->addresses[i]);
            }
        }
    }
}

static void
add_rule(void *rules_, const struct guest_rule *r)
{
    struct plan_guest_rules *rules = rules_;

    if (rules->n >= rules->allocated) {
        rules->rules = x2nrealloc(rules->rules, &rules->allocated,
                                  sizeof *rules->rules);
    }
    rules->rules[rules->n++] = (struct plan_guest_rule) {
        .any_src = !r->src, .any_dst = !r->dst,
        .src = r->src ? *r->src : (struct sn_prefix) { .plen = 0 },
        .dst = r->dst ? *r->dst : (struct sn_prefix) { .plen = 0 },
        .ip_proto = r->ip_proto, .ports = r->ports, .accept = r->accept,
    };
}

static void
add_clients(struct plan_guests *g, const struct model *model,
            const struct model_node *self)
{
    const struct shash_node **clients = shash_sort(&model->clients);
    size_t n = shash_count(&model->clients);

    g->clients = xcalloc(n + 1, sizeof *g->clients);
    for (size_t i = 0; i < n; i++) {
        const struct model_client *client = clients[i]->data;

        if (!strcmp(client->node, self->name)) {
            add_client(g, client);
        }
    }
    free(clients);
}

void
plan_guests_init(struct plan *plan, const struct model *model,
                 const struct model_node *self)
{
    struct plan_guests *g = &plan->guests;

    if (!self->vpn || plan->revoked) {
        return;
    }
    add_pools(g, self->vpn);
    g->interface = xstrdup(self->vpn->interface);
    g->listen_port = self->vpn->listen_port;
    g->names = model->mesh.names;
    for (size_t i = 0; self->vpn->exit && i < plan->n_exits; i++) {
        const char *name = strchr(self->vpn->exit, '/') + 1;

        if (plan->exits[i].enabled && !strcmp(plan->exits[i].name, name)) {
            g->exit = &plan->exits[i];
        }
    }
    add_clients(g, model, self);
    guest_rules_to_internet(model, self->name, add_rule, &g->internet);
    guest_rules_between(model, self->name, add_rule, &g->between);
}

void
plan_guests_destroy(struct plan_guests *g)
{
    for (size_t i = 0; i < g->n_clients; i++) {
        free(g->clients[i].name);
        free(g->clients[i].allowed.prefixes);
    }
    free(g->clients);
    free(g->interface);
    free(g->addresses.prefixes);
    free(g->pools.prefixes);
    free(g->internet.rules);
    free(g->between.rules);
}
