#ifndef SN_TABLES_H
#define SN_TABLES_H 1

/* The registry of tables.  It generates the enum below, the names that
 * `ovs-ofctl --names` prints (by Flow_Table rows in the switch database) and
 * the pipeline page in docs/.  Every table ends in a counted drop.
 *
 *     ID  NAME            PURPOSE */
#define SN_TABLES                                                            \
    SN_TABLE(0,  CLASSIFY,       "classify",                                 \
             "in_port to source kind and endpoint; unknown ports drop")      \
    SN_TABLE(4,  SPOOF_GUARD,    "spoof_guard",                              \
             "a container sends only from its own addresses")                \
    SN_TABLE(8,  ARP_ND,         "arp_nd",                                   \
             "answers ARP and neighbour discovery; no flooding")             \
    SN_TABLE(10, SERVICE,        "service",                                  \
             "virtual addresses: known connections are translated")          \
    SN_TABLE(11, BALANCE,        "balance",                                  \
             "a new connection to a virtual address gets a backend")         \
    SN_TABLE(12, CONNTRACK,      "conntrack",                                \
             "looks the connection up; invalid packets drop")                \
    SN_TABLE(16, USER,           "user",                                     \
             "the raw flows of the state file")                              \
    SN_TABLE(20, SRC_IDENTITY,   "src_identity",                             \
             "original source of the connection to identity")                \
    SN_TABLE(24, DST_IDENTITY,   "dst_identity",                             \
             "original destination of the connection to identity")           \
    SN_TABLE(28, EGRESS_POLICY,  "egress_policy",                            \
             "rules at the source of the connection")                        \
    SN_TABLE(32, ROUTE,          "route",                                    \
             "local container, this host, mesh or exit")                     \
    SN_TABLE(36, INGRESS_POLICY, "ingress_policy",                           \
             "rules at the destination: the mesh is checked again")          \
    SN_TABLE(40, COMMIT,         "commit",                                   \
             "records an accepted new connection")                           \
    SN_TABLE(42, SERVICE_REPLY,  "service_reply",                            \
             "replies of backends come from the virtual address again")      \
    SN_TABLE(44, DELIVER,        "deliver",                                  \
             "addresses rewritten, output; or a drop with its reason")

enum sn_table {
#define SN_TABLE(ID, ENUM, NAME, PURPOSE) SN_TABLE_##ENUM = ID,
    SN_TABLES
#undef SN_TABLE
};

const char *sn_table_name(int table_id);        /* NULL: not ours. */
int sn_table_from_name(const char *name);       /* -1: unknown. */

#endif /* flows/tables.h */
