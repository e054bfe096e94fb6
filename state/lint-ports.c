#include <config.h>

#include "state/lint-private.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/util.h"
#include "util.h"

enum { DNS_PORT = 53 };

/* Who listens where. */

static const char *
ip_proto_to_string(uint8_t ip_proto)
{
    return (ip_proto == IPPROTO_UDP ? "udp"
            : ip_proto == IPPROTO_SCTP ? "sctp" : "tcp");
}

/* Two listeners of one container: one of them will not start. */
static void
lint_container_listeners(struct lint *lint, const struct model_container *c)
{
    for (size_t i = 0; i < c->n_services; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct model_port *a = &c->services[j];
            const struct model_port *b = &c->services[i];
            if (a->port == b->port && a->ip_proto == b->ip_proto) {
                diags_add(lint->diags, DIAG_ERROR, &c->loc,
                          "give one of them another port",
                          "services \"%s\" and \"%s\" of container \"%s\" "
                          "both listen on %s port %d", a->name, b->name,
                          c->name, ip_proto_to_string(a->ip_proto), a->port);
            }
        }
    }
}

/* Two different services of one host on one unprivileged port: on addresses
 * of their own they do not clash, but who then opens "the port of mcp" in some
 * other firewall opens the other as well. */
static void
lint_shared_ports(struct lint *lint)
{
    struct shash seen = SHASH_INITIALIZER(&seen);

    for (size_t i = 0; i < lint->n_containers; i++) {
        const struct model_container *c = lint->containers[i];
        for (size_t j = 0; j < c->n_services; j++) {
            const struct model_port *port = &c->services[j];
            if (port->port < 1024 || !port->name[0]) {
                continue;
            }
            char *key = xasprintf("%s %s %d", c->node,
                                  ip_proto_to_string(port->ip_proto),
                                  port->port);
            const struct model_container *first = shash_find_data(&seen, key);
            const char *first_name = NULL;
            for (size_t k = 0; first && k < first->n_services; k++) {
                if (first->services[k].port == port->port
                    && first->services[k].ip_proto == port->ip_proto) {
                    first_name = first->services[k].name;
                }
            }
            if (!first) {
                shash_add(&seen, key, c);
            } else if (first != c && strcmp(first_name, port->name)) {
                char *at = sn_loc_to_string(&first->loc);
                diags_add(lint->diags, DIAG_WARNING, &c->loc,
                          "if that is not meant, give one of them another "
                          "port",
                          "service \"%s\" of container \"%s\" and service "
                          "\"%s\" of container \"%s\" at %s are both on %s "
                          "port %d: they do not clash, each has its own "
                          "address", port->name, c->name, first_name,
                          first->name, at,
                          ip_proto_to_string(port->ip_proto), port->port);
                free(at);
            }
            free(key);
        }
    }
    shash_destroy(&seen);
}

/* The agent answers DNS on the gateway addresses, and a tunnel takes a port of
 * all addresses. */
static void
lint_dns_port(struct lint *lint, const struct model_node *node)
{
    uint16_t mesh_port = node->listen_port ? node->listen_port
                         : lint->model->mesh.listen_port;
    bool vpn = node->vpn && node->vpn->listen_port == DNS_PORT;

    if (lint->model->mesh.names && (vpn || mesh_port == DNS_PORT)) {
        diags_add(lint->diags, DIAG_ERROR, &node->loc,
                  "give it another port, or set names: false in mesh",
                  "%s listens on udp port %d, on which node \"%s\" answers "
                  "DNS", vpn ? "vpn_server" : lint->model->mesh.interface,
                  DNS_PORT, node->name);
    }
}

void
lint_ports(struct lint *lint)
{
    for (size_t i = 0; i < lint->n_nodes; i++) {
        lint_dns_port(lint, lint->nodes[i]);
    }

    for (size_t i = 0; i < lint->n_containers; i++) {
        lint_container_listeners(lint, lint->containers[i]);
    }
    lint_shared_ports(lint);
}
