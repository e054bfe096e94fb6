#include <config.h>

#include "cli/offline.h"

#include <stdlib.h>
#include <string.h>
#include "cli/output.h"
#include "flow.h"
#include "flows/compiler.h"
#include "flows/cookie.h"
#include "lib/host-bridge.h"
#include "openflow/openflow.h"
#include "openvswitch/json.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/shash.h"
#include "packets.h"
#include "state/model.h"
#include "state/port-name.h"
#include "svec.h"
#include "util.h"

/* Stand-ins are numbered from here: free for ofport_request, so that no real
 * port of a managed bridge has such a number. */
enum { FIRST_STAND_IN = 32768 };

struct known_port {
    ofp_port_t ofport;
    struct eth_addr mac;        /* Zero: not given. */
};

struct offline {
    char *node;
    struct shash known;         /* struct known_port, by name. */
    struct flow_ports *ports;
    struct ofputil_port_map map; /* The stand-ins' names. */
    uint16_t next_stand_in;
    const struct offline *like; /* Or NULL: whose numbers to take. */
    struct compiler *compiler;
    struct svec stand_ins;
};

struct offline *
offline_create(const char *node)
{
    struct offline *offline = xzalloc(sizeof *offline);

    offline->node = xstrdup(node);
    shash_init(&offline->known);
    offline->ports = flow_ports_create();
    ofputil_port_map_init(&offline->map);
    offline->next_stand_in = FIRST_STAND_IN;
    offline->compiler = compiler_create(node);
    svec_init(&offline->stand_ins);
    return offline;
}

void
offline_destroy(struct offline *offline)
{
    if (offline) {
        compiler_destroy(offline->compiler);
        svec_destroy(&offline->stand_ins);
        ofputil_port_map_destroy(&offline->map);
        flow_ports_destroy(offline->ports);
        shash_destroy_free_data(&offline->known);
        free(offline->node);
        free(offline);
    }
}

void
offline_number_like(struct offline *offline, const struct offline *other)
{
    offline->like = other;
    offline->next_stand_in = other->next_stand_in;
}

char *
offline_add_port(struct offline *offline, const char *spec)
{
    char *name = xstrdup(spec);
    char *value = strchr(name, '=');
    struct known_port port = { .ofport = OFPP_NONE };
    char *error = NULL;

    if (value) {
        *value++ = '\0';
        char *mac = strchr(value, ',');
        if (mac) {
            *mac++ = '\0';
            if (!eth_addr_from_string(mac, &port.mac)) {
                error = xasprintf("\"%s\": \"%s\" is not a MAC address",
                                  spec, mac);
            }
        }
    }
    if (!error && (!value || !name[0]
                   || !ofputil_port_from_string(value, NULL, &port.ofport))) {
        error = xasprintf("\"%s\" is not PORT=OFPORT[,MAC], such as "
                          "veth102=5,bc:24:11:00:01:02", spec);
    }
    if (!error && (port.ofport == OFPP_NONE
                   || (ofp_to_u16(port.ofport) >= FIRST_STAND_IN
                       && port.ofport != OFPP_LOCAL))) {
        error = xasprintf("\"%s\": a port's number is LOCAL or less than %d",
                          spec, FIRST_STAND_IN);
    }
    if (!error) {
        free(shash_replace(&offline->known, name,
                           xmemdup(&port, sizeof port)));
    }
    free(name);
    return error;
}

/* A locally administered address that anyone can see is made up. */
static struct eth_addr
stand_in_mac(const char *what)
{
    uint32_t id = cookie_name_id(what);

    return (struct eth_addr) {
        .ea = { 0x02, 0x53, id >> 24, id >> 16, id >> 8, id }
    };
}

/* The MAC given for 'port', or else a stand-in for 'what', which is noted with
 * the reason. */
static struct eth_addr
choose_mac(struct offline *offline, const char *port, const char *what,
           const char *why)
{
    const struct known_port *known = shash_find_data(&offline->known, port);
    if (known && !eth_addr_is_zero(known->mac)) {
        return known->mac;
    }

    struct eth_addr mac = stand_in_mac(what);
    svec_add_nocopy(&offline->stand_ins,
                    xasprintf("%s: MAC "ETH_ADDR_FMT" stands in (%s)", what,
                              ETH_ADDR_ARGS(mac), why));
    return mac;
}

static void
put_port(struct offline *offline, const char *name, struct eth_addr mac)
{
    const struct known_port *known = shash_find_data(&offline->known, name);
    const struct flow_port *like
        = offline->like ? flow_ports_find(offline->like->ports, name) : NULL;
    ofp_port_t ofport;

    if (known) {
        ofport = known->ofport;
    } else {
        ofport = like ? like->ofport : u16_to_ofp(offline->next_stand_in++);
        ofputil_port_map_put(&offline->map, ofport, name);
    }
    flow_ports_put(offline->ports, name, ofport, mac);
}

