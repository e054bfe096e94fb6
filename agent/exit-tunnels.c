#include <config.h>
#include "agent/exit-tunnels.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/exit-device.h"
#include "agent/exit-profile.h"
#include "agent/link.h"
#include "agent/plan.h"
#include "agent/resolve.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "sset.h"
#include "util.h"

/* WireGuard takes 80 bytes of each packet if the outer ones are IPv6. */
#define WG_OVERHEAD 80
#define DEFAULT_MTU 1280        /* WARP's, and what passes everywhere. */
#define MIN_MTU 1280

struct loaded {
    char *path;
    struct stat st;
    struct exit_profile profile;
    bool stale;
};

struct exit_tunnels {
    struct shash profiles;      /* Exit's name -> struct loaded. */
    bool starting;
};

/* What one call of exit_tunnels_run() works with. */
struct run {
    struct exit_tunnels *t;
    struct nlk *nlk;
    struct links *links;
    const struct plan *plan;
    const struct wg_key *private_key;
    struct sset *problems;
    bool ok;
};

struct exit_tunnels *
exit_tunnels_create(void)
{
    struct exit_tunnels *t = xzalloc(sizeof *t);

    shash_init(&t->profiles);
    return t;
}

static void
loaded_free(struct loaded *l)
{
    exit_profile_destroy(&l->profile);
    free(l->path);
    free(l);
}

void
exit_tunnels_destroy(struct exit_tunnels *t)
{
    struct shash_node *node;

    if (t) {
        SHASH_FOR_EACH (node, &t->profiles) {
            loaded_free(node->data);
        }
        shash_destroy(&t->profiles);
        free(t);
    }
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
    return (a->st_dev == b->st_dev && a->st_ino == b->st_ino
            && a->st_size == b->st_size && a->st_mode == b->st_mode
            && a->st_uid == b->st_uid
            && a->st_ctim.tv_sec == b->st_ctim.tv_sec
            && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec);
}

/* The profile of an exit, read again if the file is another one.  One that
 * cannot be read any more leaves the tunnel as it is. */
static bool
load_profile(struct exit_tunnels *t, const struct plan_exit *x,
             struct sset *problems)
{
    struct loaded *l = shash_find_data(&t->profiles, x->name);
    struct exit_profile profile;
    struct stat st;
    bool ok = true;

    if (l && strcmp(l->path, x->profile)) {
        shash_find_and_delete(&t->profiles, x->name);
        loaded_free(l);
        l = NULL;
    }
    if (!l || stat(x->profile, &st) || !same_file(&st, &l->st)) {
        char *error = exit_profile_load(x->profile, &profile, &st);

        if (error) {
            sset_add_and_free(problems, xasprintf("exit %s: %s", x->name,
                                                  error));
            free(error);
            ok = false;
        } else {
            if (!l) {
                l = xzalloc(sizeof *l);
                l->path = xstrdup(x->profile);
                shash_add(&t->profiles, x->name, l);
            } else {
                exit_profile_destroy(&l->profile);
            }
            l->profile = profile;
            l->st = st;
        }
    }
    if (l) {
        l->stale = false;
    }
    return ok;
}

bool
exit_tunnels_load(struct exit_tunnels *t, const struct plan *plan,
                  struct sset *problems)
{
    struct shash_node *node;
    bool ok = true;

    SHASH_FOR_EACH (node, &t->profiles) {
        struct loaded *l = node->data;
        l->stale = true;
    }
    for (size_t i = 0; i < plan->n_exits; i++) {
        const struct plan_exit *x = &plan->exits[i];

        if (x->enabled && !x->remote && x->profile) {
            ok &= load_profile(t, x, problems);
        }
    }
    SHASH_FOR_EACH_SAFE (node, &t->profiles) {
        struct loaded *l = node->data;

        if (l->stale) {
            loaded_free(l);
            shash_delete(&t->profiles, node);
        }
    }
    return ok;
}

static const struct exit_profile *
get_profile(const struct exit_tunnels *t, const struct plan_exit *x)
{
    const struct loaded *l = shash_find_data(&t->profiles, x->name);

    return l ? &l->profile : NULL;
}

