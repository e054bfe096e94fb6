#include <config.h>
#include "controller/bridge.h"

#include <stdlib.h>
#include <string.h>

#include "controller/audit.h"
#include "controller/bridge-private.h"
#include "controller/election.h"
#include "controller/flow-bundle.h"
#include "controller/install-batch.h"
#include "controller/install.h"
#include "controller/ofconn.h"
#include "controller/ports.h"
#include "flows/compiler.h"
#include "flows/objects.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "sset.h"
#include "svec.h"
#include "util.h"

/* Differences that bridge_check_compile() prints. */
#define MAX_SHOWN 20

const char *
bridge_node(const struct bridge *b)
{
    return b->node;
}

const char *
bridge_name(const struct bridge *b)
{
    return b->name;
}

const char *
bridge_target(const struct bridge *b)
{
    return ofconn_target(b->ofconn);
}

bool
bridge_is_connected(const struct bridge *b)
{
    return ofconn_is_connected(b->ofconn);
}

int64_t
bridge_generation(const struct bridge *b)
{
    return b->enforced;
}

bool
bridge_is_current(const struct bridge *b)
{
    return b->model && b->enforced == b->generation;
}

size_t
bridge_n_desired(const struct bridge *b)
{
    return hmap_count(&compiler_flows(b->compiler)->flows);
}

size_t
bridge_n_installed(const struct bridge *b)
{
    return install_n_ours(b->install);
}

uint64_t
bridge_n_repairs(const struct bridge *b)
{
    return b->n_repairs;
}

unsigned int
bridge_seqno(const struct bridge *b)
{
    return b->seqno;
}

static void
add_problem(struct sset *problems, char *text)
{
    sset_add(problems, text);
    free(text);
}

static void
add_pending(const struct bridge *b, struct sset *problems)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, compiler_pending(b->compiler)) {
        add_problem(problems, xasprintf("container %s: %s", node->name,
                                        (const char *) node->data));
    }
}

static void
add_foreign(const struct bridge *b, struct sset *problems)
{
    size_t n = install_n_foreign(b->install);

    if (n) {
        struct ds s = DS_EMPTY_INITIALIZER;

        sn_flow_format(install_a_foreign(b->install), NULL, true, &s);
        add_problem(problems,
                    xasprintf("%"PRIuSIZE" flows that are not socknet's are "
                              "left alone, among them: %s", n, ds_cstr(&s)));
        ds_destroy(&s);
    }
}

/* Rates that the switch has no meters for. */
static void
add_unmetered(const struct bridge *b, struct sset *problems)
{
    static const struct model_limits none;
    const struct shash_node *node;

    if (b->has_meters || !b->model) {
        return;
    }
    SHASH_FOR_EACH (node, &b->model->containers) {
        const struct model_container *container = node->data;

        if (!strcmp(container->node, b->node)
            && memcmp(&container->limits, &none, sizeof none)) {
            add_problem(problems, xasprintf(
                "container %s: its rate is not enforced: the datapath has no "
                "meters", node->name));
        }
    }
    SHASH_FOR_EACH (node, &b->model->acls) {
        const struct model_acl *acl = node->data;

        if (acl->rate.kbps || acl->rate.pps) {
            add_problem(problems, xasprintf(
                "rule %s: its rate is not enforced: the datapath has no "
                "meters", node->name));
        }
    }
    if (b->model->mesh.new_connections) {
        add_problem(problems, xstrdup("mesh.new_connections is not enforced: "
                                      "the datapath has no meters"));
    }
}

void
bridge_get_problems(const struct bridge *b, struct sset *problems)
{
    if (!ofconn_is_connected(b->ofconn)) {
        add_problem(problems, xasprintf("no connection to %s (%s)",
                                        ofconn_target(b->ofconn),
                                        ofconn_failure(b->ofconn)));
    }
    if (b->model && !model_get_node(b->model, b->node)) {
        add_problem(problems, xasprintf("node %s is not declared: its bridge "
                                        "is left as it is", b->node));
    }
    if (b->failures > 1) {
        add_problem(problems, xasprintf("%u bundles in a row failed",
                                        b->failures));
    }
    install_to_problems(b->install, problems);
    add_pending(b, problems);
    add_unmetered(b, problems);
    add_foreign(b, problems);
}

unsigned int
bridge_request_audit(struct bridge *b)
{
    install_retry_refused(b->install);
    audit_request_read(b->audit);
    return audit_n_requests(b->audit);
}

bool
bridge_audit_is_done(const struct bridge *b, unsigned int request,
                     struct ds *result)
{
    if (!ofconn_is_connected(b->ofconn)) {
        ds_put_format(result, "%s: not connected\n", b->log_name);
        return true;
    }
    if ((int) (audit_n_reads(b->audit) - request) < 0) {
        return false;
    }
    ds_put_format(result, "%s: %"PRIuSIZE" flows read, %"PRIuSIZE
                  " differences, %"PRIuSIZE" foreign flows\n", b->log_name,
                  audit_last_flows(b->audit),
                  audit_last_differences(b->audit),
                  install_n_foreign(b->install));
    return true;
}

