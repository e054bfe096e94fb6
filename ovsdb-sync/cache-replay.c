#include <config.h>

#include "ovsdb-sync/cache-replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "jsonrpc.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl-provider.h"
#include "ovsdb-sync/cache-file.h"
#include "ovsdb-sync/socknet-idl.h"
#include "socket-util.h"
#include "stream.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(cache_replay);

struct cache_replay {
    char *remote;
    struct pstream *pstream;
    struct jsonrpc *rpc;        /* NULL: the IDL has not connected yet. */
    struct json *tables;        /* <table-updates2>: the reply. */
};

static void
add_row(const char *table, const char *uuid, const char *columns,
        void *tables_)
{
    struct json *tables = tables_;
    struct json *rows = shash_find_data(json_object(tables), table);
    struct json *row = json_from_string(columns);

    if (row->type != JSON_OBJECT) {
        VLOG_WARN("row %s of %s in the cache is no row", uuid, table);
        json_destroy(row);
        return;
    }
    if (!rows) {
        rows = json_object_create();
        json_object_put(tables, table, rows);
    }

    struct json *update = json_object_create();
    json_object_put(update, "initial", row);
    json_object_put(rows, uuid, update);
}

char *
cache_replay_create(struct cache_file *file, const char *path,
                    struct cache_replay **ret_replay)
{
    struct cache_replay *r = xzalloc(sizeof *r);
    char *name = xasprintf("punix:%s", path);
    char *error;
    int retval;

    r->remote = xasprintf("unix:%s", path);
    r->tables = json_object_create();
    error = cache_file_read(file, add_row, r->tables);
    if (!error && (retval = pstream_open(name, &r->pstream, 0)) != 0) {
        error = xasprintf("%s: %s", path, ovs_strerror(retval));
    }
    free(name);
    if (error) {
        cache_replay_destroy(r);
        return error;
    }
    *ret_replay = r;
    return NULL;
}

void
cache_replay_destroy(struct cache_replay *r)
{
    if (r) {
        jsonrpc_close(r->rpc);
        pstream_close(r->pstream);
        json_destroy(r->tables);
        free(r->remote);
        free(r);
    }
}

const char *
cache_replay_remote(const struct cache_replay *r)
{
    return r->remote;
}

/* As much of the schema as an IDL looks at: which tables and columns exist. */
static struct json *
compose_schema(void)
{
    struct json *tables = json_object_create();

    for (size_t i = 0; i < sndb_idl_class.n_tables; i++) {
        const struct ovsdb_idl_table_class *class = &sndb_idl_class.tables[i];
        struct json *columns = json_object_create();
        struct json *table = json_object_create();

        for (size_t j = 0; j < class->n_columns; j++) {
            json_object_put(columns, class->columns[j].name,
                            json_object_create());
        }
        json_object_put(table, "columns", columns);
        json_object_put(tables, class->name, table);
    }

    struct json *schema = json_object_create();
    json_object_put_string(schema, "name", sndb_idl_class.database);
    json_object_put(schema, "tables", tables);
    return schema;
}

static bool
first_param_is(const struct jsonrpc_msg *msg, const char *value)
{
    const struct json *params = msg->params;

    return params && params->type == JSON_ARRAY && params->array.n
           && params->array.elems[0]->type == JSON_STRING
           && !strcmp(json_string(params->array.elems[0]), value);
}

static void
answer(struct cache_replay *r, const struct jsonrpc_msg *msg)
{
    bool ours = first_param_is(msg, sndb_idl_class.database);
    struct json *result = NULL;

    if (msg->type != JSONRPC_REQUEST) {
        return;
    }
    if (!strcmp(msg->method, "echo")) {
        result = json_clone(msg->params);
    } else if (!strcmp(msg->method, "get_schema") && ours) {
        result = compose_schema();
    } else if (!strcmp(msg->method, "monitor_cond") && ours) {
        result = json_clone(r->tables);
    }
    jsonrpc_send(r->rpc,
                 result ? jsonrpc_create_reply(result, msg->id)
                 : jsonrpc_create_error(json_string_create("not supported"),
                                        msg->id));
}

void
cache_replay_run(struct cache_replay *r)
{
    struct jsonrpc_msg *msg;
    struct stream *stream;

    if (!r->rpc && !pstream_accept(r->pstream, &stream)) {
        r->rpc = jsonrpc_open(stream);
    }
    if (r->rpc) {
        jsonrpc_run(r->rpc);
        while (!jsonrpc_recv(r->rpc, &msg)) {
            answer(r, msg);
            jsonrpc_msg_destroy(msg);
        }
        if (jsonrpc_get_status(r->rpc)) {
            jsonrpc_close(r->rpc);
            r->rpc = NULL;
        }
    }
}

void
cache_replay_wait(struct cache_replay *r)
{
    if (r->rpc) {
        jsonrpc_wait(r->rpc);
        jsonrpc_recv_wait(r->rpc);
    } else {
        pstream_wait(r->pstream);
    }
}
