#include <config.h>
#include "agent/paths-private.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "agent/probe.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(path_run);

/* The hunt: a volley of probes every so often, fewer as time goes by. */
#define VOLLEY_MS 250
#define FAST_MS 2000
#define SLOW_VOLLEY_MS 1000
#define SLOW_MS 6000
#define IDLE_VOLLEY_MS 15000
/* A better path than the first that answered gets this long. */
#define SETTLE_MS 700
/* If there is an address that would make a better one, and it is silent; and
 * so often it gets another chance. */
#define BETTER_MS 4000
#define BETTER_AGAIN_MS 300000
/* Then a relay is asked for; sooner by who had a path. */
#define RELAY_AFTER_MS 1500
#define RELAY_AGAIN_MS 400

/* Sooner while something is sent, and where a NAT's new mapping shows. */
#define SILENT_SENDING_MS 2000
#define SILENT_HUB_MS 5000
#define PING_MS 500
#define RELAY_ASK_MS 15000
#define RELAY_ASK_AGAIN_MS 5000

/* A moved endpoint is moved back by what is under way by the old path. */
#define FORCE_MS 100
/* A handshake gets this long before another is begun. */
#define RESET_MS 2000
/* A relay that knows neither forwards the second call. */
#define CALL_TURN_MS 1000

static bool
path_is_silent(const struct paths *ps, const struct path *p,
               long long int now)
{
    bool from_nat = ps->behind_nat && !p->peer_behind_nat;
    long long int silence = now - p->proof_ms;

    return (silence >= (from_nat ? SILENT_HUB_MS : PATH_SILENT_MS)
            || (silence >= SILENT_SENDING_MS
                && p->tx_bytes - p->tx_at_proof >= PATH_SENDING_BYTES));
}

static void
path_check(struct paths *ps, struct path *p, long long int now)
{
    if (p->ping_ms && now < p->next_ping_ms) {
        return;
    } else if (p->ping_ms || path_is_silent(ps, p, now)) {
        p->ping_ms = p->ping_ms ? p->ping_ms : now;
        p->next_ping_ms = now + PING_MS;
        path_ping(ps, p, &p->endpoint, &p->ping_id);
    }
}

static void
path_hunt(struct paths *ps, struct path *p, long long int now)
{
    long long int age = now - p->hunt_ms;

    if (now >= p->next_volley_ms) {
        path_volley(ps, p);
        p->next_volley_ms = now + (age < FAST_MS || p->has_best ? VOLLEY_MS
                                   : age < SLOW_MS ? SLOW_VOLLEY_MS
                                   : IDLE_VOLLEY_MS);
    }
}

/* For people: what is wrong with a path that is relayed or not there. */
static char *
path_explain(const struct paths *ps, const struct path *p,
             enum path_kind kind)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    if (!p->has_key) {
        return xstrdup("its agent has not reported a key");
    } else if (!p->n_candidates) {
        ds_put_cstr(&ds, "no address of it is known yet");
    } else if (p->hunting && time_msec() - p->hunt_ms < RELAY_AFTER_MS) {
        ds_put_cstr(&ds, "trying");
    } else {
        ds_put_cstr(&ds, "no answer from");
    }
    for (size_t i = 0; i < p->n_candidates; i++) {
        ds_put_cstr(&ds, i ? ", " : " ");
        wg_endpoint_format(&p->candidates[i].ss, &ds);
    }
    path_explain_nat(ps, p, &ds);
    if (kind == PATH_NONE) {
        path_explain_relay(ps, p, &ds);
    }
    return ds_steal_cstr(&ds);
}

/* What is said of a path: its kind, and why it is not a better one. */
static void
path_set_status(struct paths *ps, struct path *p, bool alive,
                enum path_kind kind)
{
    bool good = p->has_key && alive && !path_kind_is_relay(kind);
    char *reason = good ? xstrdup("") : path_explain(ps, p, kind);

    if (p->kind != kind) {
        VLOG_INFO("%s: path %s, was %s%s%s", p->node,
                  path_kind_to_string(kind), path_kind_to_string(p->kind),
                  reason[0] ? ": " : "", reason);
        p->kind = kind;
        ps->changed = true;
    }
    if (strcmp(reason, p->reason)) {
        free(p->reason);
        p->reason = reason;
        ps->changed = true;
    } else {
        free(reason);
    }
}

