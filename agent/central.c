#include <config.h>
#include "agent/central.h"

#include <stdlib.h>
#include <string.h>

#include "agent/stats.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/db-connection.h"
#include "ovsdb-sync/model-sync.h"
#include "ovsdb-sync/request.h"
#include "ovsdb-sync/socknet-idl.h"
#include "ovsdb-sync/status-sync.h"
#include "smap.h"
#include "sset.h"
#include "state/model.h"
#include "util.h"

struct central {
    struct db_connection *conn;
    struct ovsdb_idl_loop loop;
    struct model_sync *sync;
    struct model_changes changes;
    char *node;
    struct smap keys, next_keys;
    struct smap acks;           /* Node -> our next key, which it has. */
    struct smap psks;           /* All that is told of pre-shared keys. */
    struct sset sought;         /* Nodes of which all reports are wanted. */
    bool keys_changed;
    struct ovsdb_idl_txn *txn;
    unsigned int seqno;
    int64_t generation;
    bool ready;
    bool news;
};

static char *
cache_path(const char *state_dir)
{
    return xasprintf("%s/agent-cache.db", state_dir);
}

/* In a large mesh there is a report of each pair, and more news of them than a
 * host could read.  This one wants what it says itself, what others say of it
 * or ask of it as a relay, and, of the nodes that are not where their
 * 'endpoint' says, what any other knows of them. */
static void
central_want_reports(struct central *c)
{
    struct ovsdb_idl_condition cond = OVSDB_IDL_CONDITION_INIT(&cond);
    const char *node;

    sndb_peer_status_add_clause_node(&cond, OVSDB_F_EQ, c->node);
    sndb_peer_status_add_clause_peer(&cond, OVSDB_F_EQ, c->node);
    sndb_peer_status_add_clause_relay(&cond, OVSDB_F_EQ, c->node);
    SSET_FOR_EACH (node, &c->sought) {
        sndb_peer_status_add_clause_peer(&cond, OVSDB_F_EQ, node);
    }
    sndb_peer_status_set_condition(c->conn->idl, &cond);
    ovsdb_idl_condition_destroy(&cond);
}

/* Behind NAT, or not reached directly. */
static void
central_seek(struct central *c)
{
    const struct model *model = model_sync_model(c->sync);
    struct sset sought = SSET_INITIALIZER(&sought);
    const struct sndb_peer_status *row;
    const struct shash_node *snode;

    SHASH_FOR_EACH (snode, &model->nodes) {
        const struct model_node *node = snode->data;

        if (!node->endpoint && strcmp(snode->name, c->node)) {
            sset_add(&sought, snode->name);
        }
    }
    SNDB_PEER_STATUS_FOR_EACH (row, c->conn->idl) {
        if (!strcmp(row->node, c->node)
            && row->path && (!strcmp(row->path, "none")
                             || strstr(row->path, "relay"))) {
            sset_add(&sought, row->peer);
        }
    }
    if (!sset_equals(&sought, &c->sought)) {
        sset_swap(&sought, &c->sought);
        central_want_reports(c);
    }
    sset_destroy(&sought);
}

struct central *
central_create(const char *remote, const char *node, const char *state_dir)
{
    struct central *c = xzalloc(sizeof *c);
    struct sset nodes = SSET_INITIALIZER(&nodes);
    char *cache = cache_path(state_dir);

    c->conn = db_connection_create(remote);
    model_sync_add_columns(c->conn->idl);
    status_sync_add_columns(c->conn->idl);
    sset_add(&nodes, node);
    status_sync_limit(c->conn->idl, &nodes);
    request_add_columns(c->conn->idl);
    request_limit_to_node(c->conn->idl, node);
    sset_destroy(&nodes);
    db_connection_set_cache(c->conn, cache);
    free(cache);
    c->loop = (struct ovsdb_idl_loop)
        OVSDB_IDL_LOOP_INITIALIZER(c->conn->idl);
    c->sync = model_sync_create(c->conn->idl);
    model_sync_honour_fallback(c->sync);
    model_changes_init(&c->changes);
    c->node = xstrdup(node);
    smap_init(&c->keys);
    smap_init(&c->next_keys);
    smap_init(&c->acks);
    smap_init(&c->psks);
    sset_init(&c->sought);
    central_want_reports(c);
    return c;
}

