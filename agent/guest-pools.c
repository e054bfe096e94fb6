#include <config.h>
#include "agent/guest-pools.h"

#include <stdlib.h>
#include <string.h>

#include "agent/nft.h"
#include "agent/plan.h"
#include "timeval.h"
#include "util.h"

/* The addresses may be somebody else's after that. */
#define LATE_MS 60000

struct pool {
    struct plan_pool pool;
    long long int gone_ms;      /* Not in the plan since then; 0: it is. */
};

struct guest_pools {
    struct pool *pools;
    size_t n, allocated;
    bool started;
};

struct guest_pools *
guest_pools_create(void)
{
    return xzalloc(sizeof(struct guest_pools));
}

void
guest_pools_destroy(struct guest_pools *gp)
{
    if (gp) {
        free(gp->pools);
        free(gp);
    }
}

static struct pool *
pool_get(struct guest_pools *gp, const char *interface,
         const struct sn_prefix *prefix)
{
    for (size_t i = 0; i < gp->n; i++) {
        struct pool *p = &gp->pools[i];

        if (!strcmp(p->pool.interface, interface)
            && sn_prefix_equals(&p->pool.prefix, prefix)) {
            return p;
        }
    }
    if (gp->n >= gp->allocated) {
        gp->pools = x2nrealloc(gp->pools, &gp->allocated, sizeof *gp->pools);
    }
    struct pool *p = &gp->pools[gp->n++];
    *p = (struct pool) { .pool.prefix = *prefix };
    ovs_strlcpy(p->pool.interface, interface, sizeof p->pool.interface);
    return p;
}

static void
add_former(const char *interface, const struct sn_prefix *prefix, void *gp)
{
    pool_get(gp, interface, prefix);
}

static int
compare_pools(const void *a_, const void *b_)
{
    const struct pool *a = a_, *b = b_;
    int cmp = strcmp(a->pool.interface, b->pool.interface);

    return cmp ? cmp : sn_prefix_compare(&a->pool.prefix, &b->pool.prefix);
}

static void
update_pools(struct guest_pools *gp, const struct plan_guests *pg)
{
    long long int now = time_msec();
    size_t n = 0;

    for (size_t i = 0; i < gp->n; i++) {
        gp->pools[i].gone_ms = (gp->pools[i].gone_ms ? gp->pools[i].gone_ms
                                : now);
    }
    for (size_t i = 0; pg->interface && i < pg->pools.n; i++) {
        pool_get(gp, pg->interface, &pg->pools.prefixes[i])->gone_ms = 0;
    }
    for (size_t i = 0; i < gp->n; i++) {
        if (!gp->pools[i].gone_ms || now < gp->pools[i].gone_ms + LATE_MS) {
            gp->pools[n++] = gp->pools[i];
        }
    }
    gp->n = n;
    if (n) {
        qsort(gp->pools, n, sizeof *gp->pools, compare_pools);
    }
}

void
guest_pools_run(struct guest_pools *gp, struct nft *nft, struct plan *plan)
{
    if (!gp->started) {
        nft_find_guarded(nft, "daddr", add_former, gp);
        gp->started = true;
    }
    update_pools(gp, &plan->guests);
    free(plan->pools);
    plan->n_pools = gp->n;
    plan->pools = xcalloc(gp->n, sizeof *plan->pools);
    for (size_t i = 0; i < gp->n; i++) {
        plan->pools[i] = gp->pools[i].pool;
    }
}
