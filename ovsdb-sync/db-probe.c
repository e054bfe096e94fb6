#include <config.h>

#include "ovsdb-sync/db-probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "jsonrpc.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "packets.h"
#include "stream.h"
#include "svec.h"
#include "timeval.h"
#include "util.h"

enum { TIMEOUT_MS = 1000 };

/* ["transact", "_Server", {the row of Socknet}]. */
static struct jsonrpc_msg *
compose_request(void)
{
    struct json *where = json_array_create_1(
        json_array_create_3(json_string_create("name"),
                            json_string_create("=="),
                            json_string_create("Socknet")));
    struct json *op = json_object_create();

    json_object_put_string(op, "op", "select");
    json_object_put_string(op, "table", "Database");
    json_object_put(op, "where", where);
    return jsonrpc_create_request(
        "transact", json_array_create_2(json_string_create("_Server"), op),
        NULL);
}

/* Sends 'request' and waits for what answers it.  Takes ownership. */
static char *
ask(struct jsonrpc *rpc, struct jsonrpc_msg *request,
    struct jsonrpc_msg **ret_reply)
{
    long long int deadline = time_msec() + TIMEOUT_MS;
    struct json *id = json_clone(request->id);
    int error = jsonrpc_send(rpc, request);

    *ret_reply = NULL;
    while (!error && !*ret_reply && time_msec() < deadline) {
        struct jsonrpc_msg *msg = NULL;

        jsonrpc_run(rpc);
        error = jsonrpc_recv(rpc, &msg);
        if (!error && msg->type == JSONRPC_REPLY
            && json_equal(msg->id, id)) {
            *ret_reply = msg;
        } else if (error == EAGAIN) {
            error = jsonrpc_get_status(rpc);
            jsonrpc_wait(rpc);
            jsonrpc_recv_wait(rpc);
            poll_timer_wait_until(deadline);
            poll_block();
        } else {
            jsonrpc_msg_destroy(msg);
        }
    }
    json_destroy(id);
    return *ret_reply ? NULL
           : xstrdup(error ? ovs_retval_to_string(error) : "no answer");
}

/* The member 'key' of an object, if it is of type 'type'. */
static const struct json *
member(const struct json *object, const char *key, enum json_type type)
{
    const struct json *json = object && object->type == JSON_OBJECT
                              ? shash_find_data(json_object(object), key)
                              : NULL;

    return json && json->type == type ? json : NULL;
}

static const struct json *
first(const struct json *array)
{
    return array && array->type == JSON_ARRAY && json_array(array)->n
           ? json_array(array)->elems[0] : NULL;
}

static bool
parse_bool(const struct json *row, const char *column)
{
    return member(row, column, JSON_TRUE) != NULL;
}

static char *
parse_string(const struct json *row, const char *column)
{
    const struct json *json = member(row, column, JSON_STRING);

    return json ? xstrdup(json_string(json)) : NULL;
}

/* ["uuid", "..."]; an empty set otherwise. */
static char *
parse_uuid(const struct json *row, const char *column)
{
    const struct json *json = member(row, column, JSON_ARRAY);
    bool is_uuid = json && json_array(json)->n == 2
                   && json_array(json)->elems[0]->type == JSON_STRING
                   && !strcmp(json_string(json_array(json)->elems[0]), "uuid")
                   && json_array(json)->elems[1]->type == JSON_STRING;

    return is_uuid ? xstrdup(json_string(json_array(json)->elems[1])) : NULL;
}

static char *
parse_version(const struct json *row)
{
    const struct json *text = member(row, "schema", JSON_STRING);
    struct json *schema = text ? json_from_string(json_string(text)) : NULL;
    const struct json *version = member(schema, "version", JSON_STRING);
    char *s = version ? xstrdup(json_string(version)) : NULL;

    json_destroy(schema);
    return s;
}

static char *
parse_reply(const struct jsonrpc_msg *reply, struct db_probe *probe)
{
    const struct json *row = first(member(first(reply->result), "rows",
                                          JSON_ARRAY));

    if (!row) {
        return xstrdup("it serves no database \"Socknet\"");
    }
    *probe = (struct db_probe) {
        .model = parse_string(row, "model"),
        .connected = parse_bool(row, "connected"),
        .leader = parse_bool(row, "leader"),
        .cid = parse_uuid(row, "cid"),
        .schema_version = parse_version(row),
    };
    return probe->model ? NULL : xstrdup("it does not say what it is");
}

char *
db_probe_run(const char *remote, struct db_probe *probe)
{
    struct jsonrpc_msg *reply;
    struct stream *stream;
    char *error;

    *probe = (struct db_probe) { .model = NULL };
    int retval = stream_open_block(jsonrpc_stream_open(remote, &stream,
                                                       DSCP_DEFAULT),
                                   TIMEOUT_MS, &stream);
    if (retval) {
        probe->silent = retval == ETIMEDOUT || retval == EHOSTUNREACH
                        || retval == ENETUNREACH;
        return xasprintf("%s: %s", remote, ovs_retval_to_string(retval));
    }

    struct jsonrpc *rpc = jsonrpc_open(stream);
    error = ask(rpc, compose_request(), &reply);
    if (!error) {
        error = parse_reply(reply, probe);
        jsonrpc_msg_destroy(reply);
    }
    jsonrpc_close(rpc);
    if (error) {
        char *longer = xasprintf("%s: %s", remote, error);

        free(error);
        error = longer;
    }
    return error;
}

void
db_probe_destroy(struct db_probe *probe)
{
    free(probe->model);
    free(probe->cid);
    free(probe->schema_version);
}

static char *
explain_one(const struct db_probe *probe)
{
    if (probe->connected) {
        return NULL;
    }
    if (!strcmp(probe->model, "relay")) {
        return xstrdup("the relay there does not reach the database itself");
    }
    return xstrdup(probe->schema_version
                   ? "the cluster has no quorum: the member there does not "
                     "reach a majority of the members (`socknet db status` "
                     "on a member's host tells more)"
                   : "the member there has not joined its cluster yet");
}

char *
db_probe_explain(const char *remotes)
{
    struct svec list = SVEC_EMPTY_INITIALIZER;
    const char *remote;
    char *reason = NULL;
    size_t i, n_silent = 0;

    for (const char *p = remotes; *p; ) {
        size_t len = strcspn(p, ",");

        svec_add_nocopy(&list, xmemdup0(p, len));
        p += len + (p[len] == ',');
    }
    SVEC_FOR_EACH (i, remote, &list) {
        struct db_probe probe;
        char *error = reason ? NULL : db_probe_run(remote, &probe);

        if (!reason && !error) {
            reason = explain_one(&probe);
            db_probe_destroy(&probe);
        }
        n_silent += error && probe.silent;
        free(error);
    }
    if (!reason && list.n && n_silent == list.n) {
        reason = xstrdup("nobody answers there: is that host up, and its "
                         "server, and does no firewall drop TCP to it?");
    }
    svec_destroy(&list);
    return reason;
}