void
central_destroy(struct central *c)
{
    if (c) {
        model_sync_destroy(c->sync);
        model_changes_destroy(&c->changes);
        free(c->node);
        smap_destroy(&c->keys);
        smap_destroy(&c->next_keys);
        smap_destroy(&c->acks);
        smap_destroy(&c->psks);
        sset_destroy(&c->sought);
        /* Not ovsdb_idl_loop_destroy(): the IDL is the connection's. */
        if (c->loop.committing_txn) {
            ovsdb_idl_txn_destroy(c->loop.committing_txn);
        }
        if (c->loop.open_txn) {
            ovsdb_idl_txn_destroy(c->loop.open_txn);
        }
        db_connection_destroy(c->conn);
        free(c);
    }
}

/* Makes 'now' 'was'; returns whether that changes it. */
static bool
replace_smap(struct smap *was, struct smap *now)
{
    bool changed = !smap_equal(was, now);

    hmap_swap(&was->map, &now->map);
    smap_destroy(now);
    return changed;
}

void
central_cleanup(const char *state_dir)
{
    char *cache = cache_path(state_dir);

    db_connection_forget_cache(cache);
    free(cache);
}

static void
note_psk(struct smap *psks, const struct sndb_peer_status *row)
{
    const struct { const char *what, *value; } notes[] = {
        { "offer", row->preshared_key },
        { "next", row->next_preshared_key },
        { "taken", row->preshared_key_taken },
    };

    for (size_t i = 0; i < ARRAY_SIZE(notes); i++) {
        if (notes[i].value) {
            smap_add_nocopy(psks, xasprintf("%s %s %s", row->node, row->peer,
                                            notes[i].what),
                            xstrdup(notes[i].value));
        }
    }
}

static bool
central_read_keys(struct central *c)
{
    const struct sndb_node_status *row;
    const struct sndb_peer_status *peer;
    struct smap keys = SMAP_INITIALIZER(&keys);
    struct smap next_keys = SMAP_INITIALIZER(&next_keys);
    struct smap acks = SMAP_INITIALIZER(&acks);
    struct smap psks = SMAP_INITIALIZER(&psks);

    SNDB_NODE_STATUS_FOR_EACH (row, c->conn->idl) {
        if (row->public_key) {
            smap_replace(&keys, row->node, row->public_key);
        }
        if (row->next_public_key) {
            smap_replace(&next_keys, row->node, row->next_public_key);
        }
    }
    SNDB_PEER_STATUS_FOR_EACH (peer, c->conn->idl) {
        if (peer->next_public_key && !strcmp(peer->peer, c->node)) {
            smap_replace(&acks, peer->node, peer->next_public_key);
        }
        if (!strcmp(peer->peer, c->node) || !strcmp(peer->node, c->node)) {
            note_psk(&psks, peer);
        }
    }
    c->keys_changed = replace_smap(&c->keys, &keys);
    c->keys_changed |= replace_smap(&c->next_keys, &next_keys);
    c->keys_changed |= replace_smap(&c->acks, &acks);
    c->keys_changed |= replace_smap(&c->psks, &psks);
    return c->keys_changed;
}

bool
central_run(struct central *c)
{
    bool changed = false;
    unsigned int seqno;

    c->keys_changed = false;
    c->txn = ovsdb_idl_loop_run(&c->loop);
    db_connection_run(c->conn);
    seqno = ovsdb_idl_get_seqno(c->conn->idl);
    if (seqno == c->seqno && !model_sync_is_due(c->sync)) {
        return false;
    }
    c->seqno = seqno;
    c->news = true;
    if (model_sync_run(c->sync, &c->changes)) {
        int64_t generation = model_sync_generation(c->sync);

        changed = (!c->ready || generation != c->generation
                   || !model_changes_is_empty(&c->changes));
        changed |= central_read_keys(c);
        central_seek(c);
        c->generation = generation;
        c->ready = true;
    }
    model_changes_clear(&c->changes);
    ovsdb_idl_track_clear(c->conn->idl);
    return changed;
}

