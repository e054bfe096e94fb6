#include <config.h>
#include "controller/standby.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/vlog.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/db-connection.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(standby);

struct standby {
    struct ovsdb_idl *idl;
    bool shared;
    bool active;
    bool chosen;
    unsigned int away_seqno;    /* Of the IDL, when it was not connected. */
};

char *
standby_check_group(const char *group)
{
    size_t len = strspn(group, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "abcdefghijklmnopqrstuvwxyz0123456789_");

    return len && !group[len] ? NULL
           : xasprintf("--standby=%s: a group is named by letters, digits and "
                       "_", group);
}

struct standby *
standby_create(struct db_connection *db, const char *group)
{
    struct standby *s = xzalloc(sizeof *s);

    s->idl = db->idl;
    s->shared = group != NULL;
    s->active = !group;
    if (group) {
        char *lock = xasprintf("socknet_controller_%s", group);

        db_connection_set_lock(db, lock);
        free(lock);
    }
    return s;
}

void
standby_destroy(struct standby *s)
{
    free(s);
}

void
standby_run(struct standby *s)
{
    bool active = s->active;

    if (!s->shared) {
        return;
    }

    /* Followers give locks of their own before the IDL knows that they are
     * followers, and leaves them.  With a leader, it goes on to read. */
    if (!ovsdb_idl_is_connected(s->idl)) {
        s->away_seqno = ovsdb_idl_get_seqno(s->idl);
    }
    bool settled = ovsdb_idl_get_seqno(s->idl) != s->away_seqno;

    s->chosen = settled && ovsdb_idl_has_lock(s->idl);
    if (s->chosen) {
        active = true;
    } else if (settled && ovsdb_idl_is_lock_contended(s->idl)) {
        active = false;
    }
    /* Else nobody knows: it stays as it is. */
    if (active != s->active) {
        VLOG_INFO("%s", active ? "active now" : "standing by");
        s->active = active;
    }
}

bool
standby_is_shared(const struct standby *s)
{
    return s->shared;
}

bool
standby_is_active(const struct standby *s)
{
    return s->active;
}

bool
standby_is_chosen(const struct standby *s)
{
    return s->chosen;
}