static void
put_local(struct offline *offline)
{
    /* The bridge's own port has the bridge's name. */
    struct eth_addr mac = choose_mac(offline, SN_BRIDGE, "bridge " SN_BRIDGE,
                                     "only the switch knows it");

    flow_ports_put(offline->ports, SN_BRIDGE, OFPP_LOCAL, mac);
}

static void
put_exits(struct offline *offline, const struct model *model)
{
    const struct shash_node **nodes = shash_sort(&model->exits);

    for (size_t i = 0; i < shash_count(&model->exits); i++) {
        const struct model_exit *exit = nodes[i]->data;
        if (exit->enabled
            && model_exit_is_used(model, exit, offline->node)) {
            char *port = model_exit_port(exit, offline->node);
            char *what = xasprintf("exit port %s", port);
            put_port(offline, port,
                     choose_mac(offline, port, what,
                                "only the switch knows it"));
            free(what);
            free(port);
        }
    }
    free(nodes);
}

void
offline_invent_macs(struct offline *offline, struct model *model)
{
    const struct shash_node **nodes = shash_sort(&model->containers);

    for (size_t i = 0; i < shash_count(&model->containers); i++) {
        struct model_container *container = nodes[i]->data;
        if (!strcmp(container->node, offline->node)
            && !container->has_hwaddr) {
            char *what = xasprintf("container %s", container->name);
            container->seen_hwaddr = choose_mac(offline, container->veth,
                                                what, "no hwaddr");
            free(what);
        }
    }
    free(nodes);
}

static void
put_containers(struct offline *offline, const struct model *model)
{
    const struct shash_node **nodes = shash_sort(&model->containers);

    for (size_t i = 0; i < shash_count(&model->containers); i++) {
        const struct model_container *container = nodes[i]->data;
        char *firewall = port_name_firewall(container->veth);

        if (!strcmp(container->node, offline->node)
            && !(firewall && shash_find(&offline->known, firewall))) {
            put_port(offline, container->veth, eth_addr_zero);
        }
        free(firewall);
    }
    free(nodes);
}

static void
put_uplinks(struct offline *offline, const struct model *model)
{
    const struct model_node *node = model_get_node(model, offline->node);
    const char **names = sset_sort(&node->uplinks);

    for (size_t i = 0; i < sset_count(&node->uplinks); i++) {
        put_port(offline, names[i], eth_addr_zero);
    }
    free(names);
}

void
offline_run(struct offline *offline, const struct model *model)
{
    const struct shash_node *node;

    put_local(offline);
    put_exits(offline, model);
    put_containers(offline, model);
    put_uplinks(offline, model);
    SHASH_FOR_EACH (node, &offline->known) {
        if (!flow_ports_find(offline->ports, node->name)) {
            const struct known_port *known = node->data;
            flow_ports_put(offline->ports, node->name, known->ofport,
                           known->mac);
        }
    }
    compiler_run(offline->compiler, model, offline->ports, NULL, NULL);
}

const struct compiler *
offline_compiler(const struct offline *offline)
{
    return offline->compiler;
}

const struct ofputil_port_map *
offline_port_map(const struct offline *offline)
{
    return &offline->map;
}

const struct flow_ports *
offline_ports(const struct offline *offline)
{
    return offline->ports;
}

static void
output_stand_ins(const struct offline *offline, struct output *out)
{
    struct json *array = json_array_create_empty();
    const char *line;
    size_t i;

    SVEC_FOR_EACH (i, line, &offline->stand_ins) {
        output_note(out, "# %s", line);
        json_array_add(array, json_string_create(line));
    }
    output_attach(out, "stand_ins", array);
}

/* Containers that the compiler could not give flows. */
static void
output_pending(const struct offline *offline, struct output *out)
{
    const struct shash *pending = compiler_pending(offline->compiler);
    const struct shash_node **nodes = shash_sort(pending);
    struct json *object = json_object_create();

    for (size_t i = 0; i < shash_count(pending); i++) {
        const char *why = nodes[i]->data;
        output_note(out, "# container %s has no flows: %s", nodes[i]->name,
                    why);
        json_object_put_string(object, nodes[i]->name, why);
    }
    free(nodes);
    output_attach(out, "pending", object);
}

void
offline_output_notes(const struct offline *offline, struct output *out)
{
    output_attach(out, "node", json_string_create(offline->node));
    output_stand_ins(offline, out);
    output_pending(offline, out);
}
