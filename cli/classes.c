#include <config.h>

#include "cli/classes.h"

#include <stdlib.h>
#include <string.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "sset.h"
#include "state/model.h"
#include "util.h"

/* What rules, raw flows and services say of a container, as a text. */

static void
put_selectors(const struct model *model, const struct model_selector *sels,
              size_t n, const struct model_container *container,
              struct ds *key)
{
    for (size_t i = 0; i < n; i++) {
        ds_put_char(key, '0' + model_selector_matches(model, &sels[i],
                                                      container));
    }
}

static void
put_raw_flows(const struct model *model,
              const struct model_container *container, struct ds *key)
{
    const struct shash_node *item;

    SHASH_FOR_EACH (item, &model->raw_flows) {
        const struct model_raw_flow *flow = item->data;
        bool named = strstr(flow->text, container->veth) != NULL;

        for (size_t i = 0; i < container->n_addresses; i++) {
            char *s = sn_prefix_addr_to_string(&container->addresses[i]);
            named |= strstr(flow->text, s) != NULL;
            free(s);
        }
        if (named) {
            ds_put_cstr(key, container->name);
        }
    }
}

static void
put_place(const struct model *model, const struct model_container *container,
          struct ds *key)
{
    const struct model_node *node = model_get_node(model, container->node);

    ds_put_format(key, "%s %s ", container->node,
                  container->quarantined ? "q" : "");
    for (size_t i = 0; i < container->n_addresses; i++) {
        const struct sn_prefix *address = &container->addresses[i];
        bool home = false;

        for (size_t j = 0; node && j < node->n_subnets; j++) {
            home |= sn_prefix_contains(&node->subnets[j], address);
        }
        ds_put_format(key, "%d%d", address->is_v4, home);
    }
    for (size_t i = 0; i < container->exits.n; i++) {
        ds_put_format(key, " %s", container->exits.names[i]);
    }
    ds_put_char(key, ' ');
}

static void
put_class(const struct model *model, const char *name, struct ds *key)
{
    const struct model_container *container = model_get_container(model,
                                                                  name);
    const struct shash_node *item;

    ds_put_char(key, '|');
    if (!container) {
        return;
    }
    put_place(model, container, key);
    put_raw_flows(model, container, key);
    SHASH_FOR_EACH (item, &model->segments) {
        const struct model_segment *segment = item->data;
        put_selectors(model, segment->members, segment->n_members, container,
                      key);
    }
    SHASH_FOR_EACH (item, &model->acls) {
        const struct model_acl *acl = item->data;
        put_selectors(model, acl->src, acl->n_src, container, key);
        put_selectors(model, acl->dst, acl->n_dst, container, key);
    }
    SHASH_FOR_EACH (item, &model->services) {
        const struct model_service *service = item->data;
        put_selectors(model, service->backends, service->n_backends,
                      container, key);
    }
}

static void
add_to_class(struct shash *classes, const char *name,
             const struct model *const models[], size_t n_models)
{
    struct ds key = DS_EMPTY_INITIALIZER;
    struct svec *members;

    for (size_t i = 0; i < n_models; i++) {
        put_class(models[i], name, &key);
    }
    members = shash_find_data(classes, ds_cstr(&key));
    if (!members) {
        members = xmalloc(sizeof *members);
        svec_init(members);
        shash_add(classes, ds_cstr(&key), members);
    }
    svec_add(members, name);
    ds_destroy(&key);
}

static void
sort_into_classes(struct shash *classes, const struct model *const models[],
                  size_t n_models)
{
    struct sset names = SSET_INITIALIZER(&names);
    const struct shash_node *item;

    for (size_t i = 0; i < n_models; i++) {
        SHASH_FOR_EACH (item, &models[i]->containers) {
            sset_add(&names, item->name);
        }
    }
    const char **sorted = sset_sort(&names);
    for (size_t i = 0; i < sset_count(&names); i++) {
        add_to_class(classes, sorted[i], models, n_models);
    }
    free(sorted);
    sset_destroy(&names);
}

void
classes_find(struct classes *c, const struct model *const models[],
             size_t n_models)
{
    struct shash classes = SHASH_INITIALIZER(&classes);

    sort_into_classes(&classes, models, n_models);
    const struct shash_node **sorted = shash_sort(&classes);
    c->n = shash_count(&classes);
    c->items = xcalloc(c->n + 1, sizeof *c->items);
    for (size_t i = 0; i < c->n; i++) {
        c->items[i] = *(struct svec *) sorted[i]->data;
    }
    free(sorted);
    shash_destroy_free_data(&classes);
}

void
classes_destroy(struct classes *c)
{
    for (size_t i = 0; i < c->n; i++) {
        svec_destroy(&c->items[i]);
    }
    free(c->items);
}
