#include <config.h>
#include "agent/plan-exit.h"

#include <stdlib.h>

#include "agent/plan.h"
#include "sset.h"
#include "state/model.h"
#include "util.h"

/* The proxy of a plan: who may connect, as addresses. */

static void
allow_containers(struct plan_socks *socks, const struct model *model,
                 const struct model_selector *sel)
{
    const struct shash_node **containers = shash_sort(&model->containers);

    for (size_t i = 0; i < shash_count(&model->containers); i++) {
        const struct model_container *c = containers[i]->data;

        if (model_selector_matches(model, sel, c)) {
            for (size_t j = 0; j < c->n_addresses; j++) {
                struct sn_prefix host = sn_prefix_host(&c->addresses[j]);
                plan_prefixes_add(&socks->allowed, &host);
            }
        }
    }
    free(containers);
}

static void
allow_node(struct plan_socks *socks, const struct model *model,
           const struct model_selector *sel)
{
    const struct model_node *node
        = model_get_node(model, sel->text + strlen("node:"));

    if (node && node->address.plen) {
        struct sn_prefix host = sn_prefix_host(&node->address);
        plan_prefixes_add(&socks->allowed, &host);
    }
}

static void
allow(struct plan_socks *socks, const struct model *model, const char *text,
      struct sset *problems)
{
    struct model_selector sel;
    char *error = model_selector_parse(model, text, false, &sel);

    if (error) {
        sset_add_and_free(problems, xasprintf("socks5: %s", error));
        free(error);
        return;
    }
    if (sel.kind == SEL_CIDR) {
        struct sn_prefix network = sn_prefix_network(&sel.prefix);

        if (network.plen) {
            plan_prefixes_add(&socks->allowed, &network);
        }
    } else if (sel.kind == SEL_NODE) {
        allow_node(socks, model, &sel);
    } else if (sel.kind == SEL_CONTAINER || sel.kind == SEL_TAG
               || sel.kind == SEL_SEGMENT || sel.kind == SEL_GLOB) {
        allow_containers(socks, model, &sel);
    } else {
        sset_add_and_free(problems, xasprintf(
            "socks5: \"%s\" cannot be told by addresses; they are not let "
            "in", text));
    }
    model_selector_destroy(&sel);
}

void
plan_add_socks(struct plan *plan, const struct model *model,
               const struct model_node *self, struct sset *problems)
{
    const struct model_socks *ms = &self->socks;

    if (!ms->enabled || plan->revoked) {
        return;
    } else if (!ms->listen.plen && !self->address.plen) {
        sset_add(problems, "socks5: this node has no tunnel address to "
                 "listen at");
        return;
    }
    struct plan_socks *socks = plan->socks = xzalloc(sizeof *socks);
    socks->listen = sn_prefix_host(ms->listen.plen ? &ms->listen
                                   : &self->address);
    socks->port = ms->port;
    svec_clone(&socks->exits, &ms->exits);
    for (size_t i = 0; i < ms->allow.n; i++) {
        allow(socks, model, ms->allow.names[i], problems);
    }
}

void
plan_free_socks(struct plan *plan)
{
    if (plan->socks) {
        svec_destroy(&plan->socks->exits);
        free(plan->socks->allowed.prefixes);
        free(plan->socks);
    }
}
