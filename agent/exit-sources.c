#include <config.h>
#include "agent/exit-sources.h"

#include <stdlib.h>
#include <string.h>

#include "agent/addr.h"
#include "agent/exit-tunnels.h"
#include "agent/link.h"
#include "agent/nft.h"
#include "agent/plan.h"
#include "openvswitch/shash.h"
#include "timeval.h"
#include "util.h"

/* Of one tunnel; the oldest goes first. */
#define MAX_SOURCES 8
/* What an exit that is gone still brings: TCP tries for a quarter of an
 * hour. */
#define LATE_MS (20 * 60 * 1000)

struct tunnel {
    struct plan_prefixes addresses;
    long long int gone_ms;      /* No exit has it since then; 0: one has. */
};

struct exit_sources {
    struct shash tunnels;       /* Its name -> struct tunnel. */
    bool started;
};

struct found {
    struct exit_sources *s;
    const struct links *links;
    struct plan_prefixes others; /* Of other interfaces. */
};

struct exit_sources *
exit_sources_create(void)
{
    struct exit_sources *s = xzalloc(sizeof *s);

    shash_init(&s->tunnels);
    return s;
}

static void
tunnel_free(struct tunnel *t)
{
    free(t->addresses.prefixes);
    free(t);
}

void
exit_sources_destroy(struct exit_sources *s)
{
    struct shash_node *node;

    if (s) {
        SHASH_FOR_EACH (node, &s->tunnels) {
            tunnel_free(node->data);
        }
        shash_destroy(&s->tunnels);
        free(s);
    }
}

static size_t
prefixes_find(const struct plan_prefixes *list, const struct sn_prefix *p)
{
    for (size_t i = 0; i < list->n; i++) {
        if (sn_prefix_equals(&list->prefixes[i], p)) {
            return i;
        }
    }
    return SIZE_MAX;
}

static void
prefixes_remove(struct plan_prefixes *list, size_t i)
{
    list->n--;
    memmove(&list->prefixes[i], &list->prefixes[i + 1],
            (list->n - i) * sizeof *list->prefixes);
}

/* The latest last. */
static void
tunnel_add(struct tunnel *t, const struct sn_prefix *host)
{
    size_t i = prefixes_find(&t->addresses, host);

    if (i != SIZE_MAX) {
        prefixes_remove(&t->addresses, i);
    }
    plan_prefixes_add(&t->addresses, host);
    if (t->addresses.n > MAX_SOURCES) {
        prefixes_remove(&t->addresses, 0);
    }
}

static struct tunnel *
tunnel_get(struct exit_sources *s, const char *name)
{
    struct tunnel *t = shash_find_data(&s->tunnels, name);

    if (!t) {
        t = xzalloc(sizeof *t);
        shash_add(&s->tunnels, name, t);
    }
    return t;
}

static void
add_former(const char *name, const struct sn_prefix *address, void *s)
{
    tunnel_add(tunnel_get(s, name), address);
}

/* Before its device is made: what came to one of that name that was deleted,
 * or before this host started, may be waiting. */
static void
add_profile(struct tunnel *t, const struct exit_tunnels *tunnels,
            const struct plan_exit *x)
{
    const struct sn_prefix *addresses;
    size_t n = exit_tunnels_addresses(tunnels, x, &addresses);

    for (size_t i = 0; i < n; i++) {
        struct sn_prefix host = sn_prefix_host(&addresses[i]);
        tunnel_add(t, &host);
    }
}

/* The mesh's address, which another node's exit borrows, is no tunnel's. */
static void
update_tunnels(struct exit_sources *s, const struct exit_tunnels *tunnels,
               const struct plan *plan)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &s->tunnels) {
        struct tunnel *t = node->data;
        t->gone_ms = t->gone_ms ? t->gone_ms : time_msec();
    }
    for (size_t i = 0; i < plan->n_exits; i++) {
        const struct plan_exit *x = &plan->exits[i];

        if (!x->remote) {
            struct tunnel *t = tunnel_get(s, x->tunnel);

            t->gone_ms = 0;
            add_profile(t, tunnels, x);
        }
    }
    SHASH_FOR_EACH_SAFE (node, &s->tunnels) {
        struct tunnel *t = node->data;

        if (t->gone_ms && time_msec() > t->gone_ms + LATE_MS) {
            tunnel_free(t);
            shash_delete(&s->tunnels, node);
        }
    }
}

static void
add_address(int ifindex, const struct sn_prefix *prefix, void *found_)
{
    struct found *found = found_;
    const struct link *link = links_find_ifindex(found->links, ifindex);
    struct tunnel *t = link ? shash_find_data(&found->s->tunnels, link->name)
                       : NULL;
    struct sn_prefix host = sn_prefix_host(prefix);

    if (!t) {
        plan_prefixes_add(&found->others, &host);
        return;
    }
    tunnel_add(t, &host);
}

static int
compare_prefixes(const void *a, const void *b)
{
    return sn_prefix_compare(a, b);
}

/* In an order that does not change with what came when. */
static struct plan_sources *
make_sources(const struct tunnel *t, const struct plan_prefixes *others)
{
    struct plan_sources *sources = xzalloc(sizeof *sources);
    struct plan_prefixes *all = &sources->all;

    for (size_t i = 0; i < t->addresses.n; i++) {
        plan_prefixes_add(all, &t->addresses.prefixes[i]);
    }
    if (all->n) {
        qsort(all->prefixes, all->n, sizeof *all->prefixes,
              compare_prefixes);
    }
    for (size_t i = 0; i < all->n; i++) {
        if (prefixes_find(others, &all->prefixes[i]) == SIZE_MAX) {
            plan_prefixes_add(&sources->own, &all->prefixes[i]);
        }
    }
    return sources;
}

void
exit_sources_run(struct exit_sources *s, struct nft *nft, struct nlk *nlk,
                 const struct links *links,
                 const struct exit_tunnels *tunnels, struct plan *plan)
{
    struct found found = { .s = s, .links = links };
    struct shash_node *node;

    if (!s->started) {
        nft_find_guarded(nft, "saddr", add_former, s);
        s->started = true;
    }
    update_tunnels(s, tunnels, plan);
    if (!shash_is_empty(&s->tunnels)) {
        addr_list(nlk, add_address, &found);
    }
    plan_sources_destroy(&plan->sources);
    shash_init(&plan->sources);
    SHASH_FOR_EACH (node, &s->tunnels) {
        shash_add(&plan->sources, node->name,
                  make_sources(node->data, &found.others));
    }
    free(found.others.prefixes);
}
