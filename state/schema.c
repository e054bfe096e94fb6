#include <config.h>

#include "state/schema.h"

#include <string.h>
#include "openvswitch/util.h"

/* The tables, from the leaves to the root. */

#define SCALAR(TYPE) { .type = SCHEMA_##TYPE }
#define LIST_OF(ITEM) { .type = SCHEMA_LIST, .item = ITEM }
#define LIST_OR_ONE(ITEM) \
    { .type = SCHEMA_LIST, .item = ITEM, .or_single = true }
#define APPENDED_LIST(ITEM) \
    { .type = SCHEMA_LIST, .item = ITEM, .append = true }
#define MAP(KEYS) { .type = SCHEMA_MAP, .keys = KEYS }
#define MAP_OF(KEY, ITEM) \
    { .type = SCHEMA_MAP_OF, .key_type = SCHEMA_##KEY, .item = ITEM }
#define ENUM(...) \
    { .type = SCHEMA_ENUM, .words = (const char *const []) { __VA_ARGS__, \
                                                             NULL } }

static const struct schema any = SCALAR(ANY);
static const struct schema string = SCALAR(STRING);
static const struct schema boolean = SCALAR(BOOL);
static const struct schema number = SCALAR(UINT);
static const struct schema port = SCALAR(PORT);
static const struct schema name = SCALAR(NAME);
static const struct schema interface = SCALAR(INTERFACE);
static const struct schema domain = SCALAR(DOMAIN);
static const struct schema address = SCALAR(ADDRESS);
static const struct schema network = SCALAR(NETWORK);
static const struct schema ipv4 = SCALAR(IPV4);
static const struct schema ipv6 = SCALAR(IPV6);
static const struct schema mac = SCALAR(MAC);
static const struct schema public_key = SCALAR(PUBLIC_KEY);
static const struct schema rate = SCALAR(RATE);
static const struct schema bits = SCALAR(BITS);
static const struct schema when = SCALAR(TIME);
static const struct schema endpoint = SCALAR(ENDPOINT);
static const struct schema selector = SCALAR(SELECTOR);
static const struct schema names = LIST_OR_ONE(&name);
static const struct schema interfaces = LIST_OR_ONE(&interface);
static const struct schema addresses = LIST_OR_ONE(&address);
static const struct schema networks = LIST_OR_ONE(&network);
static const struct schema selectors = LIST_OR_ONE(&selector);
static const struct schema strings = LIST_OR_ONE(&string);
static const struct schema public_keys = LIST_OR_ONE(&public_key);
static const struct schema flow_list = APPENDED_LIST(&string);
static const struct schema policy = ENUM("deny", "allow");
static const struct schema undeclared = ENUM("quarantine", "adopt");
static const struct schema action = ENUM("accept", "deny");
static const struct schema internet = ENUM("exit", "deny");
static const struct schema class = ENUM("realtime", "interactive", "normal",
                                        "bulk");
static const struct schema proto = ENUM("any", "tcp", "udp", "icmp", "sctp");
static const struct schema port_proto = ENUM("tcp", "udp", "sctp");
static const struct schema health_type = ENUM("none", "tcp", "http");
static const struct schema affinity = ENUM("none", "client");
static const struct schema prefer = ENUM("local", "none");

static const struct schema_key adopt_keys[] = {
    { "match", &string, SCHEMA_REQUIRED,
      "Pattern over names and numbers, such as web-*." },
    { "tags", &names, SCHEMA_REQUIRED, "Tags for those that match." },
    { NULL },
};
static const struct schema adopt = MAP(adopt_keys);
static const struct schema adopts = LIST_OF(&adopt);

static const struct schema_key mesh_keys[] = {
    { "name", &name, 0, "Name of the mesh." },
    { "prefix", &network, 0, "Tunnel addresses of the nodes." },
    { "interface", &interface, 0, "WireGuard device of the mesh." },
    { "listen_port", &port, 0, "UDP port of the mesh on every node." },
    { "domain", &domain, 0, "DNS domain of the mesh." },
    { "service_prefix", &networks, 0,
      "Where virtual addresses are: 10.96.0.0/16, fd00:10:96::/112." },
    { "names", &boolean, 0,
      "Whether gateways answer DNS for the containers." },
    { "resolvers", &addresses, 0,
      "Where queries for other domains go, in order of preference." },
    { "preshared_keys", &boolean, 0,
      "Whether each pair of nodes has a pre-shared key of its own." },
    { "default_policy", &policy, 0,
      "What holds between containers that no rule speaks of." },
    { "undeclared", &undeclared, 0,
      "What becomes of containers that nobody declares." },
    { "adopt", &adopts, 0, "Tags of containers that are adopted." },
    { "new_connections", &number, 0,
      "Connections per second that a container may open; 0: any number." },
    { NULL },
};
static const struct schema mesh = MAP(mesh_keys);

static const struct schema_key probe_keys[] = {
    { "enabled", &boolean, 0, "Whether the exit is probed." },
    { "targets", &strings, 0,
      "ADDRESS:PORT of TCP; one that answers is enough." },
    { "interval", &number, 0, "Seconds between probes." },
    { "down_after", &number, 0, "Failures in a row that make it down." },
    { "up_after", &number, 0, "Successes in a row that make it up again." },
    { "seen_by", &string, 0,
      "URL that answers with the address of who asks." },
    { NULL },
};
static const struct schema probe = MAP(probe_keys);

static const struct schema_key tunnel_keys[] = {
    { "interface", &interface, SCHEMA_REQUIRED,
      "WireGuard device of the host that leads out." },
    { "profile", &string, 0,
      "wg-quick's file on the host that the agent makes the device of." },
    { "enabled", &boolean, 0, "Whether the exit may be used." },
    { "probe", &probe, 0, "How the agent sees whether it works." },
    { "post_up", &string, SCHEMA_KEEP, "Kept; wg-quick's, not run." },
    { "pre_down", &string, SCHEMA_KEEP, "Kept; wg-quick's, not run." },
    { NULL },
};
static const struct schema tunnel = MAP(tunnel_keys);

static const struct schema_key vpn_keys[] = {
    { "interface", &interface, 0, "WireGuard device that the agent makes." },
    { "listen_port", &port, 0, "Its UDP port." },
    { "ip_pool", &networks, SCHEMA_REQUIRED,
      "Addresses of guests, one network per family." },
    { "auto_provision", &boolean, 0,
      "Whether `socknet client add` may add guests here." },
    { "endpoint", &endpoint, 0,
      "Where guests reach this node; its endpoint's host if absent." },
    { "exit", &name, 0, "The exit by which guests reach the internet." },
    { "dns", &addresses, 0, "Resolvers for the guests' profiles." },
    { NULL },
};
static const struct schema vpn = MAP(vpn_keys);

static const struct schema_key wireguard_keys[] = {
    { "vpn_server", &vpn, 0, "Lets guests in by WireGuard." },
    { NULL },
};
static const struct schema wireguard = {
    .type = SCHEMA_MAP, .keys = wireguard_keys,
    .suffix = "_tunnel", .item = &tunnel,
};

static const struct schema_key route_keys[] = {
    { "via", &interface, SCHEMA_REQUIRED, "Device." },
    { "metric", &number, 0, "Metric of the route." },
    { NULL },
};
static const struct schema route = MAP(route_keys);
static const struct schema routes = MAP_OF(NETWORK, &route);

static const struct schema_key networking_keys[] = {
    { "ip_forward", &boolean, 0, "The agent switches forwarding on." },
    { "mesh_rate", &bits, 0,
      "What it sends into the mesh at most, in queues by class." },
    { "routes", &routes, 0, "Routes beyond those of the mesh." },
    { NULL },
};
static const struct schema networking = MAP(networking_keys);

static const struct schema_key bridge_keys[] = {
    { "uplinks", &interfaces, 0, "Physical ports of the bridge." },
    { "flows", &flow_list, 0, "Raw flows in ovs-ofctl's syntax." },
    { NULL },
};
static const struct schema bridge = MAP(bridge_keys);
static const struct schema bridges = MAP_OF(INTERFACE, &bridge);

static const struct schema_key openflow_keys[] = {
    { "dynamic_routing", &any, SCHEMA_KEEP,
      "service_discovery: true makes services of what containers declare." },
    { "bridges", &bridges, 0, "The host's bridge, vmbr0." },
    { NULL },
};
static const struct schema openflow = MAP(openflow_keys);

static const struct schema_key container_service_keys[] = {
    { "name", &name, 0, "Name of the service." },
    { "protocol", &port_proto, 0, "Its protocol." },
    { "port", &port, SCHEMA_REQUIRED, "Its port." },
    { NULL },
};
static const struct schema container_service = MAP(container_service_keys);
static const struct schema container_services = LIST_OF(&container_service);

static const struct schema_key properties_keys[] = {
    { "name", &name, 0, "The container's name, unique over the mesh." },
    { "ipv4_address", &ipv4, 0, "IPv4 address with the subnet's length." },
    { "ipv6_address", &ipv6, 0, "IPv6 address with the subnet's length." },
    { "gateway", &address, 0, "The container's default gateway." },
    { "template", &string, SCHEMA_KEEP, "Kept." },
    { "services", &container_services, 0, "What listens in the container." },
    { NULL },
};
static const struct schema properties = MAP(properties_keys);

static const struct schema_key exit_keys[] = {
    { "via", &strings, SCHEMA_REQUIRED, "Exits in order of preference." },
    { NULL },
};
static const struct schema exit_map = MAP(exit_keys);
static const struct schema exits = {
    .type = SCHEMA_LIST, .item = &string, .or_single = true,
    .or_map = &exit_map,
};

static const struct schema_key container_rate_keys[] = {
    { "egress", &bits, 0, "What it may send, like 100Mbit." },
    { "ingress", &bits, 0, "What it may receive." },
    { "pps", &number, 0, "Packets per second that it may send." },
    { "burst", &bits, 0,
      "What may pass at once, like 10Mbit; a fifth of the rate if absent." },
    { NULL },
};
static const struct schema container_rate = MAP(container_rate_keys);

static const struct schema_key container_keys[] = {
    { "id", &string, SCHEMA_REQUIRED, "VMID or name of the container." },
    { "node", &name, 0, "Where it runs, if not at the node above." },
    { "bridge", &interface, 0, "Its bridge, vmbr0." },
    { "veth", &interface, 0, "Host side of its veth pair." },
    { "hwaddr", &mac, 0, "MAC address of the container's side." },
    { "tags", &names, 0, "Tags for segments and rules." },
    { "exit", &exits, 0, "How it reaches the internet." },
    { "rate", &container_rate, 0, "Limits of what it sends and receives." },
    { "class", &class, 0, "Which packets it sends go first." },
    { "running", &boolean, SCHEMA_KEEP, "Kept." },
    { "properties", &properties, 0, "What the container is." },
    { NULL },
};
static const struct schema container = MAP(container_keys);
static const struct schema containers = APPENDED_LIST(&container);

static const struct schema_key lxc_keys[] = {
    { "containers", &containers, 0, "The node's containers." },
    { NULL },
};
static const struct schema lxc = MAP(lxc_keys);

static const struct schema_key socks_keys[] = {
    { "listen", &address, 0,
      "Its address; the node's tunnel address if absent." },
    { "port", &port, 0, "Its TCP port." },
    { "exit", &exits, SCHEMA_REQUIRED, "How its connections leave." },
    { "allow", &selectors, SCHEMA_REQUIRED, "Who may connect to it." },
    { NULL },
};
static const struct schema socks = MAP(socks_keys);

static const struct schema_key node_keys[] = {
    { "endpoint", &endpoint, 0,
      "Where the other nodes reach this one; absent: behind NAT." },
    { "listen_port", &port, 0, "UDP port of the mesh on this node." },
    { "relay", &boolean, 0,
      "Whether it relays for nodes that cannot reach each other; if absent, "
      "a node with an endpoint does." },
    { "address", &address, 0, "Tunnel address in the mesh's prefix." },
    { "subnet", &networks, 0, "Network of its containers, one per family." },
    { "gateway", &addresses, 0,
      "Address of the host in each subnet; the first one if absent." },
    { "key_epoch", &number, 0,
      "How often its key was rotated; `socknet node rotate` raises it." },
    { "revoked", &boolean, 0,
      "Whether the other nodes refuse it; `socknet node revoke` does so." },
    { "refused_keys", &public_keys, 0,
      "Public keys of its that nobody takes any more." },
    { "netmaker", &any, SCHEMA_KEEP,
      "Kept; of one host's file, network and interface name the mesh." },
    { "wireguard", &wireguard, 0, "Exits, and the way in for guests." },
    { "socks5", &socks, 0, "A proxy that leaves by an exit." },
    { "networking", &networking, 0, "Routes." },
    { "openflow", &openflow, 0, "Raw flows." },
    { "lxc", &lxc, 0, "Containers." },
    { "systemd", &any, SCHEMA_KEEP, "Kept." },
    { "packagekit", &any, SCHEMA_KEEP, "Kept." },
    { NULL },
};
const struct schema schema_node = MAP(node_keys);
static const struct schema nodes = MAP_OF(NAME, &schema_node);

static const struct schema_key segment_keys[] = {
    { "description", &string, SCHEMA_KEEP, "For people." },
    { "members", &selectors, SCHEMA_REQUIRED, "Who belongs to it." },
    { "isolated_from", &names, 0,
      "Segments that its members open no connection to." },
    { "internet", &internet, 0, "Whether its members reach the internet." },
    { "exit", &exits, 0, "Exits of members that name none themselves." },
    { NULL },
};
static const struct schema segment = MAP(segment_keys);
static const struct schema segments = MAP_OF(NAME, &segment);

static const struct schema_key acl_keys[] = {
    { "name", &name, 0, "Name of the rule; made from its content if absent." },
    { "description", &string, SCHEMA_KEEP, "For people." },
    { "action", &action, SCHEMA_REQUIRED, "What the rule does." },
    { "src", &selectors, SCHEMA_REQUIRED, "Who opens the connection." },
    { "dst", &selectors, SCHEMA_REQUIRED, "To whom; with ports." },
    { "proto", &proto, 0, "Its protocol." },
    { "rate", &rate, 0,
      "What all its connections together may carry on one host, like 10Mbit "
      "or 500pps." },
    { "class", &class, 0, "Which of its packets go first." },
    { NULL },
};
static const struct schema acl = MAP(acl_keys);
static const struct schema acls = APPENDED_LIST(&acl);

static const struct schema_key health_keys[] = {
    { "type", &health_type, 0, "How it is probed." },
    { "port", &port, 0, "TCP port; that of the backend if absent." },
    { "path", &string, 0, "Of the HTTP request." },
    { "interval", &number, 0, "Seconds between two probes." },
    { "timeout", &number, 0, "Seconds that an answer may take." },
    { "rise", &number, 0, "Answers in a row that make a backend up." },
    { "fall", &number, 0, "Failures in a row that make it down." },
    { NULL },
};
static const struct schema health = MAP(health_keys);
static const struct schema weights = MAP_OF(SELECTOR, &number);

static const struct schema_key service_keys[] = {
    { "description", &string, SCHEMA_KEEP, "For people." },
    { "vip", &addresses, 0, "Virtual addresses, one per family." },
    { "protocol", &port_proto, 0, "Its protocol." },
    { "port", &port, SCHEMA_REQUIRED, "Its port." },
    { "backends", &selectors, SCHEMA_REQUIRED,
      "Containers that serve it; with a port." },
    { "weights", &weights, 0, "Shares of the backends; 0 drains." },
    { "health", &health, 0, "How agents probe the backends." },
    { "affinity", &affinity, 0, "What keeps to one backend." },
    { "prefer", &prefer, 0, "Whether a node's own backends go first." },
    { NULL },
};
static const struct schema service = MAP(service_keys);
static const struct schema services = MAP_OF(NAME, &service);

static const struct schema_key client_keys[] = {
    { "description", &string, SCHEMA_KEEP, "For people." },
    { "node", &name, SCHEMA_REQUIRED, "The node that it connects to." },
    { "public_key", &public_key, SCHEMA_REQUIRED, "Its WireGuard key." },
    { "address", &addresses, 0,
      "Of the node's ip_pool, one per family; the next free if absent." },
    { "tags", &names, 0, "Tags for segments and rules." },
    { "expires", &when, 0, "When it ceases to be let in." },
    { "revoked", &boolean, 0,
      "Whether it is refused; `socknet client revoke` does so." },
    { NULL },
};
static const struct schema client = MAP(client_keys);
static const struct schema clients = MAP_OF(NAME, &client);

static const struct schema_key test_keys[] = {
    { "src", &selector, SCHEMA_REQUIRED, "Who opens the connection." },
    { "dst", &selector, SCHEMA_REQUIRED, "To whom; with a port." },
    { "proto", &proto, 0, "Its protocol." },
    { "expect", &string, SCHEMA_REQUIRED, "accept, deny or \"exit NAME\"." },
    { NULL },
};
static const struct schema test = MAP(test_keys);
static const struct schema tests = APPENDED_LIST(&test);

static const struct schema_key fleet_keys[] = {
    { "mesh", &mesh, 0, "The mesh as a whole." },
    { "nodes", &nodes, 0, "The hosts." },
    { "emergency", &acls, 0, "Rules before all others." },
    { "segments", &segments, 0, "Groups of containers." },
    { "acls", &acls, 0, "Rules between containers." },
    { "services", &services, 0, "Virtual addresses before containers." },
    { "clients", &clients, 0, "Guests: phones and laptops." },
    { "tests", &tests, SCHEMA_KEEP, "What must hold; kept." },
    { NULL },
};
const struct schema schema_fleet = MAP(fleet_keys);

static const struct schema_key host_keys[] = {
    { "mesh", &mesh, 0, "The mesh as a whole." },
    { "emergency", &acls, 0, "Rules before all others." },
    { "segments", &segments, 0, "Groups of containers." },
    { "acls", &acls, 0, "Rules between containers." },
    { "services", &services, 0, "Virtual addresses before containers." },
    { "clients", &clients, 0, "Guests: phones and laptops." },
    { "tests", &tests, SCHEMA_KEEP, "What must hold; kept." },
    { NULL },
};
const struct schema schema_host = {
    .type = SCHEMA_MAP, .keys = host_keys, .more_keys = node_keys,
};

const struct schema_key *
schema_get_key(const struct schema *schema, size_t i)
{
    const struct schema_key *key = schema->keys;

    while (key->name && i) {
        key++;
        i--;
    }
    if (!key->name && schema->more_keys) {
        key = schema->more_keys;
        while (key->name && i) {
            key++;
            i--;
        }
    }
    return key->name ? key : NULL;
}

const struct schema_key *
schema_find_key(const struct schema *schema, const char *key_name)
{
    const struct schema_key *key;

    for (size_t i = 0; (key = schema_get_key(schema, i)) != NULL; i++) {
        if (!strcmp(key->name, key_name)) {
            return key;
        }
    }
    return NULL;
}

const struct schema *
schema_of_member(const struct schema *schema, const char *key_name)
{
    if (schema->type == SCHEMA_MAP_OF) {
        return schema->item;
    } else if (schema->type != SCHEMA_MAP) {
        return schema->or_map ? schema_of_member(schema->or_map, key_name)
                              : NULL;
    }
    const struct schema_key *key = schema_find_key(schema, key_name);
    if (key) {
        return key->schema;
    }
    size_t len = strlen(key_name);
    size_t suffix_len = schema->suffix ? strlen(schema->suffix) : 0;
    return (suffix_len && len > suffix_len
            && !strcmp(key_name + len - suffix_len, schema->suffix)
            ? schema->item : NULL);
}
