#ifndef SN_PROVE_H
#define SN_PROVE_H 1

/* What the compiled flows of one host do with any packet whatever, held
 * against what the state says: each invariant is proven, or refuted with a
 * packet that shows it.
 *
 * Hosts are proven one by one.  That is enough: what one sends into the mesh
 * arrives at the host that has the destination (AllowedIPs and routes: one
 * owner per prefix), and there the same is proven of whatever comes from the
 * mesh, from any source.
 *
 * The packets are the first ones of connections.  For the others see
 * PROVE_REPLIES. */

#include <stdbool.h>
#include <stddef.h>
#include "flows/header.h"

struct expect_rules;
struct flow_ports;
struct flow_set;
struct model_raw_flow;
struct object_set;
struct sn_flow;

#define PROVE_INVARIANTS                                                     \
    PROVE_INVARIANT(UPLINKS, "uplinks",                                      \
        "no container's packet leaves by an uplink, nothing enters by one")  \
    PROVE_INVARIANT(HOST, "host",                                            \
        "containers reach their host only where a rule lets them")           \
    PROVE_INVARIANT(MESH, "mesh",                                            \
        "only what is for declared networks goes into the mesh")             \
    PROVE_INVARIANT(EXITS, "exits",                                          \
        "only an exit's members leave by it, and only to the internet")      \
    PROVE_INVARIANT(TRANSIT, "transit",                                      \
        "nothing from the mesh or the host leaves by an exit")               \
    PROVE_INVARIANT(SPOOFING, "spoofing",                                    \
        "nothing leaves a container with an address that is not its own")    \
    PROVE_INVARIANT(TABLES, "tables",                                        \
        "every table decides every packet, and ends in a drop")              \
    PROVE_INVARIANT(MATRIX, "matrix",                                        \
        "who reaches whom by the flows is who may by the rules")             \
    PROVE_INVARIANT(REPLIES, "replies",                                      \
        "later packets of a connection meet the rules of its first")

enum prove_invariant {
#define PROVE_INVARIANT(ENUM, NAME, TEXT) PROVE_##ENUM,
    PROVE_INVARIANTS
#undef PROVE_INVARIANT
    PROVE_N_INVARIANTS
};
const char *prove_invariant_name(enum prove_invariant);
const char *prove_invariant_text(enum prove_invariant);

struct prove_bridge {
    const char *node;
    const struct flow_ports *ports;
    const struct flow_set *flows;
    const struct object_set *objects;
    const struct shash *pending;        /* compiler_pending(). */
};

struct prove_finding {
    enum prove_invariant invariant;
    char *node;
    char *text;                 /* "xray's packet leaves by eno1". */
    bool has_packet;
    struct flow packet;         /* As it comes in. */
    bool confirmed;             /* The packet's way alone shows it as well. */
    const struct sn_flow *flow; /* That is to blame; or NULL... */
    const struct sn_flow *other; /* ...with this one; or NULL. */
};

struct proof {
    struct prove_finding *findings;
    size_t n_findings, allocated_findings;
    size_t n_refuted[PROVE_N_INVARIANTS];
    const struct model_raw_flow **unproven;     /* Raw flows left out. */
    size_t n_unproven;
    size_t n_hosts, n_flows, n_states;
    size_t n_nodes;             /* Of the largest space, */
    size_t memory;              /* in bytes. */
};

void proof_init(struct proof *);
void proof_uninit(struct proof *);
/* Moves what 'other' has, and leaves nothing to be freed in it. */
void proof_add(struct proof *, struct proof *other);
/* Adds what is found of one bridge.  Threads may do this at the same time,
 * each with a proof and rules of its own. */
void prove_bridge(struct proof *, struct expect_rules *,
                  const struct prove_bridge *);

#endif /* flows/prove.h */