/* Two who call each other at the same moment can end up with a session each
 * that the other does not have.  So, of two behind NATs, they take turns, the
 * first by name first. */
static bool
path_has_turn(const struct paths *ps, const struct path *p,
              long long int now)
{
    long long int turn_ms = p->calls ? CALL_TURN_MS : RESET_MS;
    bool odd = (now - (p->moved ? p->hub_ms : p->best_ms)) / turn_ms % 2;

    return ((!p->peer_behind_nat && !p->moved)
            || odd == (strcmp(p->node, ps->node) < 0));
}

/* WireGuard calls every five seconds; the peer answers probes now.  A side
 * without keepalive would not call. */
static bool
path_needs_handshake(const struct paths *ps, const struct path *p,
                     long long int now)
{
    if (p->moved && p->relay.ss_family
        && wg_endpoint_equals(&p->endpoint, &p->relay)) {
        return (now >= p->next_reset_ms
                && ((p->needs_client && !p->calls)
                    || path_has_turn(ps, p, now)));
    }
    return (ps->behind_nat && !p->fresh && p->has_best
            && path_has_turn(ps, p, now)
            && now >= p->next_reset_ms
            && now - p->best.answered_ms < PATH_ANSWER_MS
            && wg_endpoint_equals(&p->best.ss, &p->endpoint));
}

static bool
path_may_improve(const struct path *p, enum path_kind kind)
{
    for (size_t i = 0; i < p->n_candidates; i++) {
        if (p->candidates[i].kind < kind) {
            return true;
        }
    }
    return false;
}

/* The hunt of a direct path: for a better one. */
static void
path_improve(struct paths *ps, struct path *p, enum path_kind kind,
             long long int now)
{
    bool better = path_may_improve(p, kind);

    if (p->hunting && now - p->hunt_ms >= (better ? BETTER_MS : SETTLE_MS)
        && (!p->has_best || p->best.kind >= kind)) {
        p->hunting = p->has_best = false;
    } else if (!p->hunting && better
               && now - p->hunt_ms >= BETTER_AGAIN_MS) {
        path_start_hunt(ps, p, "there may be a better one");
    }
}

/* A relayed path that nobody uses: whether it works. */
static void
path_check_relay(const struct paths *ps, struct path *p, long long int now)
{
    if (now - p->proof_ms >= RELAY_ASK_MS && now >= p->next_ask_ms) {
        p->next_ask_ms = now + RELAY_ASK_AGAIN_MS;
        path_ask(ps, p);
    }
}

static void
path_run(struct paths *ps, struct path *p, long long int now)
{
    path_watch_relay(ps, p, now);

    bool alive = path_is_alive(ps, p);
    enum path_kind kind = path_classify(p);
    bool direct = alive && kind < PATH_RELAY;

    ps->changed |= now >= p->next_rekey_ms;
    if (!path_is_watched(ps, p)) {
        p->hunting = false;
        path_set_status(ps, p, p->has_key, kind);
        return;
    }
    if (alive && !direct) {
        path_check_relay(ps, p, now);
    }
    if (direct) {
        path_check(ps, p, now);
    } else if (!p->hunting) {
        path_start_hunt(ps, p, alive ? "it is relayed" : "nothing comes back");
    }
    if (p->hunting) {
        path_hunt(ps, p, now);
    }
    if (direct) {
        path_improve(ps, p, kind, now);
    }
    path_ask_relay(ps, p, !direct
                   && (p->hub || now - p->hunt_ms
                       >= (p->proven ? RELAY_AGAIN_MS : RELAY_AFTER_MS)));
    path_set_status(ps, p, alive, alive ? kind : PATH_NONE);
    if ((p->has_best && now - p->best.answered_ms < PATH_ANSWER_MS
         && (!alive || p->best.kind < kind))
        || (!alive && p->relay.ss_family
            && !wg_endpoint_equals(&p->endpoint, &p->relay))) {
        ps->changed |= now >= p->next_force_ms;
    }
    ps->changed |= p->kick || path_needs_handshake(ps, p, now);
}

