#include <config.h>

#include "cli/db-options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/db-cluster.h"
#include "cli/db-file.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "ovsdb-sync/db-probe.h"
#include "stream-ssl.h"
#include "timeval.h"
#include "util.h"

/* How often to look whether the cluster has done it. */
enum { POLL_MS = 100 };

static char *
check_new(const char *file, const struct db_options *o)
{
    struct stat s;

    if (!o->listen) {
        return xstrdup("say by which address the other members reach this "
                       "one: --listen ADDRESS");
    } else if (!stat(file, &s)) {
        return xasprintf("%s exists; it is not overwritten", file);
    }

    char *error = db_check_address("--listen", o->listen);
    return error ? error : db_make_parent(file);
}

static char *
raft_target(const char *address)
{
    return xasprintf("ssl:%s:%d", address, DB_RAFT_PORT);
}

static void
print_next(const char *file, const struct db_options *o)
{
    char *name = db_member_name(o);

    printf("Next: socknet db serve %s --pki %s\n", file,
           o->pki ? o->pki : "DIR");
    printf("      (with the keys that `socknet pki member %s` makes)\n",
           name + strlen("cluster-"));
    free(name);
}

char *
db_init(const char *file, const struct db_options *o)
{
    char *error = check_new(file, o);
    char *target = error ? NULL : raft_target(o->listen);

    if (!error) {
        error = db_file_create_cluster(file, o->from, target);
    }
    if (!error) {
        printf("%s: the first member of a cluster, at %s\n", file, target);
        print_next(file, o);
    }
    free(target);
    return error;
}

/* Joining. */

/* NULL, or why a server cannot be joined. */
static char *
check_probe(const char *address, const struct db_probe *probe)
{
    char *ours, *error;

    if (strcmp(probe->model, "clustered")) {
        return xasprintf("%s: it serves a database that is no member of a "
                         "cluster (%s)", address, probe->model);
    } else if (!probe->connected || !probe->schema_version || !probe->cid) {
        return xasprintf("%s: this member is not connected to a majority of "
                         "its cluster: nobody can join now", address);
    }
    error = db_file_schema_version(&ours);
    if (!error && db_file_version_is_newer(probe->schema_version, ours)) {
        error = xasprintf("%s: the cluster's schema is %s, this socknet has "
                          "%s: install the newer one here first", address,
                          probe->schema_version, ours);
    }
    free(ours);
    return error;
}

/* The cluster's id, of the first member that answers. */
static char *
find_cluster(const struct svec *addresses, char **ret_cid)
{
    struct ds errors = DS_EMPTY_INITIALIZER;
    const char *address;
    size_t i;

    *ret_cid = NULL;
    SVEC_FOR_EACH (i, address, addresses) {
        char *remote = xasprintf("ssl:%s:%d", address, DB_CLUSTER_PORT);
        struct db_probe probe = { .model = NULL };
        char *error = *ret_cid ? NULL : db_probe_run(remote, &probe);

        if (!error && !*ret_cid) {
            error = check_probe(address, &probe);
            if (!error) {
                *ret_cid = xstrdup(probe.cid);
            }
        }
        if (error) {
            ds_put_format(&errors, "%s%s", errors.length ? "; " : "", error);
            free(error);
        }
        db_probe_destroy(&probe);
        free(remote);
    }

    char *all = *ret_cid ? NULL : xstrdup(ds_cstr(&errors));
    ds_destroy(&errors);
    return all;
}

static char *
parse_remotes(const struct db_options *o, struct svec *addresses)
{
    char *copy = xstrdup(o->remote);
    char *error = NULL, *save = NULL;

    for (char *word = strtok_r(copy, ",", &save); word && !error;
         word = strtok_r(NULL, ",", &save)) {
        error = db_check_address("--remote", word);
        if (!error && !strcmp(word, o->listen)) {
            error = xasprintf("--remote %s: that is this member's own "
                              "address", word);
        }
        svec_add(addresses, word);
    }
    free(copy);
    return error;
}

static char *
use_keys(const struct db_options *o)
{
    struct db_keys keys;
    char *error = db_keys_find(o, true, &keys);

    if (!error) {
        stream_ssl_set_key_and_cert(keys.private_key, keys.certificate);
        stream_ssl_set_ca_cert_file(keys.ca_cert, false);
        stream_ssl_set_protocols("TLSv1.2");
    }
    db_keys_destroy(&keys);
    return error;
}

static char *
join_file(const char *file, const struct db_options *o,
          const struct svec *addresses, const char *cid)
{
    struct svec targets = SVEC_EMPTY_INITIALIZER;
    char *own = raft_target(o->listen);
    const char *address;
    char *error;
    size_t i;

    SVEC_FOR_EACH (i, address, addresses) {
        svec_add_nocopy(&targets, raft_target(address));
    }
    error = db_file_join_cluster(file, cid, own, &targets);
    svec_destroy(&targets);
    free(own);
    return error;
}

