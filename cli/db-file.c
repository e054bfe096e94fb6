#include <config.h>

#include "cli/db-file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/db-schema.h"
#include "cli/db-tool.h"
#include "cli/run-program.h"
#include "openvswitch/json.h"
#include "svec.h"
#include "util.h"

/* What a role may do: write the rows of one table whose column "node" is the
 * name in the client's certificate, in these columns; make and delete such
 * rows.  The column "node" itself cannot be changed, so no row changes
 * hands. */
struct permission {
    const char *role;
    const char *table;
    const char *columns[16];
};

static const struct permission permissions[] = {
    { DB_AGENT_ROLE, "Node_Status",
      { "public_key", "listen_port", "generation", "datapath", "wireguard",
        "addresses", "seen", "problems", "next_public_key", "key_epoch",
        "vpn_public_key", "unreachable" } },
    { DB_AGENT_ROLE, "Port_Status",
      { "container", "ofport", "mac", "state", "reason" } },
    { DB_AGENT_ROLE, "Peer_Status",
      { "endpoint", "path", "relay", "reason", "latest_handshake",
        "rx_bytes", "tx_bytes", "next_public_key", "preshared_key",
        "next_preshared_key", "preshared_key_taken" } },
    { DB_AGENT_ROLE, "Relay_Status",
      { "a", "b", "port", "heard_a", "heard_b", "reason" } },
    { DB_AGENT_ROLE, "Exit_Status",
      { "port", "state", "reason", "since" } },
    { DB_AGENT_ROLE, "Found_Container",
      { "id", "name", "mac", "addresses" } },
    { DB_AGENT_ROLE, "Service_Status", { "state", "reason", "connections" } },
    { DB_AGENT_ROLE, "Client_Status",
      { "state", "endpoint", "latest_handshake", "rx_bytes", "tx_bytes" } },
    { DB_AGENT_ROLE, "Answer", { "failed", "text" } },
    { DB_CONTROLLER_ROLE, "Bridge_Status",
      { "connected", "generation", "n_flows", "n_repairs", "seen",
        "problems" } },
};

/* JSON of transactions. */

static struct json *
json_pair(const char *tag, struct json *value)
{
    return json_array_create_2(json_string_create(tag), value);
}

static struct json *
json_set(const char *const strings[], size_t n)
{
    struct json *array = json_array_create_empty();

    for (size_t i = 0; i < n && strings[i]; i++) {
        json_array_add(array, json_string_create(strings[i]));
    }
    return json_pair("set", array);
}

static struct json *
op_create(const char *op, const char *table)
{
    struct json *json = json_object_create();

    json_object_put_string(json, "op", op);
    json_object_put_string(json, "table", table);
    return json;
}

static void
add_delete_all(struct json *txn, const char *table)
{
    struct json *op = op_create("delete", table);

    json_object_put(op, "where", json_array_create_empty());
    json_array_add(txn, op);
}

/* Goes on only if the rows of 'table' are not equal to 'rows' in 'columns'.
 * Takes ownership of 'rows'. */
static void
add_wait_differs(struct json *txn, const char *table,
                 const char *const columns[], size_t n, struct json *rows)
{
    struct json *op = op_create("wait", table);
    struct json *names = json_array_create_empty();

    for (size_t i = 0; i < n; i++) {
        json_array_add(names, json_string_create(columns[i]));
    }
    json_object_put(op, "timeout", json_integer_create(0));
    json_object_put(op, "where", json_array_create_empty());
    json_object_put(op, "columns", names);
    json_object_put_string(op, "until", "!=");
    json_object_put(op, "rows", rows);
    json_array_add(txn, op);
}

/* Takes ownership of 'row'. */
static void
add_insert(struct json *txn, const char *table, struct json *row,
           const char *uuid_name)
{
    struct json *op = op_create("insert", table);

    json_object_put(op, "row", row);
    if (uuid_name) {
        json_object_put_string(op, "uuid-name", uuid_name);
    }
    json_array_add(txn, op);
}

static void
add_update_mesh(struct json *txn, const char *column, struct json *value)
{
    struct json *op = op_create("update", "Mesh");
    struct json *row = json_object_create();

    json_object_put(row, column, value);
    json_object_put(op, "where", json_array_create_empty());
    json_object_put(op, "row", row);
    json_array_add(txn, op);
}

static struct json *
txn_create(void)
{
    return json_array_create_1(json_string_create("Socknet"));
}

