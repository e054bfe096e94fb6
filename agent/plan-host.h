#ifndef SN_PLAN_HOST_H
#define SN_PLAN_HOST_H 1

/* Who may reach this host itself by the mesh.
 *
 * A container's own host judges what it sends to another host; this one does
 * so again, as for its containers, and does not take the other's word.  What
 * comes by the mesh goes straight to the kernel, not by the bridge, so the
 * rules are nftables' here.  They say what flows/ says of the same rules, in
 * the order of the tiers, denials first; hosts reach each other in any case.
 */

struct model;
struct model_node;
struct plan;

/* Fills in plan->hosts and plan->host_rules. */
void plan_add_host_rules(struct plan *, const struct model *,
                         const struct model_node *self);
void plan_free_host_rules(struct plan *);

#endif /* agent/plan-host.h */
