#include <config.h>

#include "cli/trace-blame.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cause.h"
#include "cli/fabric.h"
#include "cli/session.h"
#include "cli/status-rows.h"
#include "cli/trace-ends.h"
#include "cli/trace-run.h"
#include "flows/compiler.h"
#include "flows/cookie.h"
#include "flows/reasons.h"
#include "flows/tables.h"
#include "ovsdb-sync/socknet-idl.h"
#include "state/model.h"
#include "timeval.h"
#include "util.h"

bool
trace_way_is_bad(const struct trace_way *way)
{
    return way->verdict == TRACE_STOPPED || way->verdict == TRACE_UNKNOWN;
}

static bool
is_flow(const struct trace_step *step)
{
    return !strcmp(step->at, "flow");
}

static char *
describe_flow(const struct explainer *explainer, uint64_t cookie)
{
    struct cause cause;
    char *text;

    cause_find(explainer, cookie, &cause);
    text = xstrdup(cause.text);
    cause_destroy(&cause);
    return text;
}

/* "no rule allows it", "acl no-redis (FILE:LINE:COLUMN)". */
static char *
describe_drop(const struct explainer *explainer, uint64_t cookie)
{
    const char *reason = sn_reason_text(cookie_detail(cookie));

    if (cookie_is_ours(cookie) && cookie_kind(cookie) == COOKIE_BASE
        && reason && !strncmp(reason, "drop: ", 6)) {
        return xstrdup(reason + 6);
    }
    return describe_flow(explainer, cookie);
}

/* What the controller of 'node' is up to, as advice. */
static char *
advise_controller(const struct session *session, const char *node)
{
    const struct sndb_bridge_status *row
        = status_rows_bridge(session_idl(session), node);

    if (!row || !row->seen) {
        return xasprintf("no controller of %s has ever reported: is "
                         "socknet-controller running there?", node);
    } else if (status_rows_is_silent(row->seen)) {
        return xasprintf("the controller of %s was last heard of %lld s ago; "
                         "it repairs the flows when it runs", node,
                         (long long int) time_wall()
                         - (long long int) row->seen);
    } else if (!row->connected) {
        return xasprintf("the controller of %s has lost its switch", node);
    } else if (row->generation != session_generation(session)) {
        return xasprintf("the controller of %s has enforced generation "
                         "%"PRId64" of %"PRId64, node, row->generation,
                         session_generation(session));
    }
    return xasprintf("a controller that runs repairs that within seconds: is "
                     "the one of %s alive, and what does it log? `ovs-appctl "
                     "-t socknet-controller audit` makes it look at once",
                     node);
}

/* What follows from the state of things and not from the state's text: the
 * compiled flows are not to be compared with it. */
static bool
depends_on_status(uint64_t cookie)
{
    switch (cookie_detail(cookie)) {
    case SN_WHY_DROP_QUARANTINE:
    case SN_WHY_DROP_EXIT_DOWN:
    case SN_WHY_DROP_NOT_PLUGGED:
        return true;
    default:
        return false;
    }
}

static char *
advise_drop(uint64_t cookie, const char *node)
{
    switch (cookie_detail(cookie)) {
    case SN_WHY_DROP_NO_RULE:
        return xstrdup("`socknet why` with the same words names the rules "
                       "that come closest");
    case SN_WHY_DROP_QUARANTINE:
        return xstrdup("`socknet containers` says why");
    case SN_WHY_DROP_NO_EXIT:
        return xstrdup("give the container an exit, or its segment "
                       "internet: exit");
    case SN_WHY_DROP_EXIT_DOWN:
        return xstrdup("`socknet exit test` tells what is wrong with it");
    case SN_WHY_DROP_NOT_PLUGGED:
        return xasprintf("is it running at %s? `socknet containers`", node);
    case SN_WHY_DROP_UNKNOWN_PORT:
    case SN_WHY_DROP_SPOOFED:
        return xstrdup("`socknet containers` shows the MAC address and the "
                       "addresses it may use");
    case SN_WHY_DROP_NO_SERVICE:
        return xstrdup("`socknet services` lists those that there are");
    default:
        return NULL;
    }
}

/* What the agent says of the port that the drop is about, to free; or NULL. */
static char *
describe_port(const struct session *session, uint64_t cookie,
              const struct trace_question *asked,
              const struct trace_end *src)
{
    int reason = cookie_detail(cookie);
    const struct model_container *container
        = reason == SN_WHY_DROP_QUARANTINE ? src->container
          : reason == SN_WHY_DROP_NOT_PLUGGED && asked
          ? model_find_container(session_model(session), &asked->dst) : NULL;
    const struct sndb_port_status *row
        = container ? session_port_status(session, container->node,
                                          container->veth) : NULL;

    return !container ? NULL
           : !row ? xasprintf("%s has no port %s", container->node,
                              container->veth)
           : xasprintf("port %s of %s: %s%s%s", container->veth,
                       container->name, row->state, row->reason ? ", " : "",
                       row->reason ? row->reason : "");
}

