#ifndef SN_FLOW_USER_H
#define SN_FLOW_USER_H 1

/* Symbols of the raw flows. */

struct compiler;
struct model_container;
struct model_raw_flow;
struct sset;

void user_collect_names(const struct compiler *,
                        const struct model_raw_flow *, struct sset *names,
                        struct sset *targets);

#endif /* flows/user.h */
