#ifndef SN_PLAN_EXIT_H
#define SN_PLAN_EXIT_H 1

/* The part of plan_create() that is about exits; pure as the rest. */

struct model;
struct model_node;
struct plan;
struct sset;

void plan_add_exits(struct plan *, const struct model *,
                    struct sset *problems);
void plan_free_exits(struct plan *);

void plan_add_socks(struct plan *, const struct model *,
                    const struct model_node *, struct sset *problems);
void plan_free_socks(struct plan *);

#endif /* agent/plan-exit.h */