static void
sync_device(struct run *r, struct exit_device *d, const char *exit_name)
{
    char *error;

    error = exit_device_sync(r->nlk, r->links, d, &r->t->starting);
    if (error) {
        sset_add_and_free(r->problems, xasprintf("exit %s: %s", exit_name,
                                                 error));
        free(error);
        r->ok = false;
    }
}

static void
profile_to_device(const struct exit_profile *f, struct exit_device *d)
{
    wg_device_init(&d->wg);
    d->wg.private_key = f->private_key;
    d->wg.listen_port = f->listen_port;
    d->addresses = f->addresses;
    d->n_addresses = f->n_addresses;
    d->mtu = f->mtu ? f->mtu : DEFAULT_MTU;
    for (size_t i = 0; i < f->n_peers; i++) {
        const struct exit_profile_peer *fp = &f->peers[i];
        struct wg_peer *peer = wg_device_find_peer(&d->wg, &fp->key);

        peer = peer ? peer : wg_device_add_peer(&d->wg, &fp->key);
        if (fp->endpoint) {
            resolve_endpoint(fp->endpoint, &peer->endpoint);
        }
        peer->preshared_key = fp->preshared_key;
        peer->keepalive_s = fp->keepalive_s;
        for (size_t j = 0; j < fp->n_allowed; j++) {
            wg_peer_add_allowed(peer, &fp->allowed[j]);
        }
        wg_peer_sort(peer);
    }
}

static void
run_profile(struct run *r, const struct plan_exit *x)
{
    const struct exit_profile *f = get_profile(r->t, x);
    struct exit_device d = { .name = x->tunnel };

    if (f) {
        profile_to_device(f, &d);
        sync_device(r, &d, x->name);
        wg_device_destroy(&d.wg);
    }
}

static const struct plan_peer *
find_peer(const struct plan *plan, const char *node)
{
    for (size_t i = 0; i < plan->n_peers; i++) {
        if (!strcmp(plan->peers[i].node, node)) {
            return plan->peers[i].has_key ? &plan->peers[i] : NULL;
        }
    }
    return NULL;
}

/* What the mesh's packets have room for. */
static uint32_t
inner_mtu(const struct run *r)
{
    const struct link *mesh = links_find(r->links, r->plan->interface);

    return (mesh && mesh->mtu >= MIN_MTU + WG_OVERHEAD
            ? mesh->mtu - WG_OVERHEAD : MIN_MTU);
}

static void
init_inner(const struct run *r, const char *name, uint16_t port,
           struct exit_device *d)
{
    *d = (struct exit_device) { .name = name, .mtu = inner_mtu(r) };
    wg_device_init(&d->wg);
    d->wg.private_key = *r->private_key;
    d->wg.listen_port = port;
}

static struct wg_peer *
add_inner_peer(struct exit_device *d, const struct plan_peer *pp)
{
    struct wg_peer *peer = wg_device_add_peer(&d->wg, &pp->key);

    peer->has_former = pp->has_former;
    peer->former = pp->former_key;
    return peer;
}

/* To another node's exit. */
static void
run_remote(struct run *r, const struct plan_exit *x)
{
    const struct plan_peer *pp = find_peer(r->plan, x->remote);
    struct ds endpoint = DS_EMPTY_INITIALIZER;
    struct exit_device d;

    if (!pp || !r->private_key || !x->remote_address.plen) {
        return;                 /* The mesh says what is missing. */
    }
    init_inner(r, x->tunnel, x->local_port, &d);
    struct wg_peer *peer = add_inner_peer(&d, pp);
    char *address = sn_prefix_addr_to_string(&x->remote_address);
    ds_put_format(&endpoint, x->remote_address.is_v4 ? "%s:%u" : "[%s]:%u",
                  address, x->remote_port);
    wg_endpoint_parse(ds_cstr(&endpoint), &peer->endpoint);
    peer->force_endpoint = true;
    for (int v4 = 0; v4 < 2; v4++) {
        struct sn_prefix all = plan_default_prefix(v4);
        wg_peer_add_allowed(peer, &all);
    }
    wg_peer_sort(peer);
    /* The mesh's own address, for what the agent itself sends. */
    struct sn_prefix own = { .plen = 0 };
    if (r->plan->tunnel.n) {
        own = sn_prefix_host(&r->plan->tunnel.prefixes[0]);
        d.addresses = &own;
        d.n_addresses = 1;
    }
    sync_device(r, &d, x->name);
    wg_device_destroy(&d.wg);
    ds_destroy(&endpoint);
    free(address);
}