void
bridge_format_status(const struct bridge *b, struct ds *s)
{
    struct sset problems = SSET_INITIALIZER(&problems);
    const char **sorted;

    ds_put_format(s, "%s: %s %s\n", b->log_name, ofconn_target(b->ofconn),
                  ofconn_is_connected(b->ofconn) ? "connected"
                  : ofconn_failure(b->ofconn));
    ds_put_format(s, "  generation: %"PRId64" wanted, %"PRId64" enforced\n",
                  b->model ? b->generation : -1, b->enforced);
    ds_put_format(s, "  flows: %"PRIuSIZE" desired, %"PRIuSIZE" installed, %"
                  PRIuSIZE" refused, %"PRIuSIZE" foreign\n",
                  bridge_n_desired(b), install_n_ours(b->install),
                  install_n_refused(b->install),
                  install_n_foreign(b->install));
    ds_put_format(s, "  ports: %"PRIuSIZE"\n",
                  sset_count(ports_names(b->ports)));
    if (b->election) {
        ds_put_format(s, "  turn: %s\n", election_is_won(b->election)
                      ? "active" : "standing by");
    }
    ds_put_format(s, "  repairs: %"PRIu64"\n", b->n_repairs);
    ds_put_format(s, "  last bundle: %"PRIuSIZE" changes, %lld ms\n",
                  b->last_bundle_n, b->last_bundle_ms);

    bridge_get_problems(b, &problems);
    sorted = sset_sort(&problems);
    for (size_t i = 0; i < sset_count(&problems); i++) {
        ds_put_format(s, "  problem: %s\n", sorted[i]);
    }
    free(sorted);
    sset_destroy(&problems);
}

void
bridge_format_flows(const struct bridge *b, struct ds *s)
{
    const struct sn_flow *flow;
    struct svec lines = SVEC_EMPTY_INITIALIZER;
    const char *line;
    size_t i;

    HMAP_FOR_EACH (flow, hmap_node, &install_flows(b->install)->flows) {
        struct ds one = DS_EMPTY_INITIALIZER;

        sn_flow_format(flow, NULL, true, &one);
        svec_add_nocopy(&lines, ds_steal_cstr(&one));
    }
    svec_sort(&lines);
    SVEC_FOR_EACH (i, line, &lines) {
        ds_put_format(s, "%s\n", line);
    }
    svec_destroy(&lines);
}

static size_t
list_missing(const struct flow_set *from, const struct flow_set *in,
             const char *what, struct ds *s)
{
    const struct sn_flow *flow;
    size_t n = 0;

    HMAP_FOR_EACH (flow, hmap_node, &from->flows) {
        const struct sn_flow *other = flow_set_find(in, flow);

        if (!other || !sn_flow_same_content(flow, other)) {
            if (n++ < MAX_SHOWN) {
                ds_put_format(s, "  %s: ", what);
                sn_flow_format(flow, NULL, true, s);
                ds_put_char(s, '\n');
            }
        }
    }
    return n;
}

static size_t
list_missing_objects(const struct object_set *from,
                     const struct object_set *in, const char *what,
                     struct ds *s)
{
    const struct sn_object *obj;
    size_t n = 0;

    HMAP_FOR_EACH (obj, node, &from->map) {
        const struct sn_object *other = object_set_find(in, obj->kind,
                                                        obj->id);

        if (!other || !sn_object_same_content(obj, other)) {
            if (n++ < MAX_SHOWN) {
                ds_put_format(s, "  %s: ", what);
                sn_object_format(obj, s);
                ds_put_char(s, '\n');
            }
        }
    }
    return n;
}

size_t
bridge_check_compile(const struct bridge *b, struct ds *s)
{
    if (!b->compiled) {
        ds_put_format(s, "%s: nothing compiled yet\n", b->log_name);
        return 0;
    }

    struct compiler *full = compiler_create(b->node);
    compiler_set_meters(full, b->has_meters);
    struct ds details = DS_EMPTY_INITIALIZER;
    size_t n;

    compiler_run(full, b->model, ports_flow_ports(b->ports), NULL, NULL);
    n = list_missing(compiler_flows(full), compiler_flows(b->compiler),
                     "only in full compile", &details);
    n += list_missing(compiler_flows(b->compiler), compiler_flows(full),
                      "only in incremental", &details);
    n += list_missing_objects(compiler_objects(full),
                              compiler_objects(b->compiler),
                              "only in full compile", &details);
    n += list_missing_objects(compiler_objects(b->compiler),
                              compiler_objects(full),
                              "only in incremental", &details);
    ds_put_format(s, "%s: %"PRIuSIZE" flows, %"PRIuSIZE" differences\n%s",
                  b->log_name, hmap_count(&compiler_flows(full)->flows), n,
                  ds_cstr(&details));
    ds_destroy(&details);
    compiler_destroy(full);
    return n;
}
