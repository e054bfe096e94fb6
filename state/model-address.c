#include <config.h>

#include "state/model.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "util.h"

/* Tunnel addresses for the nodes that were given none. */

static int
compare_nodes_by_loc(const void *a_, const void *b_)
{
    const struct model_node *a = *(const struct model_node **) a_;
    const struct model_node *b = *(const struct model_node **) b_;
    int cmp = strcmp(a->loc.file ? a->loc.file : "",
                     b->loc.file ? b->loc.file : "");

    if (!cmp && a->loc.line != b->loc.line) {
        cmp = a->loc.line < b->loc.line ? -1 : 1;
    }
    if (!cmp && a->loc.column != b->loc.column) {
        cmp = a->loc.column < b->loc.column ? -1 : 1;
    }
    return cmp ? cmp : strcmp(a->name, b->name);
}

/* Takes 'address' for 'node' if nobody has it. */
static bool
model_node_take_address(struct model_node *node, struct sset *taken,
                        const struct sn_prefix *address)
{
    char *s = sn_prefix_addr_to_string(address);
    bool is_free = sset_add(taken, s) != NULL;

    free(s);
    if (is_free) {
        node->address = sn_prefix_host(address);
    }
    return is_free;
}

/* The network's own address and, for IPv4, its broadcast address are nobody's.
 * '*n' is where the search goes on. */
static bool
model_node_take_next(struct model_node *node, struct sset *taken,
                     const struct sn_prefix *net, uint32_t *n)
{
    unsigned int host_bits = (net->is_v4 ? 32 : 128) - net->plen;
    uint64_t n_addresses = UINT64_C(1) << MIN(host_bits, 31);
    uint32_t last = net->is_v4 ? n_addresses - 2 : n_addresses - 1;

    while (n_addresses > 2 && *n < last) {
        struct sn_prefix address = sn_prefix_nth(net, ++*n);
        if (model_node_take_address(node, taken, &address)) {
            return true;
        }
    }
    return false;
}

static void
model_assign_missing(struct model *model, const struct model *previous,
                     struct model_node **nodes, size_t n_nodes,
                     struct sset *taken, struct diags *diags)
{
    const struct sn_prefix *net = &model->mesh.prefix;

    /* Addresses in use keep their nodes before anyone new gets one. */
    for (size_t i = 0; i < n_nodes && previous; i++) {
        const struct model_node *old = model_get_node(previous,
                                                      nodes[i]->name);
        if (!nodes[i]->address.plen && old && old->address.plen
            && sn_prefix_contains(net, &old->address)) {
            model_node_take_address(nodes[i], taken, &old->address);
        }
    }

    uint32_t next = 0;
    for (size_t i = 0; i < n_nodes; i++) {
        if (!nodes[i]->address.plen
            && !model_node_take_next(nodes[i], taken, net, &next)) {
            char *s = sn_prefix_to_string(net);
            diags_add(diags, DIAG_ERROR, &nodes[i]->loc,
                      "give the mesh a larger prefix",
                      "no address of the mesh's prefix %s is left for node "
                      "\"%s\"", s, nodes[i]->name);
            free(s);
            break;
        }
    }
}

void
model_assign_addresses(struct model *model, const struct model *previous,
                       struct diags *diags)
{
    size_t n_nodes = shash_count(&model->nodes);
    struct model_node **nodes = xmalloc(MAX(n_nodes, 1) * sizeof *nodes);
    struct sset taken = SSET_INITIALIZER(&taken);
    const struct shash_node *node;
    size_t i = 0;

    SHASH_FOR_EACH (node, &model->nodes) {
        nodes[i] = node->data;
        if (nodes[i]->address.plen) {
            sset_add_and_free(&taken,
                              sn_prefix_addr_to_string(&nodes[i]->address));
        }
        i++;
    }
    qsort(nodes, n_nodes, sizeof *nodes, compare_nodes_by_loc);
    model_assign_missing(model, previous, nodes, n_nodes, &taken, diags);

    sset_destroy(&taken);
    free(nodes);
}

const struct model_container *
model_find_container(const struct model *model,
                     const struct sn_prefix *address)
{
    const struct shash_node *item;

    SHASH_FOR_EACH (item, &model->containers) {
        const struct model_container *container = item->data;

        for (size_t i = 0; i < container->n_addresses; i++) {
            struct sn_prefix own = sn_prefix_host(&container->addresses[i]);

            if (sn_prefix_equals(&own, address)) {
                return container;
            }
        }
    }
    return NULL;
}

bool
model_container_is_on_link(const struct model_container *container,
                           const struct sn_prefix *address)
{
    for (size_t i = 0; i < container->n_addresses; i++) {
        if (sn_prefix_contains(&container->addresses[i], address)) {
            return true;
        }
    }
    return false;
}