bool
paths_run(struct paths *ps)
{
    long long int now = time_msec();
    struct shash_node *node;
    bool changed;

    if (!ps->has_keys) {
        return false;
    }
    paths_receive_probes(ps);
    paths_watch_hubs(ps);
    SHASH_FOR_EACH (node, &ps->paths) {
        path_run(ps, node->data, now);
    }
    changed = ps->changed;
    ps->changed = false;
    return changed;
}

/* What is past already waits for something else to happen. */
static void
wait_for(long long int when_ms)
{
    if (when_ms > time_msec()) {
        poll_timer_wait_until(when_ms);
    }
}

void
paths_wait(const struct paths *ps)
{
    const struct shash_node *node;

    if (!ps->has_keys) {
        return;
    }
    probe_sock_wait(ps->sock);
    SHASH_FOR_EACH (node, &ps->paths) {
        const struct path *p = node->data;

        poll_timer_wait_until(p->next_rekey_ms);
        if (p->hunting) {
            poll_timer_wait_until(p->next_volley_ms);
            if (time_msec() - p->hunt_ms < FAST_MS) {
                poll_timer_wait(VOLLEY_MS);
            }
        }
        if (p->ping_ms) {
            wait_for(p->next_ping_ms);
            wait_for(p->ping_ms + PATH_DEAD_MS);
        }
    }
}

bool
paths_need_polling(const struct paths *ps)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &ps->paths) {
        if (path_is_watched(ps, node->data)) {
            return true;
        }
    }
    return false;
}

/* What was sent to a peer's new key, or what came back, got lost. */
static bool
path_retry_rekey(struct path *p, long long int now)
{
    if (now < p->next_rekey_ms) {
        return false;
    }
    p->next_rekey_ms = now + 3 * REKEY_RETRY_MS;
    if (p->next_rekey_ms > p->rekeyed_ms + REKEY_RETRY_END_MS) {
        p->next_rekey_ms = LLONG_MAX;
    }
    return p->endpoint.ss_family != AF_UNSPEC;
}

struct path_endpoint
paths_get_endpoint(struct paths *ps, const char *name)
{
    struct path_endpoint e = { .ss = { .ss_family = AF_UNSPEC } };
    struct path *p = shash_find_data(&ps->paths, name);
    long long int now = time_msec();

    if (p && path_retry_rekey(p, now)) {
        e.ss = p->endpoint;
        e.keepalive = path_kind_is_relay(path_classify(p));
        e.force = e.reset = e.kick = true;
        return e;
    }
    if (!p || !path_is_watched(ps, p)) {
        return e;
    }
    bool alive = path_is_alive(ps, p);
    e.keepalive = path_kind_is_relay(path_classify(p));
    e.kick = p->kick;
    p->kick = false;
    if (p->has_best && now - p->best.answered_ms < PATH_ANSWER_MS
        && (!alive || p->best.kind < path_classify(p))) {
        e.ss = p->best.ss;
        e.quiet = !alive && ps->behind_nat && !path_has_turn(ps, p, now);
    } else if (!alive && p->relay.ss_family) {
        e.ss = p->relay;
        e.keepalive = true;
    }
    if (e.ss.ss_family && !wg_endpoint_equals(&e.ss, &p->endpoint)) {
        if (now < p->next_force_ms) {
            e.ss = p->endpoint;
            return e;
        }
        p->next_force_ms = now + FORCE_MS;
        e.force = true;
        /* Nothing to lose: a handshake now, not in five seconds. */
        e.reset = !alive && !e.quiet && (ps->behind_nat || e.keepalive);
        p->next_reset_ms = e.reset ? now + RESET_MS : p->next_reset_ms;
    } else if (path_needs_handshake(ps, p, now)) {
        p->next_reset_ms = now + RESET_MS;
        e.force = e.reset = true;
    }
    return e;
}

struct path_status
paths_get_status(const struct paths *ps, const char *name)
{
    const struct path *p = shash_find_data(&ps->paths, name);
    struct path_status status = { PATH_NONE, "", "" };

    if (p) {
        status.kind = p->kind;
        status.relay = p->hub ? p->hub : "";
        status.reason = p->reason;
    }
    return status;
}
