#include <config.h>

#include "ovsdb-sync/machine-ports.h"

#include <stdlib.h>
#include <string.h>

#include "ovsdb-idl.h"
#include "ovsdb-sync/socknet-idl.h"
#include "sset.h"
#include "state/model.h"
#include "util.h"

void
machine_ports_init(struct machine_ports *ports)
{
    shash_init(&ports->nodes);
}

static void
machine_ports_clear(struct machine_ports *ports)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &ports->nodes) {
        sset_destroy(node->data);
        free(node->data);
        shash_delete(&ports->nodes, node);
    }
}

void
machine_ports_destroy(struct machine_ports *ports)
{
    machine_ports_clear(ports);
    shash_destroy(&ports->nodes);
}

static bool
is_machine(const struct sndb_port_status *row)
{
    return row->state && !strcmp(row->state, "machine");
}

bool
machine_ports_are_stale(const struct machine_ports *ports,
                        const struct ovsdb_idl *idl)
{
    const struct sndb_port_status *row;

    SNDB_PORT_STATUS_FOR_EACH_TRACKED (row, idl) {
        if (is_machine(row) || !shash_is_empty(&ports->nodes)) {
            return true;
        }
    }
    return false;
}

void
machine_ports_read(struct machine_ports *ports, const struct ovsdb_idl *idl)
{
    const struct sndb_port_status *row;

    machine_ports_clear(ports);
    SNDB_PORT_STATUS_FOR_EACH (row, idl) {
        struct sset *names = shash_find_data(&ports->nodes, row->node);

        if (!is_machine(row)) {
            continue;
        }
        if (!names) {
            names = xmalloc(sizeof *names);
            sset_init(names);
            shash_add(&ports->nodes, row->node, names);
        }
        sset_add(names, row->name);
    }
}

bool
machine_ports_apply(const struct machine_ports *ports,
                    struct model_node *node)
{
    static const struct sset none = SSET_INITIALIZER(&none);
    const struct sset *names = shash_find_data(&ports->nodes, node->name);

    names = names ? names : &none;
    if (sset_equals(names, &node->machines)) {
        return false;
    }
    sset_destroy(&node->machines);
    sset_clone(&node->machines, names);
    return true;
}
