#include <config.h>
#include "agent/handover.h"

#include <stdlib.h>

#include "agent/plan.h"
#include "agent/wg.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "smap.h"
#include "sset.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(handover);

/* A node switches within milliseconds, and tells so.  What it has for this
 * one waits in its WireGuard, which keeps 128 packets. */
#define SILENCE_MS 1000

struct handover_node {
    struct wg_key key;          /* In use here. */
    bool has_former;
    struct wg_key former;
    bool waits;                 /* It is about to take 'next'. */
    bool released;              /* It need not wait for it. */
    struct wg_key next;
    uint64_t rx_bytes;          /* By 'key'. */
    long long int heard_ms;     /* Since when that is so. */
};

void
handover_init(struct handover *h)
{
    shash_init(&h->nodes);
}

void
handover_destroy(struct handover *h)
{
    shash_destroy_free_data(&h->nodes);
}

static bool
key_is_refused(const struct plan *plan, const struct wg_key *key)
{
    char text[WG_KEY_LEN_BASE64];

    wg_key_to_base64(key, text);
    return sset_contains(&plan->refused_keys, text);
}

/* Whether the node has told that it will switch to 'key', and not yet that it
 * has. */
static bool
is_about_to(const struct smap *next_keys, const char *node,
            const struct wg_key *key)
{
    const char *text = smap_get(next_keys, node);
    struct wg_key next;

    return (text && wg_key_from_base64(text, &next)
            && wg_key_equals(&next, key));
}

static void
node_adopt(struct handover_node *n, const struct plan_peer *pp)
{
    VLOG_INFO("%s: has another key now", pp->node);
    n->has_former = true;
    n->former = n->key;
    n->key = pp->key;
    n->waits = n->released = false;
}

static void
node_wait(struct handover_node *n, const struct wg_key *next,
          long long int now)
{
    if (!n->waits || !wg_key_equals(&n->next, next)) {
        n->waits = true;
        n->released = false;
        n->next = *next;
        n->rx_bytes = UINT64_MAX;
        n->heard_ms = now;
    }
}

static void
node_apply(struct handover_node *n, const struct plan *plan,
           struct plan_peer *pp, const struct smap *next_keys,
           long long int now)
{
    if (wg_key_equals(&n->key, &pp->key)) {
        n->waits = false;
    } else if (is_about_to(next_keys, pp->node, &pp->key)
               && !key_is_refused(plan, &n->key)) {
        node_wait(n, &pp->key, now);
        if (n->released) {
            node_adopt(n, pp);
        } else {
            pp->key = n->key;
            pp->next_key = n->next;
            pp->has_next_key = true;
        }
    } else {
        node_adopt(n, pp);
    }
    pp->has_former = n->has_former;
    pp->former_key = n->former;
}

void
handover_apply(struct handover *h, struct plan *plan,
               const struct smap *next_keys, long long int now)
{
    struct shash old = SHASH_INITIALIZER(&old);

    shash_swap(&old, &h->nodes);
    for (size_t i = 0; i < plan->n_peers; i++) {
        struct plan_peer *pp = &plan->peers[i];
        struct handover_node *n = shash_find_and_delete(&old, pp->node);

        if (pp->has_key) {
            if (!n) {
                n = xzalloc(sizeof *n);
                n->key = pp->key;
            }
            node_apply(n, plan, pp, next_keys, now);
        }
        if (n) {
            shash_add(&h->nodes, pp->node, n);
        }
    }
    shash_destroy_free_data(&old);
}

bool
handover_run(struct handover *h, const struct wg_device *device,
             long long int now)
{
    struct shash_node *node;
    bool due = false;

    SHASH_FOR_EACH (node, &h->nodes) {
        struct handover_node *n = node->data;
        const struct wg_peer *peer
            = n->waits ? wg_device_find_peer(device, &n->key) : NULL;

        if (!n->waits || n->released) {
            continue;
        } else if (peer && peer->rx_bytes != n->rx_bytes) {
            n->heard_ms = n->rx_bytes == UINT64_MAX ? n->heard_ms : now;
            n->rx_bytes = peer->rx_bytes;
        }
        if (now - n->heard_ms >= SILENCE_MS) {
            VLOG_INFO("%s: does not say that its key is another, and sends "
                      "nothing with the former", node->name);
            due = n->released = true;
        }
    }
    return due;
}

bool
handover_is_under_way(const struct handover *h)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &h->nodes) {
        const struct handover_node *n = node->data;

        if (n->waits && !n->released) {
            return true;
        }
    }
    return false;
}

void
handover_wait(const struct handover *h)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &h->nodes) {
        const struct handover_node *n = node->data;

        if (n->waits && !n->released) {
            poll_timer_wait_until(n->heard_ms + SILENCE_MS);
        }
    }
}