/* The flow that dropped it says why. */
static void
blame_flow(const struct session *session, const struct explainer *explainer,
           const struct trace_question *asked, const struct trace_end *src,
           struct trace_way *way)
{
    const struct trace_step *last = NULL;

    for (size_t i = 0; i < way->n; i++) {
        last = is_flow(&way->steps[i]) ? &way->steps[i] : last;
    }
    if (!last) {
        way->why = xstrdup("nobody says why");
    } else if (!last->good) {
        way->why = xasprintf("no flow in table %s of %s matches: those of "
                             "the pipeline itself are missing",
                             sn_table_name(last->table)
                             ? sn_table_name(last->table) : "?", last->node);
        way->fix = advise_controller(session, last->node);
    } else {
        char *cause = describe_drop(explainer, last->cookie);
        char *port = describe_port(session, last->cookie, asked, src);

        way->why = xasprintf("%s (table %s of %s)%s%s", cause,
                             sn_table_name(last->table)
                             ? sn_table_name(last->table) : "?", last->node,
                             port ? "; " : "", port ? port : "");
        way->fix = advise_drop(last->cookie, last->node);
        free(cause);
        free(port);
    }
}

/* Differences. */

struct difference {
    const struct trace_step *step;      /* What the switch has. */
    const struct sn_flow *flow;         /* What the state asks for. */
};

/* The first flow at which the switch of a host went another way than the
 * compiled flows do. */
static bool
find_difference(const struct trace_way *way, const struct fabric_way *wanted,
                struct difference *diff)
{
    size_t i = 0;

    for (size_t h = 0; h < wanted->n_hops; h++) {
        const struct walk *walk = &wanted->hops[h].walk;

        for (size_t j = 0; j < walk->n_steps; j++, i++) {
            const struct walk_step *step = &walk->steps[j];

            while (i < way->n && !is_flow(&way->steps[i])) {
                i++;
            }
            if (i >= way->n
                || strcmp(way->steps[i].node, wanted->hops[h].node)) {
                return false;   /* It did not come this far. */
            }
            if (way->steps[i].table != step->table_id || !step->flow
                || way->steps[i].cookie != step->flow->cookie) {
                *diff = (struct difference) { &way->steps[i], step->flow };
                return step->flow != NULL;
            }
        }
    }
    return false;
}

static void
blame_difference(const struct session *session,
                 const struct explainer *explainer,
                 const struct difference *diff, struct trace_way *way)
{
    char *wanted = describe_flow(explainer, diff->flow->cookie);
    char *found = diff->step->good
                  ? describe_flow(explainer, diff->step->cookie)
                  : xstrdup("none");

    free(way->why);
    free(way->fix);
    way->why = xasprintf("the flow of %s is missing from table %s of %s: "
                         "what matched there is %s", wanted,
                         sn_table_name(diff->flow->table_id),
                         diff->step->node, found);
    way->fix = advise_controller(session, diff->step->node);
    free(wanted);
    free(found);
}

static bool
compare(struct session *session, const struct trace_question *asked,
        const struct trace_end *src, const struct explainer *explainer,
        struct trace_way *way)
{
    struct model *model = CONST_CAST(struct model *, session_model(session));
    struct fabric *fabric = fabric_create(model);
    struct fabric_packet packet = {
        .src = src->container, .src_node = asked->node,
        .src_address = asked->src, .dst_address = asked->dst,
        .ip_proto = asked->ip_proto, .port = asked->dport,
    };
    struct difference diff;
    struct fabric_way wanted;

    fabric_send(fabric, &packet, &wanted);
    bool differs = find_difference(way, &wanted, &diff)
                   && !depends_on_status(diff.step->cookie)
                   && !depends_on_status(diff.flow->cookie);
    if (differs) {
        blame_difference(session, explainer, &diff, way);
    }
    fabric_way_uninit(&wanted);
    fabric_destroy(fabric);
    return differs;
}

/* What the compiled flows can be asked about: a guest's packets and what a
 * service makes of one are not among it. */
static bool
is_comparable(const struct session *session,
              const struct trace_question *asked,
              const struct trace_end *src)
{
    const struct model_mesh *mesh = &session_model(session)->mesh;
    const struct sn_prefix *nets[] = { &mesh->service4, &mesh->service6 };

    for (size_t i = 0; asked && i < ARRAY_SIZE(nets); i++) {
        if (nets[i]->plen && sn_prefix_contains(nets[i], &asked->dst)) {
            return false;
        }
    }
    return (asked && asked->src.is_v4 == asked->dst.is_v4
            && (src->container || src->node));
}

void
trace_blame(struct session *session, const struct trace_question *asked,
            const struct trace_end *src, const struct explainer *explainer,
            struct trace_way *way)
{
    if (way->verdict == TRACE_STOPPED && !way->why
        && !(is_comparable(session, asked, src)
             && compare(session, asked, src, explainer, way))) {
        blame_flow(session, explainer, asked, src, way);
    }
}