/* The error in the results of a transaction, or NULL.  A "wait" that is not
 * fulfilled says that there is nothing to do. */
static char *
results_error(const char *output)
{
    struct json *results = json_from_string(output);
    char *error = NULL;

    if (results->type != JSON_ARRAY) {
        error = xasprintf("ovsdb-tool: unexpected answer: %s", output);
    }
    for (size_t i = 0; !error && i < json_array(results)->n; i++) {
        const struct json *result = json_array(results)->elems[i];
        const struct json *code
            = result->type == JSON_OBJECT
              ? shash_find_data(json_object(result), "error") : NULL;

        if (code && strcmp(json_string(code), "timed out")) {
            error = xasprintf("ovsdb-tool: %s", output);
        } else if (code) {
            break;
        }
    }
    json_destroy(results);
    return error;
}

/* 'where' is a file, or the socket of a server.  Takes ownership of
 * 'txn'. */
static char *
db_file_transact(const char *where, struct json *txn)
{
    char *text = json_to_string(txn, 0);
    const char *const args[] = { "transact", where, text, NULL };
    char *output;
    char *error = !strncmp(where, "unix:", 5)
                  ? db_client(args, NULL, &output)
                  : db_tool(args, NULL, &output);

    if (!error) {
        error = results_error(output);
    }
    json_destroy(txn);
    free(output);
    free(text);
    return error;
}

/* The rows. */

/* The one row of Mesh, without an apply ever. */
static char *
configure_mesh(const char *file)
{
    struct json *txn = txn_create();
    struct json *op = op_create("wait", "Mesh");

    json_object_put(op, "timeout", json_integer_create(0));
    json_object_put(op, "where", json_array_create_empty());
    json_object_put(op, "columns", json_array_create_empty());
    json_object_put_string(op, "until", "==");
    json_object_put(op, "rows", json_array_create_empty());
    json_array_add(txn, op);
    add_insert(txn, "Mesh", json_object_create(), NULL);
    return db_file_transact(file, txn);
}

static struct json *
permission_to_row(const struct permission *p)
{
    static const char *const authorization[] = { "node" };
    struct json *row = json_object_create();

    json_object_put_string(row, "table", p->table);
    json_object_put(row, "authorization", json_set(authorization, 1));
    json_object_put(row, "insert_delete", json_boolean_create(true));
    json_object_put(row, "update",
                    json_set(p->columns, ARRAY_SIZE(p->columns)));
    return row;
}

/* The row of RBAC_Role that refers to the permissions of the same transaction
 * by the names of their tables. */
static struct json *
role_to_row(const char *role)
{
    struct json *row = json_object_create();
    struct json *map = json_array_create_empty();

    for (size_t i = 0; i < ARRAY_SIZE(permissions); i++) {
        const struct permission *p = &permissions[i];

        if (!strcmp(p->role, role)) {
            json_array_add(map, json_array_create_2(
                json_string_create(p->table),
                json_pair("named-uuid", json_string_create(p->table))));
        }
    }
    json_object_put_string(row, "name", role);
    json_object_put(row, "permissions", json_pair("map", map));
    return row;
}

char *
db_file_configure_roles(const char *where)
{
    static const char *const columns[] = {
        "table", "authorization", "insert_delete", "update",
    };
    struct json *txn = txn_create();
    struct json *rows = json_array_create_empty();

    for (size_t i = 0; i < ARRAY_SIZE(permissions); i++) {
        json_array_add(rows, permission_to_row(&permissions[i]));
    }
    add_wait_differs(txn, "RBAC_Permission", columns, ARRAY_SIZE(columns),
                     rows);
    add_delete_all(txn, "RBAC_Role");
    add_delete_all(txn, "RBAC_Permission");
    for (size_t i = 0; i < ARRAY_SIZE(permissions); i++) {
        add_insert(txn, "RBAC_Permission", permission_to_row(&permissions[i]),
                   permissions[i].table);
    }
    add_insert(txn, "RBAC_Role", role_to_row(DB_AGENT_ROLE), NULL);
    add_insert(txn, "RBAC_Role", role_to_row(DB_CONTROLLER_ROLE), NULL);
    return db_file_transact(where, txn);
}

static struct json *
connection_to_row(const struct db_file_tls *tls, int port, const char *role)
{
    struct json *row = json_object_create();

    json_object_put(row, "target",
                    json_string_create_nocopy(
                        xasprintf("pssl:%d:%s", port, tls->listen)));
    json_object_put_string(row, "role", role);
    return row;
}

