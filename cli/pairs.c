#include <config.h>

#include "cli/pairs.h"

#include <stdlib.h>
#include <string.h>
#include "cli/session.h"
#include "openvswitch/shash.h"
#include "ovsdb-sync/socknet-idl.h"
#include "state/model.h"
#include "util.h"

/* Of the worse, the one that says more about what is wrong. */
static const char *const paths[] = {
    "lan", "ipv6", "direct", "relay", "tcp-relay", "none",
};

static size_t
path_rank(const struct sndb_peer_status *view)
{
    for (size_t i = 0; view && view->path && i < ARRAY_SIZE(paths); i++) {
        if (!strcmp(paths[i], view->path)) {
            return i;
        }
    }
    return ARRAY_SIZE(paths);
}

static int
pair_compare(const void *x_, const void *y_)
{
    const struct pair *x = x_;
    const struct pair *y = y_;
    int cmp = strcmp(x->a, y->a);

    return cmp ? cmp : strcmp(x->b, y->b);
}

struct pair *
pairs_find(const struct session *session, const char *only, size_t *ret_n)
{
    const struct shash *nodes = &session_model(session)->nodes;
    const struct sndb_peer_status *row;
    struct shash index = SHASH_INITIALIZER(&index);
    size_t n = 0, allocated = 0;
    struct pair *pairs = NULL;

    SNDB_PEER_STATUS_FOR_EACH (row, session_idl(session)) {
        bool ordered = strcmp(row->node, row->peer) < 0;
        const char *a = ordered ? row->node : row->peer;
        const char *b = ordered ? row->peer : row->node;

        if (!shash_find(nodes, a) || !shash_find(nodes, b)
            || (only && strcmp(only, a) && strcmp(only, b))) {
            continue;
        }
        char *key = xasprintf("%s %s", a, b);
        struct shash_node *node = shash_find(&index, key);
        if (!node) {
            if (n >= allocated) {
                pairs = x2nrealloc(pairs, &allocated, sizeof *pairs);
            }
            pairs[n] = (struct pair) { .a = a, .b = b };
            node = shash_add(&index, key, (void *) n++);
        }
        pairs[(size_t) node->data].views[!ordered] = row;
        free(key);
    }
    shash_destroy(&index);
    if (n) {
        qsort(pairs, n, sizeof *pairs, pair_compare);
    }
    *ret_n = n;
    return pairs;
}

static const struct sndb_peer_status *
worse_view(const struct pair *pair)
{
    size_t ranks[2] = { path_rank(pair->views[0]), path_rank(pair->views[1]) };

    if (ranks[0] == ranks[1]) {
        return pair->views[pair->views[0] && pair->views[0]->reason ? 0 : 1];
    }
    return pair->views[ranks[1] > ranks[0]];
}

const char *
pair_path(const struct pair *pair)
{
    const struct sndb_peer_status *view = worse_view(pair);

    return view && view->path ? view->path : "unknown";
}

bool
pair_is_direct(const struct pair *pair)
{
    return path_rank(pair->views[0]) <= 2 && path_rank(pair->views[1]) <= 2;
}

const char *
pair_hub(const struct pair *pair)
{
    const struct sndb_peer_status *view = worse_view(pair);

    return view && view->path && strstr(view->path, "relay") ? view->relay
           : NULL;
}

const char *
pair_reason(const struct pair *pair)
{
    const struct sndb_peer_status *view = worse_view(pair);

    return view ? view->reason : NULL;
}

int64_t
pair_handshake(const struct pair *pair)
{
    return MAX(pair->views[0] ? pair->views[0]->latest_handshake : 0,
               pair->views[1] ? pair->views[1]->latest_handshake : 0);
}
