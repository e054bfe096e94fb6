#include <config.h>

#include "state/adopt.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include "state/model.h"
#include "state/name.h"
#include "util.h"

static bool
is_itself(const struct model_container *a, const struct model_container *b)
{
    return (a->adopted && !strcmp(a->node, b->node)
            && !strcmp(a->veth, b->veth));
}

static char *
check_name(const struct model *model, const struct model_container *c)
{
    const struct model_container *other = model_get_container(model, c->name);
    char *error = name_validate(c->name);

    if (error) {
        char *reason = xasprintf("it cannot be called \"%s\": %s", c->name,
                                 error);
        free(error);
        return reason;
    } else if (name_is_reserved(c->name)
               || model_get_segment(model, c->name)
               || shash_find(&model->services, c->name)) {
        return xasprintf("it cannot be called \"%s\": that means something "
                         "else in the state", c->name);
    } else if (other && !is_itself(other, c)) {
        return xasprintf("it is called \"%s\", and so is container %s of "
                         "node %s", c->name, other->id, other->node);
    }
    return NULL;
}

static const struct model_container *
find_address(const struct model *model, const struct model_container *c,
             const struct sn_prefix *address)
{
    const struct model_container *found = NULL;
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &model->containers) {
        const struct model_container *other = node->data;

        for (size_t i = 0; i < other->n_addresses; i++) {
            struct sn_prefix host = sn_prefix_host(&other->addresses[i]);

            if (sn_prefix_equals(&host, address) && !is_itself(other, c)
                && (!found || strcmp(other->name, found->name) < 0)) {
                found = other;
            }
        }
    }
    return found;
}

static char *
check_address(const struct model *model, const struct model_container *c,
              const struct model_node *node, const struct sn_prefix *address_)
{
    struct sn_prefix address = sn_prefix_host(address_);
    const struct model_container *other = find_address(model, c, &address);
    char *s = sn_prefix_addr_to_string(&address);
    char *reason = NULL;
    bool inside = false;

    for (size_t i = 0; i < node->n_subnets; i++) {
        struct sn_prefix gateway = sn_prefix_host(&node->gateways[i]);

        inside |= sn_prefix_contains(&node->subnets[i], &address);
        if (sn_prefix_equals(&gateway, &address)) {
            reason = xasprintf("its address %s is the gateway's", s);
        }
    }
    if (!reason && !inside) {
        reason = xasprintf("its address %s is in no subnet of node %s", s,
                           node->name);
    } else if (!reason && other) {
        reason = xasprintf("its address %s is that of %s", s, other->name);
    }
    free(s);
    return reason;
}

char *
adopt_check(const struct model *model, const struct model_container *c)
{
    const struct model_node *node = model_get_node(model, c->node);
    char *reason;

    if (!node) {
        return xasprintf("there is no node %s", c->node);
    } else if (!c->n_addresses) {
        return xstrdup("it has no static address");
    }
    reason = check_name(model, c);
    for (size_t i = 0; !reason && i < c->n_addresses; i++) {
        reason = check_address(model, c, node, &c->addresses[i]);
    }
    return reason;
}

void
adopt_set_tags(const struct model_mesh *mesh, struct model_container *c)
{
    for (size_t i = 0; i < mesh->n_adopts; i++) {
        const struct model_adopt *adopt = &mesh->adopts[i];

        if (!fnmatch(adopt->match, c->name, 0)
            || !fnmatch(adopt->match, c->id, 0)) {
            const char *tag;

            SSET_FOR_EACH (tag, &adopt->tags) {
                sset_add(&c->tags, tag);
            }
        }
    }
}