void
central_commit_and_wait(struct central *c)
{
    bool had_open = c->txn != NULL;

    ovsdb_idl_loop_commit_and_wait(&c->loop);
    c->txn = NULL;
    if (had_open && c->loop.committing_txn) {
        agent_stats.status_writes++;
    }
    model_sync_wait(c->sync);
    db_connection_wait(c->conn);
}

static bool
central_is_connected(const struct central *c)
{
    return ovsdb_idl_is_connected(c->conn->idl);
}

void
central_format_status(const struct central *c, struct ds *ds)
{
    db_connection_format_status(c->conn, ds);
}

void
central_add_problems(const struct central *c, struct sset *problems)
{
    char *problem = db_connection_cache_problem(c->conn);

    if (problem) {
        sset_add_and_free(problems, problem);
    }
}

const struct model *
central_model(const struct central *c)
{
    return c->ready ? model_sync_model(c->sync) : NULL;
}

int64_t
central_generation(const struct central *c)
{
    return c->generation;
}

const struct smap *
central_keys(const struct central *c)
{
    return &c->keys;
}

const struct smap *
central_next_keys(const struct central *c)
{
    return &c->next_keys;
}

bool
central_keys_changed(const struct central *c)
{
    return c->keys_changed;
}

static const char *
get_psk(const struct central *c, const char *from, const char *to,
        const char *what)
{
    char *key = xasprintf("%s %s %s", from, to, what);
    const char *value = smap_get(&c->psks, key);

    free(key);
    return value;
}

struct central_psk
central_get_psk(const struct central *c, const char *from, const char *to)
{
    return (struct central_psk) {
        .offer = get_psk(c, from, to, "offer"),
        .next_offer = get_psk(c, from, to, "next"),
        .taken = get_psk(c, from, to, "taken"),
    };
}

bool
central_get_node(const struct central *c, const char *node,
                 struct central_node *ret)
{
    const struct sndb_node_status *row;

    SNDB_NODE_STATUS_FOR_EACH (row, c->conn->idl) {
        if (!strcmp(row->node, node)) {
            *ret = (struct central_node) {
                .public_key = row->public_key,
                .next_public_key = row->next_public_key,
                .key_epoch = row->key_epoch,
                .seen = row->seen,
                .knows_next_key = smap_get(&c->acks, node),
            };
            return true;
        }
    }
    return false;
}

int
central_exit_before(const char *name, int64_t *ret_since, const void *c_)
{
    const struct central *c = c_;
    const struct sndb_exit_status *row;

    SNDB_EXIT_STATUS_FOR_EACH (row, c->conn->idl) {
        if (!strcmp(row->node, c->node) && !strcmp(row->name, name)) {
            *ret_since = row->n_since ? row->since[0] : 0;
            return !strcmp(row->state, "up");
        }
    }
    return -1;
}

bool
central_was_unreachable(const char *node, const void *c_)
{
    const struct central *c = c_;
    const struct sndb_node_status *row;

    SNDB_NODE_STATUS_FOR_EACH (row, c->conn->idl) {
        for (size_t i = 0; i < row->n_unreachable; i++) {
            if (!strcmp(row->node, c->node)
                && !strcmp(row->unreachable[i], node)) {
                return true;
            }
        }
    }
    return false;
}

const struct ovsdb_idl *
central_idl(const struct central *c)
{
    return c->conn->idl;
}

bool
central_take_news(struct central *c)
{
    bool news = c->news && c->ready;

    c->news = false;
    return news;
}

struct ovsdb_idl_txn *
central_txn(struct central *c)
{
    return c->ready && central_is_connected(c) ? c->txn : NULL;
}
