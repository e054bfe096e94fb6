#ifndef SN_BUILD_H
#define SN_BUILD_H 1

/* A document that schema_check() has seen, to a model.
 *
 * Values that schema_check() complained of are taken as absent here, without
 * another word; what is reported here is what only the names and values of
 * other places can tell: duplicates, unknown names. */

#include "lib/diag.h"
#include "lib/rate.h"
#include "state/places.h"
#include "state/schema.h"

struct doc_value;
struct model;
struct model_container;
struct model_node;
struct model_segment;

struct build {
    struct model *model;
    struct diags *diags;
    struct places places;
};

/* Builds the model of 'root'.  'host_name' is the name of the node if 'root'
 * is one host's file, else NULL. */
void build_model(struct build *, const struct doc_value *root,
                 const char *host_name);

/* The parts, each in its file. */
void build_node(struct build *, const char *name, const struct sn_loc *,
                const struct doc_value *node);
void build_node_containers(struct build *, const char *name,
                           const struct doc_value *node);
void build_infer_subnets(struct build *, const char *name,
                         const struct doc_value *node);
void build_segments(struct build *, const struct doc_value *segments);
void build_services(struct build *, const struct doc_value *root,
                    const char *host_name);
/* Once all exits are there. */
void build_vpn(struct build *, const char *node_name,
               const struct doc_value *node);
void build_clients(struct build *, const struct doc_value *root);
void build_policy(struct build *, const struct doc_value *root);
void build_exits(struct build *, const char *node_name,
                 const struct doc_value *wireguard);
void build_container_exits(struct build *, struct model_container *,
                           const struct doc_value *exit);
void build_segment_exits(struct build *, struct model_segment *,
                         const struct doc_value *exit);
/* The proxies of nodes; once nodes, exits and containers are there. */
void build_socks(struct build *, const char *node_name,
                 const struct doc_value *node);
/* Calls 'cb' for each exit that "exit" names.  Returns whether it is
 * "none". */
bool build_exit_list(struct build *, const struct doc_value *exit,
                     void (*cb)(struct build *, const struct doc_value *item,
                                void *aux), void *aux);
/* The key of exit 's', "NAME" or "NODE/NAME", as seen from 'node'. */
char *build_exit_key(const char *s, const char *node);
/* No such exit there: says which there are. */
void build_unknown_exit(struct build *, const char *key,
                        const struct sn_loc *);
/* Gives containers without an exit of their own that of their segment; once
 * everything else is there. */
void build_inherited_exits(struct build *);

/* Values; the default if there is none, or none that is valid. */
char *build_string(const struct doc_value *map, const char *key,
                   const char *dflt);
unsigned int build_number(const struct doc_value *map, const char *key,
                          unsigned int max, unsigned int dflt);
bool build_bool(const struct doc_value *map, const char *key, bool dflt);
struct sn_rate build_rate(const struct doc_value *map, const char *key);
bool build_prefix(const struct doc_value *scalar, struct sn_prefix *ret_p);
char *build_kept(const struct schema *, const struct doc_value *);

/* Reports that 'what' 'name' was there already, at 'first'. */
void build_report_duplicate(struct build *, const struct sn_loc *,
                            const char *what, const char *name,
                            const struct sn_loc *first);

#endif /* state/build.h */
