#include <config.h>

#include "flows/compiler.h"

#include <stdlib.h>
#include "flows/ports.h"
#include "openvswitch/shash.h"
#include "openvswitch/util.h"
#include "sset.h"
#include "state/port-name.h"
#include "util.h"

struct flow_ports {
    struct shash ports;         /* struct flow_port. */
    const struct flow_port *local;      /* Of 'ports', or NULL. */
};

struct flow_ports *
flow_ports_create(void)
{
    struct flow_ports *ports = xzalloc(sizeof *ports);

    shash_init(&ports->ports);
    return ports;
}

static void
flow_port_free(struct flow_port *port)
{
    if (port) {
        free(port->name);
        free(port);
    }
}

void
flow_ports_destroy(struct flow_ports *ports)
{
    if (ports) {
        struct shash_node *node;
        SHASH_FOR_EACH (node, &ports->ports) {
            flow_port_free(node->data);
        }
        shash_destroy(&ports->ports);
        free(ports);
    }
}

void
flow_ports_put(struct flow_ports *ports, const char *name, ofp_port_t ofport,
               struct eth_addr hwaddr)
{
    struct flow_port *port = xmalloc(sizeof *port);

    port->name = xstrdup(name);
    port->ofport = ofport;
    port->hwaddr = hwaddr;
    flow_ports_remove(ports, port->name);
    shash_add(&ports->ports, port->name, port);
    if (ofport == OFPP_LOCAL) {
        ports->local = port;
    }
}

void
flow_ports_remove(struct flow_ports *ports, const char *name)
{
    struct flow_port *port = shash_find_and_delete(&ports->ports, name);

    if (port == ports->local) {
        ports->local = NULL;
    }
    flow_port_free(port);
}

const struct flow_port *
flow_ports_find(const struct flow_ports *ports, const char *name)
{
    return shash_find_data(&ports->ports, name);
}

const struct flow_port *
flow_ports_find_veth(const struct flow_ports *ports, const char *veth)
{
    const struct flow_port *port = flow_ports_find(ports, veth);
    char *firewall = port ? NULL : port_name_firewall(veth);

    if (firewall) {
        port = flow_ports_find(ports, firewall);
        free(firewall);
    }
    return port;
}

const struct flow_port *
flow_ports_find_local(const struct flow_ports *ports)
{
    return ports->local;
}

void
flow_ports_add_taps(const struct flow_ports *ports, struct sset *names)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &ports->ports) {
        if (port_name_is_tap(node->name)) {
            sset_add(names, node->name);
        }
    }
}
