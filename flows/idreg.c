#include <config.h>

#include "flows/idreg.h"

#include <stdlib.h>
#include "hash.h"
#include "openvswitch/util.h"
#include "util.h"

struct idreg_entry {
    struct hmap_node node;      /* In reg->by_id, by 'id'. */
    const char *key;            /* Of reg->entries. */
    uint32_t preferred;
    uint32_t id;                /* 0: none yet. */
};

uint32_t idreg_test_mask = UINT32_MAX;

void
idreg_init(struct idreg *reg)
{
    shash_init(&reg->entries);
    hmap_init(&reg->by_id);
    reg->n_moved = 0;
    reg->collided = false;
}

void
idreg_destroy(struct idreg *reg)
{
    hmap_destroy(&reg->by_id);
    shash_destroy_free_data(&reg->entries);
}

static struct idreg_entry *
idreg_find_entry(const struct idreg *reg, uint32_t id)
{
    struct idreg_entry *entry;

    HMAP_FOR_EACH_WITH_HASH (entry, node, hash_int(id, 0), &reg->by_id) {
        if (entry->id == id) {
            return entry;
        }
    }
    return NULL;
}

static void
idreg_set(struct idreg *reg, struct idreg_entry *entry, uint32_t id)
{
    entry->id = id;
    reg->n_moved += id != entry->preferred;
    hmap_insert(&reg->by_id, &entry->node, hash_int(id, 0));
}

static void
idreg_unset(struct idreg *reg, struct idreg_entry *entry)
{
    if (entry->id) {
        reg->n_moved -= entry->id != entry->preferred;
        hmap_remove(&reg->by_id, &entry->node);
        entry->id = 0;
    }
}

void
idreg_add(struct idreg *reg, const char *key, uint32_t preferred)
{
    struct idreg_entry *entry = xzalloc(sizeof *entry);
    struct shash_node *node = shash_add(&reg->entries, key, entry);

    entry->key = node->name;
    entry->preferred = preferred & idreg_test_mask;
    if (!entry->preferred) {
        entry->preferred = 1;
    }
    if (reg->n_moved || idreg_find_entry(reg, entry->preferred)) {
        reg->collided = true;
    } else {
        idreg_set(reg, entry, entry->preferred);
    }
}

void
idreg_remove(struct idreg *reg, const char *key)
{
    struct idreg_entry *entry = shash_find_and_delete(&reg->entries, key);

    if (entry) {
        reg->collided = reg->collided || reg->n_moved;
        idreg_unset(reg, entry);
        free(entry);
    }
}

void
idreg_assign(struct idreg *reg)
{
    const struct shash_node **nodes = shash_sort(&reg->entries);
    size_t n = shash_count(&reg->entries);

    for (size_t i = 0; i < n; i++) {
        idreg_unset(reg, nodes[i]->data);
    }
    for (size_t i = 0; i < n; i++) {
        struct idreg_entry *entry = nodes[i]->data;
        uint32_t id = entry->preferred;

        while (!id || idreg_find_entry(reg, id)) {
            id++;
        }
        idreg_set(reg, entry, id);
    }
    free(nodes);
    reg->collided = false;
}

uint32_t
idreg_get(const struct idreg *reg, const char *key)
{
    const struct idreg_entry *entry = shash_find_data(&reg->entries, key);
    return entry ? entry->id : 0;
}

const char *
idreg_find(const struct idreg *reg, uint32_t id)
{
    const struct idreg_entry *entry = idreg_find_entry(reg, id);
    return entry ? entry->key : NULL;
}
