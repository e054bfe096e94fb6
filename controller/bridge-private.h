#ifndef SN_BRIDGE_PRIVATE_H
#define SN_BRIDGE_PRIVATE_H 1

/* What bridge.c (which runs a bridge) and bridge-show.c (which tells about
 * it) share. */

#include "openvswitch/token-bucket.h"
#include "state/model.h"

struct bridge {
    char *node;
    char *name;                 /* "vmbr0" */
    char *log_name;             /* "node/vmbr0" */

    struct ofconn *ofconn;
    unsigned int conn_seqno;
    int conn_error;             /* As last seen. */
    bool more_to_receive;
    struct ports *ports;
    struct compiler *compiler;
    struct install *install;
    struct audit *audit;
    struct flow_bundle *bundle;
    struct election *election;  /* NULL: there is no other controller. */
    struct token_bucket repair_limit;
    bool repair_waits;          /* For 'repair_limit'. */
    long long int repair_ms;    /* No repair before, ... */
    long long int repair_max_ms; /* ...and not put off beyond; 0: unset. */
    ovs_be32 barrier_xid;       /* 0: none under way. */
    bool barrier_is_stale;      /* Others changed flows after it was sent. */
    bool barrier_passed;

    /* From the database. */
    const struct model *model;  /* NULL: none given yet. */
    int64_t generation;         /* Of 'model'. */
    struct model_changes changes; /* Not compiled yet. */

    ovs_be32 meters_xid;        /* Question whether there are meters. */
    bool has_meters;
    unsigned int objects_seqno; /* Of the compiler, as last seen. */
    bool compiled;              /* The compiler has run. */
    int64_t compiled_generation;
    int64_t bundle_generation;  /* Of the bundle under way. */
    int64_t enforced;           /* Confirmed by the switch; -1: none. */

    unsigned int failures;      /* Bundles that failed in a row. */
    long long int retry_ms;     /* No bundle before. */
    size_t last_bundle_n;       /* Operations in the last bundle, */
    long long int last_bundle_ms; /* and what it took. */
    uint64_t n_repairs;
    unsigned int seqno;
};

#endif /* controller/bridge-private.h */
