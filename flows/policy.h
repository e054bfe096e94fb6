#ifndef SN_POLICY_H
#define SN_POLICY_H 1

/* Rules, the selectors they name, and identities.
 *
 * A *clause* is a rule, or the part of one whose destinations share the same
 * ports: sources x destinations x ports.  Sources and destinations are
 * *selectors*; each is kept once, however many clauses name it.
 *
 * An *identity* is a set of the selectors that clauses name.  Everything with
 * an address has one: the set of selectors that it satisfies, or none if that
 * is empty.  Its number is a hash of the set: the same on every host.
 *
 * Policy depends on the node only in who is local: 'n_local' holders are
 * containers of this node.  A clause is in force at egress if a local
 * container can be its source, at ingress if one can be its destination. */

#include <stdbool.h>
#include <stdint.h>
#include "flows/idreg.h"
#include "hmapx.h"
#include "openvswitch/hmap.h"
#include "openvswitch/shash.h"
#include "state/model.h"

enum policy_side { POLICY_EGRESS, POLICY_INGRESS, POLICY_N_SIDES };
enum policy_role { ROLE_SRC, ROLE_DST, N_ROLES };

struct policy_sel {
    char *key;                  /* In policy->sels: "xray", "tag:web", ... */
    struct model_selector sel;  /* SEL_SERVICE: the backends at its one
                                 * port; else no ports. */
    bool has_exit;              /* Instead of 'sel': any exit of its own. */
    bool is_new;                /* Since policy_update_idents(). */
    size_t n_refs;              /* Clauses that name it. */
    struct hmapx clauses[N_ROLES];      /* struct policy_clause. */
    struct hmapx idents;        /* struct policy_ident. */
    size_t n_active[N_ROLES];   /* Clauses in force... */
    bool was_active[N_ROLES];   /* ...and as holders last saw it. */
};

struct policy_ident {
    char *name;                 /* Keys of the selectors, sorted. */
    uint32_t id;                /* Valid once policy_update_clauses()
                                 * returned. */
    struct policy_sel **sels;
    size_t n_sels;
    size_t n_local;             /* Holders: containers of this node... */
    size_t n_other;             /* ...and anything else. */
    bool had_local, had_other;  /* As clauses last saw it. */
    bool fresh;
    struct hmapx holders;       /* struct policy_container. */
};

struct policy_container {
    char *name;
    bool local;
    struct policy_ident *ident; /* NULL: in no rule. */
};

/* Where a clause stands on one side. */
struct policy_standing {
    bool active;
    bool conjunctive;
    size_t n[N_ROLES];          /* Identities; 1 if any. */
};

struct policy_port {            /* proto 0: any; mask 0: any port. */
    uint8_t proto;
    uint16_t port, mask;
};

struct policy_clause {
    char *key;                  /* "acl:web#0". */
    enum model_tier tier;
    enum model_action action;
    uint64_t cookie;
    uint32_t rule;              /* For ct_mark. */
    uint32_t conj_id;
    struct sn_rate rate;        /* Of the whole rule. */
    enum model_class class;
    bool any[N_ROLES];
    struct policy_sel **sels[N_ROLES];
    size_t n_sels[N_ROLES];
    struct policy_port *ports;  /* At least one. */
    size_t n_ports;
    struct policy_standing standing[POLICY_N_SIDES];
};

struct policy {
    char *node;                 /* Whose policy; may name no node. */
    struct shash sels;          /* struct policy_sel. */
    struct shash idents;        /* struct policy_ident. */
    struct shash clauses;       /* struct policy_clause. */
    struct shash rules;         /* "acl:web" -> sset of clause keys. */
    struct shash containers;    /* struct policy_container. */
    struct hmapx scan;          /* Selectors that must be tried one by one: */
    struct hmapx point_sels;    /* on addresses that are no container's, ... */
    struct hmapx guest_sels;    /* ...and on guests' (struct policy_sel). */
    struct idreg ident_ids;
    struct idreg conj_ids;

    /* What the two updates found changed, for the caller to act on and
     * clear with policy_clear_changes(). */
    struct hmapx changed_clauses;
    struct hmapx changed_idents;
    struct sset changed_containers;     /* Another identity or need. */
    struct sset gone;           /* Names of owners that are no more. */
    bool points_changed;        /* Selectors of addresses came or went. */
    bool need_changed;          /* Identities that points may hold. */
    bool collided;              /* Start afresh. */

    /* Work lists. */
    struct sset dirty_containers;
    struct hmapx dirty_idents;
    struct hmapx dirty_clauses;
    struct hmapx dirty_sels;    /* Whose n_active moved. */
    bool sels_changed;
    bool dirty_all_containers;
};

void policy_init(struct policy *, const char *node);
void policy_destroy(struct policy *);

/* Takes in changes of the model, then brings everything up to date.  Points
 * (addresses that are no container's) hold identities too: set them in
 * between with policy_get_ident() and policy_ident_hold(). */
void policy_change_defaults(struct policy *);
void policy_change_acl(struct policy *, const struct model *, const char *);
void policy_change_segment(struct policy *, const struct model *,
                           const char *);
void policy_change_service(struct policy *, const struct model *,
                           const char *);
void policy_change_container(struct policy *, const char *name);
void policy_update_idents(struct policy *, const struct model *);
void policy_update_clauses(struct policy *);
void policy_clear_changes(struct policy *);

/* The identity made of 'sels', which must be sorted by key and distinct;
 * NULL if there are none. */
struct policy_ident *policy_get_ident(struct policy *, struct policy_sel **,
                                      size_t n);
/* Adds 'delta' holders. */
void policy_ident_hold(struct policy *, struct policy_ident *, int delta,
                       bool local);
int policy_compare_sels(const void *, const void *);

/* The number to match, or 0 if no clause in force here needs it. */
uint32_t policy_ident_needed(const struct policy_ident *, enum policy_role);

/* Built into every policy. */
#define POLICY_RULE_ALLOW 1     /* default_policy: allow */
#define POLICY_RULE_HOST 2      /* The host to its own containers. */
#define POLICY_RULE_NAMES 4     /* Containers to their gateway's DNS. */
#define POLICY_RULE_EXIT 3      /* Containers with an exit to the internet. */

/* Among the files of the policy. */
void policy_clause_free(struct policy_clause *);
void policy_sel_free(struct policy_sel *);
void policy_ident_destroy(struct policy *, struct policy_ident *);
void policy_mark_holders(struct policy *, const struct policy_ident *,
                         struct sset *names);
struct policy_sel *policy_sel_ref(struct policy *,
                                  const struct model_selector *);
struct policy_sel *policy_sel_ref_exit(struct policy *);
void policy_clause_put(struct policy *, const char *rule,
                       struct policy_clause *);
void policy_clause_remove(struct policy *, const char *key);

#endif /* flows/policy.h */
