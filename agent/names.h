#ifndef SN_NAMES_H
#define SN_NAMES_H 1

/* Names: what the agent's DNS server serves, to whom, and by which resolvers,
 * kept as the model says.  The host's resolv.conf is read, never written. */

#include <stdint.h>

struct ds;
struct exit_tunnels;
struct exit_watch;
struct links;
struct model;
struct names;
struct plan;
struct sn_prefix;
struct sset;

struct names *names_create(void);
void names_destroy(struct names *);

/* The model is another one. */
void names_set_model(struct names *, const struct model *, const char *node,
                     int64_t generation);
/* In a pass: addresses, clients, resolvers. */
void names_sync(struct names *, const struct links *, const struct model *,
                const struct plan *, const struct exit_watch *,
                const struct exit_tunnels *, struct sset *problems);

/* Once per iteration. */
void names_run(struct names *);
void names_wait(struct names *);

/* The resolver for what leaves by 'device', or NULL. */
const struct sn_prefix *names_resolver(const struct names *,
                                       const char *device);

void names_format(const struct names *, struct ds *);

#endif /* agent/names.h */
