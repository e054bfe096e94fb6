#include <config.h>
#include "agent/agent.h"

#include <inttypes.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent-private.h"
#include "agent/exit-test.h"
#include "agent/exit-watch.h"
#include "agent/link.h"
#include "agent/names.h"
#include "agent/nft.h"
#include "agent/plan.h"
#include "agent/request-private.h"
#include "agent/route.h"
#include "agent/wg.h"
#include "openvswitch/dynamic-string.h"
#include "smap.h"
#include "unixctl.h"
#include "util.h"

/* The test of an exit, for the control socket (exit/test NAME) and for
 * operators elsewhere (requests.h). */

struct agent_test {
    struct agent *agent;
    char *name;
    struct exit_test *test;
};

/* One that the control socket asked for. */
struct socket_test {
    struct ovs_list node;       /* In agent's 'tests'. */
    struct unixctl_conn *conn;
    struct agent_test *test;
};

static const struct plan_exit *
find_exit(const struct agent *a, const char *name)
{
    for (size_t i = 0; a->plan && i < a->plan->n_exits; i++) {
        const struct plan_exit *x = &a->plan->exits[i];

        if (!strcmp(x->name, name) || !strcmp(x->key, name)) {
            return x;
        }
    }
    return NULL;
}

static struct agent_test *
test_create(struct agent *a, const char *name, char **ret_error)
{
    const struct plan_exit *x = find_exit(a, name);
    struct agent_test *t;

    if (!x || !x->enabled) {
        *ret_error = xstrdup(x ? "the exit is not enabled"
                             : "no such exit on this host");
        return NULL;
    }
    t = xzalloc(sizeof *t);
    t->agent = a;
    t->name = xstrdup(x->name);
    t->test = exit_test_start(x->tunnel, &x->probe,
                              names_resolver(a->names, x->tunnel));
    return t;
}

static void
put_tunnel(struct agent *a, const struct plan_exit *x, struct ds *ds)
{
    const struct link *link = links_find(&a->links, x->tunnel);
    enum wg_backend backend = link ? wg_probe(link->name, link->kind)
                                   : WG_NONE;
    struct wg_device device;
    struct wg_peer *peer;
    int64_t handshake = 0;

    wg_device_init(&device);
    if (backend != WG_NONE
        && !wg_read(a->nlk, backend, link->name, &device)) {
        HMAP_FOR_EACH (peer, node, &device.peers) {
            handshake = MAX(handshake, peer->handshake);
        }
    }
    wg_device_destroy(&device);
    ds_put_format(ds, "mtu: %"PRIu32"\nhandshake: %"PRId64"\n",
                  link ? link->mtu : 0, handshake);
}

/* Asks the kernel where a packet of a container that leaves by the exit would
 * go: to the tunnel or nowhere. */
static void
put_kill_switch(struct agent *a, const struct plan_exit *x, struct ds *ds)
{
    const struct link *port = links_find(&a->links, x->port);
    static const char *const dsts[] = { "192.0.2.1", "2001:db8::1" };
    const char *leak = NULL;
    bool asked = false;

    for (size_t i = 0; port && i < a->plan->local.n; i++) {
        const struct sn_prefix *net = &a->plan->local.prefixes[i];
        struct sn_prefix src = sn_prefix_nth(net, 2), dst;
        char *error = sn_prefix_parse(dsts[!net->is_v4], &dst);

        ovs_assert(!error);
        int oif = route_find_forward(a->nlk, port->ifindex, &src, &dst);
        const struct link *out = oif > 0
                                 ? links_find_ifindex(&a->links, oif) : NULL;
        asked |= oif >= 0;
        if (out && strcmp(out->name, x->tunnel)) {
            leak = out->name;
        }
    }
    if (leak) {
        ds_put_format(ds, "kill_switch: OPEN: routes lead to %s\n", leak);
    } else if (!nft_is_in_place(a->nft)) {
        ds_put_cstr(ds, "kill_switch: the guard in nftables is not in "
                    "place\n");
    } else if (!asked) {
        ds_put_cstr(ds, "kill_switch: not tested: no container network\n");
    } else {
        ds_put_cstr(ds, "kill_switch: closed\n");
    }
}

static char *
test_finish(struct agent_test *t, struct ds *ds)
{
    struct agent *a = t->agent;
    const struct plan_exit *x = find_exit(a, t->name);
    struct exit_view view;

    if (!x || !exit_watch_get(a->exits, x->name, &view)) {
        return xstrdup("the exit is gone");
    }
    ds_put_format(ds, "state: %s\nreason: %s\n",
                  view.up ? "up" : "down", view.reason);
    exit_test_format(t->test, ds);
    put_tunnel(a, x, ds);
    put_kill_switch(a, x, ds);
    return NULL;
}

static void *
request_start(struct agent *a, const struct smap *args, char **ret_error)
{
    return test_create(a, smap_get_def(args, "exit", ""), ret_error);
}

static bool
test_run(void *t_, struct ds *text, char **ret_error)
{
    struct agent_test *t = t_;

    if (!exit_test_run(t->test)) {
        return false;
    }
    *ret_error = test_finish(t, text);
    return true;
}

static void
test_wait(const void *t_)
{
    const struct agent_test *t = t_;

    exit_test_wait(t->test);
}

static void
test_destroy(void *t_)
{
    struct agent_test *t = t_;

    exit_test_destroy(t->test);
    free(t->name);
    free(t);
}

const struct request_class request_exit = {
    "exit", request_start, test_run, test_wait, test_destroy,
};

/* The control socket. */

void
agent_test_exit(struct agent *a, const char *name, struct unixctl_conn *conn)
{
    char *error = NULL;
    struct agent_test *test = test_create(a, name, &error);

    if (test) {
        struct socket_test *t = xzalloc(sizeof *t);

        t->conn = conn;
        t->test = test;
        ovs_list_push_back(&a->tests, &t->node);
    } else {
        unixctl_command_reply_error(conn, error);
        free(error);
    }
}

static void
socket_test_free(struct socket_test *t)
{
    ovs_list_remove(&t->node);
    test_destroy(t->test);
    free(t);
}

void
agent_run_tests(struct agent *a)
{
    struct socket_test *t;

    LIST_FOR_EACH_SAFE (t, node, &a->tests) {
        struct ds ds = DS_EMPTY_INITIALIZER;
        char *error = NULL;

        if (test_run(t->test, &ds, &error)) {
            if (error) {
                unixctl_command_reply_error(t->conn, error);
            } else {
                unixctl_command_reply(t->conn, ds_cstr(&ds));
            }
            socket_test_free(t);
        }
        free(error);
        ds_destroy(&ds);
    }
}

void
agent_wait_tests(const struct agent *a)
{
    const struct socket_test *t;

    LIST_FOR_EACH (t, node, &a->tests) {
        test_wait(t->test);
    }
}

void
agent_end_tests(struct agent *a)
{
    struct socket_test *t;

    LIST_FOR_EACH_SAFE (t, node, &a->tests) {
        unixctl_command_reply_error(t->conn, "the agent ends");
        socket_test_free(t);
    }
}