static char *
configure_connections(const char *file, const struct db_file_tls *tls)
{
    static const char *const columns[] = { "target", "role" };
    struct json *txn = txn_create();
    struct json *rows = json_array_create_empty();
    struct json *names = json_array_create_empty();

    if (tls) {
        json_array_add(rows, connection_to_row(tls, DB_AGENT_PORT,
                                               DB_AGENT_ROLE));
        json_array_add(rows, connection_to_row(tls, DB_CONTROLLER_PORT,
                                               DB_CONTROLLER_ROLE));
    }
    add_wait_differs(txn, "Connection", columns, ARRAY_SIZE(columns),
                     json_clone(rows));
    for (size_t i = 0; i < json_array(rows)->n; i++) {
        char *name = xasprintf("c%"PRIuSIZE, i);

        add_insert(txn, "Connection",
                   json_clone(json_array(rows)->elems[i]), name);
        json_array_add(names, json_pair("named-uuid",
                                        json_string_create_nocopy(name)));
    }
    add_update_mesh(txn, "connections", json_pair("set", names));
    json_destroy(rows);
    return db_file_transact(file, txn);
}

static char *
configure_ssl(const char *file, const struct db_file_tls *tls)
{
    static const char *const columns[] = {
        "private_key", "certificate", "ca_cert", "ssl_protocols",
    };
    struct json *txn = txn_create();
    struct json *rows = json_array_create_empty();
    struct json *names = json_array_create_empty();

    if (tls) {
        struct json *row = json_object_create();

        json_object_put_string(row, "private_key", tls->private_key);
        json_object_put_string(row, "certificate", tls->certificate);
        json_object_put_string(row, "ca_cert", tls->ca_cert);
        json_object_put_string(row, "ssl_protocols", "TLSv1.2");
        json_array_add(rows, row);
    }
    add_wait_differs(txn, "SSL", columns, ARRAY_SIZE(columns),
                     json_clone(rows));
    for (size_t i = 0; i < json_array(rows)->n; i++) {
        add_insert(txn, "SSL", json_clone(json_array(rows)->elems[i]), "ssl");
        json_array_add(names, json_pair("named-uuid",
                                        json_string_create("ssl")));
    }
    add_update_mesh(txn, "ssl", json_pair("set", names));
    json_destroy(rows);
    return db_file_transact(file, txn);
}

char *
db_file_configure(const char *file, const struct db_file_tls *tls)
{
    char *error = configure_mesh(file);

    if (!error) {
        error = db_file_configure_roles(file);
    }
    if (!error) {
        error = configure_ssl(file, tls);
    }
    return error ? error : configure_connections(file, tls);
}

/* The file. */

static void
remove_with_lock(const char *file)
{
    const char *base = strrchr(file, '/');
    int dir_len = base ? base + 1 - file : 0;
    char *lock = xasprintf("%.*s.%s.~lock~", dir_len, file, file + dir_len);

    unlink(file);
    unlink(lock);
    free(lock);
}

/* link() and not rename(): what appeared meanwhile stays. */
static char *
move_into_place(const char *tmp, const char *file)
{
    if (!link(tmp, file)) {
        return NULL;
    }
    return errno == EEXIST
           ? xasprintf("%s exists; it is not overwritten", file)
           : xasprintf("%s: %s", file, ovs_strerror(errno));
}

/* The contents of 'from', less what is only true of the server that it comes
 * from. */
static char *
import(const char *tmp, const char *from)
{
    char *output, *error;
    bool converted;

    if (db_file_is_clustered(from)) {
        return xasprintf("%s is a member of a cluster: take a backup of it "
                         "(socknet db backup)", from);
    }
    error = db_tool((const char *const[]) { "compact", from, tmp, NULL },
                    NULL, &output);
    free(output);
    return error ? error : db_file_upgrade(tmp, &converted);
}

/* Makes 'tmp', which must not exist. */
static char *
fill(const char *tmp, const char *from)
{
    char *output, *error;

    if (from) {
        error = import(tmp, from);
    } else {
        error = db_tool((const char *const[]) { "create", tmp, PROGRAM_INPUT,
                                                NULL }, db_schema, &output);
        free(output);
    }
    return error ? error : db_file_configure(tmp, NULL);
}