char *
db_join(const char *file, const struct db_options *o)
{
    struct svec addresses = SVEC_EMPTY_INITIALIZER;
    char *cid = NULL;
    char *error = check_new(file, o);

    if (!error && (!o->remote || !o->pki)) {
        error = xstrdup("say which member to ask, --remote ADDRESS, and where "
                        "this one's keys are, --pki DIR");
    }
    if (!error) {
        error = parse_remotes(o, &addresses);
    }
    if (!error) {
        error = use_keys(o);
    }
    if (!error) {
        error = find_cluster(&addresses, &cid);
    }
    if (!error) {
        error = join_file(file, o, &addresses, cid);
    }
    if (!error) {
        printf("%s: a member of cluster %.8s, once it is served\n", file,
               cid);
        print_next(file, o);
    }
    svec_destroy(&addresses);
    free(cid);
    return error;
}

/* Leaving. */

/* Waits until 'done' says so of the cluster; an error after the timeout. */
static char *
wait_until(const struct db_options *o,
           bool (*done)(const struct db_cluster *, const char *aux),
           const char *aux, const char *what)
{
    long long int deadline = time_msec() + o->timeout_ms;
    char *control = db_control_path(o->db);
    char *error = NULL;
    bool is_done = false;

    while (!error && !is_done) {
        struct db_cluster cluster;

        error = db_cluster_read(control, &cluster);
        if (!error) {
            is_done = done(&cluster, aux);
            db_cluster_destroy(&cluster);
        }
        if (!error && !is_done && time_msec() >= deadline) {
            error = xasprintf("%s: not done after %g s; without a majority of "
                              "the members it cannot be (socknet db status)",
                              what, o->timeout_ms / 1000.0);
        } else if (!error && !is_done) {
            poll_timer_wait(POLL_MS);
            poll_block();
        }
    }
    free(control);
    return error;
}

static bool
has_left(const struct db_cluster *cluster, const char *aux OVS_UNUSED)
{
    return !strcmp(cluster->status, DB_CLUSTER_NONE);
}

char *
db_leave(const struct db_options *o)
{
    char *control = db_control_path(o->db);
    char *text = NULL;
    char *error = db_check_model(o->db, false);

    if (!error) {
        error = db_cluster_command(control, "cluster/leave", NULL, &text);
    }
    free(text);
    free(control);
    if (!error) {
        error = wait_until(o, has_left, NULL, "leaving the cluster");
    }
    if (!error) {
        printf("left the cluster: stop this server and remove its file; to "
               "come back, it joins anew\n");
    }
    return error;
}

/* Whether 'server' names 'member': by its address, with or without port, or
 * its id. */
static bool
names_member(const char *server, const struct db_member *member)
{
    char *target = raft_target(server);
    bool same = !strcmp(server, member->sid)
                || !strcmp(server, member->address)
                || !strcmp(target, member->address);

    free(target);
    return same;
}

/* Who came back with a new file is another member at the same address.  Which
 * of both is gone, a server that does not lead cannot tell for sure: a
 * connection to the one is one to the other. */
static char *
find_member(const struct db_cluster *cluster, const char *server,
            const struct db_member **ret_member)
{
    struct ds ids = DS_EMPTY_INITIALIZER;
    char *error = NULL;
    size_t n = 0;

    for (size_t i = 0; i < cluster->n_members; i++) {
        const struct db_member *member = &cluster->members[i];

        if (names_member(server, member)) {
            *ret_member = member;
            ds_put_format(&ids, "%s%s%s", n++ ? ", " : "", member->sid,
                          member->reachable ? "" : " (not reached)");
        }
    }
    if (!n) {
        error = xasprintf("there is no member \"%s\": `socknet db status` "
                          "lists them", server);
    } else if (n > 1) {
        error = xasprintf("%"PRIuSIZE" members have the address %s: give the "
                          "id of the one that is gone (%s); on its host, "
                          "`socknet db status` tells that of the other one",
                          n, server, ds_cstr(&ids));
    }
    ds_destroy(&ids);
    return error;
}

static bool
is_gone(const struct db_cluster *cluster, const char *sid)
{
    for (size_t i = 0; i < cluster->n_members; i++) {
        if (!strcmp(cluster->members[i].sid, sid)) {
            return false;
        }
    }
    return true;
}

static char *
kick(const char *server, const char *control, char **ret_sid)
{
    struct db_cluster cluster;
    char *text = NULL;
    char *error = db_cluster_read(control, &cluster);

    if (error) {
        return error;
    }

    const struct db_member *member = NULL;
    error = find_member(&cluster, server, &member);
    if (error) {
        /* Nobody is told anything. */
    } else if (member->self) {
        error = xstrdup("that is this host's own member: `socknet db leave`");
    } else {
        *ret_sid = xstrdup(member->sid);
        error = db_cluster_command(control, "cluster/kick", member->sid,
                                   &text);
    }
    free(text);
    db_cluster_destroy(&cluster);
    return error;
}

char *
db_kick(const char *server, const struct db_options *o)
{
    char *control = db_control_path(o->db);
    char *sid = NULL;
    char *error = db_check_model(o->db, false);

    if (!error) {
        error = kick(server, control, &sid);
    }
    if (!error) {
        error = wait_until(o, is_gone, sid, "removing a member");
    }
    if (!error) {
        printf("%s (%s) is no member any more\n", server, sid);
    }
    free(sid);
    free(control);
    return error;
}
