#ifndef SN_LINT_PRIVATE_H
#define SN_LINT_PRIVATE_H 1

/* What the files state/lint*.c share. */

#include "lib/diag.h"
#include "state/model.h"
#include "state/places.h"

struct match;

struct lint {
    const struct model *model;
    const struct places *places;        /* Or NULL. */
    struct diags *diags;
    struct model_container **containers; /* All, in order of the file. */
    size_t n_containers;
    struct model_node **nodes;
    size_t n_nodes;
    struct model_exit **exits;
    size_t n_exits;
};

/* The first that came with a name: string to whatever and its place. */
struct lint_seen {
    struct shash map;           /* struct sn_loc. */
};

void lint_seen_init(struct lint_seen *);
void lint_seen_destroy(struct lint_seen *);
/* Returns NULL if 'name' is new, else where it was first (":" and all, to
 * free). */
char *lint_seen_add(struct lint_seen *, const char *name,
                    const struct sn_loc *);

/* The objects of one kind in order of their places; the caller frees. */
void *lint_sort(const struct model *, enum model_kind, size_t *ret_n);

/* Complains if rules would not take 'name' for one. */
void lint_reserved_name(struct lint *, const struct sn_loc *,
                        const char *what, const char *name);

void lint_names(struct lint *);
void lint_network(struct lint *);
void lint_ports(struct lint *);
void lint_clients(struct lint *);
void lint_policy(struct lint *);
void lint_classes(struct lint *);
void lint_services(struct lint *);
void lint_unused(struct lint *);
void lint_shadowed_rules(struct lint *);
void lint_flows(struct lint *);
void lint_lockout(struct lint *);

/* The address of "HOST", "HOST:PORT" or "[HOST]:PORT", if HOST is one. */
bool lint_endpoint_address(const char *endpoint,
                           struct sn_prefix *ret_address);

/* Whether somebody of the mesh has addresses that overlap 'prefix'. */
bool lint_prefix_has_owner(const struct lint *,
                           const struct sn_prefix *prefix);

/* Why no container and no guest can have an address of this network, or
 * NULL. */
const char *lint_not_unicast(const struct sn_prefix *);

/* Whether the 'n' matches 'others' together match all packets that 'match'
 * does; sets the bits of those that it takes in 'used'. */
bool lint_match_is_taken(const struct match *,
                         const struct match *const others[], size_t n,
                         unsigned long *used);

#endif /* state/lint-private.h */