char *
db_file_create(const char *file, const char *from)
{
    char *tmp = xasprintf("%s.new", file);
    char *error;

    remove_with_lock(tmp);
    error = fill(tmp, from);
    if (!error) {
        error = move_into_place(tmp, file);
    }
    remove_with_lock(tmp);
    free(tmp);
    return error;
}

char *
db_file_create_cluster(const char *file, const char *from,
                       const char *address)
{
    char *alone = xasprintf("%s.alone", file);
    char *tmp = xasprintf("%s.new", file);
    char *output, *error;

    remove_with_lock(alone);
    remove_with_lock(tmp);
    error = fill(alone, from);
    if (!error) {
        error = db_tool((const char *const[]) { "create-cluster", tmp, alone,
                                                address, NULL },
                        NULL, &output);
        free(output);
    }
    if (!error) {
        error = move_into_place(tmp, file);
    }
    remove_with_lock(alone);
    remove_with_lock(tmp);
    free(alone);
    free(tmp);
    return error;
}

char *
db_file_join_cluster(const char *file, const char *cid, const char *address,
                     const struct svec *remotes)
{
    struct svec args = SVEC_EMPTY_INITIALIZER;
    char *tmp = xasprintf("%s.new", file);
    char *output, *error;

    svec_add_nocopy(&args, xasprintf("--cid=%s", cid));
    svec_add(&args, "join-cluster");
    svec_add(&args, tmp);
    svec_add(&args, "Socknet");
    svec_add(&args, address);
    svec_append(&args, remotes);
    svec_terminate(&args);
    remove_with_lock(tmp);
    error = db_tool((const char *const *) args.names, NULL, &output);
    if (!error && chmod(tmp, 0600)) {
        error = xasprintf("%s: %s", tmp, ovs_strerror(errno));
    }
    if (!error) {
        error = move_into_place(tmp, file);
    }
    remove_with_lock(tmp);
    free(tmp);
    free(output);
    svec_destroy(&args);
    return error;
}

static bool
begins_with(const char *file, const char *magic)
{
    char buf[16] = "";
    FILE *stream = fopen(file, "re");
    bool does = stream && fgets(buf, sizeof buf, stream)
                && !strncmp(buf, magic, strlen(magic));

    if (stream) {
        fclose(stream);
    }
    return does;
}

bool
db_file_is_database(const char *file)
{
    return begins_with(file, "OVSDB ");
}

bool
db_file_is_clustered(const char *file)
{
    return begins_with(file, "OVSDB CLUSTER ");
}

char *
db_file_address(const char *file, char **ret_address)
{
    return db_tool((const char *const[]) { "db-local-address", file, NULL },
                   NULL, ret_address);
}

char *
db_file_schema_version(char **ret_version)
{
    return db_tool((const char *const[]) { "schema-version", PROGRAM_INPUT,
                                           NULL }, db_schema, ret_version);
}

bool
db_file_version_is_newer(const char *a, const char *b)
{
    int x[3] = { 0, 0, 0 }, y[3] = { 0, 0, 0 };

    if (sscanf(a, "%d.%d.%d", &x[0], &x[1], &x[2]) < 1
        || sscanf(b, "%d.%d.%d", &y[0], &y[1], &y[2]) < 1) {
        return false;
    }
    for (size_t i = 0; i < 3; i++) {
        if (x[i] != y[i]) {
            return x[i] > y[i];
        }
    }
    return false;
}

static char *
check_not_newer(const char *file)
{
    char *has, *ours = NULL;
    char *error = db_tool((const char *const[]) { "db-version", file, NULL },
                          NULL, &has);

    if (!error) {
        error = db_file_schema_version(&ours);
    }
    if (!error && db_file_version_is_newer(has, ours)) {
        error = xasprintf("%s was made by a newer socknet (schema %s, this "
                          "one has %s)", file, has, ours);
    }
    free(has);
    free(ours);
    return error;
}

char *
db_file_upgrade(const char *file, bool *ret_converted)
{
    char *output;
    char *error = check_not_newer(file);

    *ret_converted = false;
    if (error) {
        return error;
    }
    error = db_tool((const char *const[]) { "needs-conversion", file,
                                            PROGRAM_INPUT, NULL },
                    db_schema, &output);
    bool needed = !error && !strcmp(output, "yes");
    free(output);
    if (needed) {
        error = db_tool((const char *const[]) { "convert", file,
                                                PROGRAM_INPUT, NULL },
                        db_schema, &output);
        free(output);
        *ret_converted = !error;
    }
    return error;
}
