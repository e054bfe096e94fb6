#include <config.h>
#include "agent/rotation.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "agent/central.h"
#include "agent/keys.h"
#include "agent/mesh.h"
#include "agent/plan.h"
#include "agent/psk.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "ovsdb-sync/status-sync.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(rotation);

/* A rotation takes well below a second; then it is worth a word. */
#define PATIENCE_MS 10000
#define RETRY_MS 1000

static char *
key_to_string(const struct wg_key *key)
{
    char *text = xmalloc(WG_KEY_LEN_BASE64);

    wg_key_to_base64(key, text);
    return text;
}

static bool
key_is(const struct wg_key *key, const char *text)
{
    char own[WG_KEY_LEN_BASE64];

    wg_key_to_base64(key, own);
    return text && !strcmp(own, text);
}

void
rotation_init(struct rotation *r)
{
    *r = (struct rotation) { .epoch = -1 };
}

static void
report(struct sset *problems, char *error)
{
    if (error) {
        sset_add_and_free(problems, error);
    }
}

/* Whether the tunnel to a peer would be lost with the former key: somebody
 * answers there, agent or WireGuard, who has not got the next one. */
static bool
must_wait_for(const struct mesh *mesh, const struct plan_peer *peer,
              const struct psks *psks, const struct central *central,
              const struct wg_key *next)
{
    const struct wg_peer *wg = peer->has_key
                               ? wg_device_find_peer(mesh_device(mesh),
                                                     &peer->key) : NULL;
    struct central_node node;

    if (!wg || !central_get_node(central, peer->node, &node)
        || (key_is(next, node.knows_next_key)
            && psks_next_is_ready(psks, peer->node))) {
        return false;
    }
    return (time_wall() - node.seen < STATUS_SEEN_S
            || time_wall() - wg->handshake < WG_FRESH_S);
}

/* Returns whether all have the next key. */
static bool
all_have_next(struct rotation *r, const struct mesh *mesh,
              const struct plan *plan, const struct psks *psks,
              const struct central *central, const struct wg_key *next,
              struct sset *problems)
{
    struct ds waits = DS_EMPTY_INITIALIZER;

    if (wg_key_is_zero(&mesh_device(mesh)->private_key)) {
        return false;           /* Who the peers are is not known yet. */
    }
    for (size_t i = 0; i < plan->n_peers; i++) {
        if (must_wait_for(mesh, &plan->peers[i], psks, central, next)) {
            ds_put_format(&waits, "%s%s", waits.length ? ", " : "",
                          plan->peers[i].node);
        }
    }
    bool all = !waits.length;
    if (all) {
        r->waits_since = 0;
    } else if (!r->waits_since) {
        r->waits_since = time_msec();
    } else if (time_msec() - r->waits_since > PATIENCE_MS) {
        sset_add_and_free(problems, xasprintf(
            "the new key waits for %s: the agent there has not taken it in, "
            "and the tunnel to it would be lost", ds_cstr(&waits)));
    }
    ds_destroy(&waits);
    return all;
}

/* The key that all know is the next one: make it ours.  Returns NULL, or an
 * error to free. */
static char *
take_next(struct rotation *r, struct keyring *ring, int64_t epoch)
{
    char *error = keyring_switch(ring);

    if (!error) {
        VLOG_INFO("rotated the key of the mesh; the former is destroyed");
        r->epoch = epoch;
        r->commit = false;
    }
    return error;
}

/* Nobody takes the key any more, so nothing breaks. */
static char *
give_up_key(struct rotation *r, struct keyring *ring,
            const struct plan *plan)
{
    keyring_drop_next(ring);
    char *error = keyring_make_next(ring);

    if (!error) {
        VLOG_INFO("the key of the mesh was revoked");
        error = take_next(r, ring, plan->key_epoch);
    }
    return error;
}

static bool
key_is_refused(const struct keyring *ring, const struct plan *plan)
{
    char *text = key_to_string(&ring->public_key);
    bool refused = sset_contains(&plan->refused_keys, text);

    free(text);
    return refused;
}

/* With pre-shared keys, of two nodes one rotates after the other: each pair
 * has one key to come.  Who came first goes first; of two at the same moment,
 * the first by name. */
static bool
must_yield(const struct plan *plan, const struct central *central,
           bool has_next)
{
    for (size_t i = 0; i < plan->n_peers && plan->preshared_keys; i++) {
        const struct plan_peer *peer = &plan->peers[i];
        struct central_node node;

        if (peer->has_next_key && central_get_node(central, peer->node, &node)
            && time_wall() - node.seen < STATUS_SEEN_S
            && (!has_next || strcmp(peer->node, plan->node) < 0)) {
            return true;
        }
    }
    return false;
}

void
rotation_run(struct rotation *r, struct mesh *mesh, const struct plan *plan,
             const struct psks *psks, const struct central *central,
             struct sset *problems)
{
    struct keyring *ring = mesh_keyring(mesh);
    char *error = keyring_load(ring, plan->mesh);
    struct central_node own = { .public_key = NULL };
    bool reported = central_get_node(central, plan->node, &own);

    if (error) {
        report(problems, error);
        return;
    }
    if (r->epoch < 0) {
        r->epoch = reported ? own.key_epoch : plan->key_epoch;
    }
    if (!r->commit && plan->key_epoch < r->epoch) {
        /* An older database took the place of the one that asked for this key:
         * what it asks for next is another one. */
        r->epoch = plan->key_epoch;
    }
    if (key_is_refused(ring, plan)) {
        report(problems, give_up_key(r, ring, plan));
    } else if (ring->has_next && key_is(&ring->next_public,
                                        own.public_key)) {
        report(problems, take_next(r, ring, own.key_epoch));
    } else if (plan->revoked || plan->key_epoch <= r->epoch) {
        keyring_drop_next(ring);
        r->commit = false;
    } else if (!r->commit && must_yield(plan, central, ring->has_next)) {
        keyring_drop_next(ring);
    } else if (!ring->has_next) {
        report(problems, keyring_make_next(ring));
    } else if (!r->commit) {
        r->commit = all_have_next(r, mesh, plan, psks, central,
                                  &ring->next_public, problems);
    }
    r->pending = !plan->revoked && plan->key_epoch > r->epoch;
    if (plan->revoked) {
        sset_add_and_free(problems, xasprintf(
            "this node is revoked: the other nodes refuse it, until "
            "`socknet node restore %s`", plan->node));
    }
}

long long int
rotation_next_ms(const struct rotation *r)
{
    return r->pending ? time_msec() + RETRY_MS : LLONG_MAX;
}

char *
rotation_public_key(const struct rotation *r, const struct keyring *ring)
{
    return (!ring->mesh ? NULL
            : key_to_string(r->commit && ring->has_next ? &ring->next_public
                            : &ring->public_key));
}

/* Until it is in use: that it is gone tells the others that it is. */
char *
rotation_next_key(const struct rotation *r, const struct keyring *ring)
{
    return (ring->mesh && ring->has_next
            ? key_to_string(&ring->next_public) : NULL);
}

int64_t
rotation_epoch(const struct rotation *r, const struct plan *plan)
{
    return r->commit ? plan->key_epoch : MAX(r->epoch, 0);
}