/* From other nodes to an exit of this one. */
static void
run_export(struct run *r, const struct plan_exit *x)
{
    struct exit_device d;

    if (!r->private_key) {
        return;
    }
    init_inner(r, x->inlet, x->inlet_port, &d);
    for (size_t i = 0; i < x->n_grants; i++) {
        const struct plan_grant *g = &x->grants[i];
        const struct plan_peer *pp = find_peer(r->plan, g->node);

        if (pp && !wg_device_find_peer(&d.wg, &pp->key)) {
            struct wg_peer *peer = add_inner_peer(&d, pp);

            for (size_t j = 0; j < g->sources.n; j++) {
                wg_peer_add_allowed(peer, &g->sources.prefixes[j]);
            }
            wg_peer_sort(peer);
        }
    }
    sync_device(r, &d, x->name);
    wg_device_destroy(&d.wg);
}

/* The names of the devices that the plan asks for. */
static void
find_wanted(const struct plan *plan, struct sset *wanted)
{
    for (size_t i = 0; i < plan->n_exits; i++) {
        const struct plan_exit *x = &plan->exits[i];

        if (x->enabled && (x->remote || x->profile)) {
            sset_add(wanted, x->tunnel);
        }
        if (x->enabled && x->inlet) {
            sset_add(wanted, x->inlet);
        }
    }
}

void
exit_tunnels_close(struct nlk *nlk, const struct links *links,
                   const struct plan *plan)
{
    struct sset wanted = SSET_INITIALIZER(&wanted);

    find_wanted(plan, &wanted);
    exit_devices_close(nlk, links, &wanted);
    sset_destroy(&wanted);
}

bool
exit_tunnels_run(struct exit_tunnels *t, struct nlk *nlk, struct links *links,
                 const struct plan *plan, const struct wg_key *private_key,
                 struct sset *problems)
{
    struct run r = {
        .t = t, .nlk = nlk, .links = links, .plan = plan,
        .private_key = private_key, .problems = problems, .ok = true,
    };
    struct sset wanted = SSET_INITIALIZER(&wanted);

    t->starting = false;
    for (size_t i = 0; i < plan->n_exits; i++) {
        const struct plan_exit *x = &plan->exits[i];

        if (!x->enabled) {
            continue;
        } else if (x->remote) {
            run_remote(&r, x);
        } else if (x->profile) {
            run_profile(&r, x);
        }
        if (x->inlet) {
            run_export(&r, x);
        }
    }
    find_wanted(plan, &wanted);
    if (exit_devices_remove(nlk, links, &wanted)) {
        r.ok = false;
    }
    sset_destroy(&wanted);
    return r.ok && !t->starting;
}

bool
exit_tunnels_are_starting(const struct exit_tunnels *t)
{
    return t->starting;
}

size_t
exit_tunnels_resolvers(const struct exit_tunnels *t,
                       const struct plan_exit *x,
                       const struct sn_prefix **ret_resolvers)
{
    const struct exit_profile *f = get_profile(t, x);

    *ret_resolvers = f ? f->resolvers : NULL;
    return f ? f->n_resolvers : 0;
}

size_t
exit_tunnels_addresses(const struct exit_tunnels *t,
                       const struct plan_exit *x,
                       const struct sn_prefix **ret_addresses)
{
    const struct exit_profile *f = get_profile(t, x);

    *ret_addresses = f ? f->addresses : NULL;
    return f ? f->n_addresses : 0;
}
