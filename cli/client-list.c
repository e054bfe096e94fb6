#include <config.h>

#include "cli/client-list.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/command.h"
#include "cli/output.h"
#include "cli/session.h"
#include "lib/suggest.h"
#include "openvswitch/json.h"
#include "ovsdb-sync/socknet-idl.h"
#include "state/model.h"
#include "state/when.h"
#include "timeval.h"
#include "util.h"

bool
client_is_known(const struct model *model, const char *name)
{
    const struct shash_node *node;
    struct suggest near;

    if (model_get_client(model, name)) {
        return true;
    }
    suggest_init(&near, name);
    SHASH_FOR_EACH (node, &model->clients) {
        suggest_offer(&near, node->name);
    }
    if (near.best) {
        command_fail("no client \"%s\" in the state: did you mean \"%s\"?",
                     name, near.best);
    } else {
        command_fail("no client \"%s\" in the state: `socknet client list` "
                     "lists them", name);
    }
    return false;
}

static const struct sndb_client_status *
find_status(const struct session *session, const struct model_client *client)
{
    const struct sndb_client_status *row;

    SNDB_CLIENT_STATUS_FOR_EACH (row, session_idl(session)) {
        if (!strcmp(row->node, client->node)
            && !strcmp(row->client, client->name)) {
            return row;
        }
    }
    return NULL;
}

/* What is asked for counts at once, what was reported otherwise. */
static const char *
client_state(const struct model_client *client,
             const struct sndb_client_status *row)
{
    return (client->revoked ? "revoked"
            : client->expires && client->expires <= time_wall() ? "expired"
            : row ? row->state : NULL);
}

static void
output_addresses(struct output *out, const struct model_client *client)
{
    struct sset set = SSET_INITIALIZER(&set);

    for (size_t i = 0; i < client->n_addresses; i++) {
        sset_add_and_free(&set, sn_prefix_addr_to_string(
                              &client->addresses[i]));
    }
    output_strings(out, "addresses", "addresses", &set);
    sset_destroy(&set);
}

static void
print_client(const struct session *session, const struct model_client *client,
             bool whole, struct output *out)
{
    const struct sndb_client_status *row = find_status(session, client);
    char *location = client->loc.file ? sn_loc_to_string(&client->loc) : NULL;
    char *expires = client->expires ? when_to_string(client->expires) : NULL;

    output_record(out);
    output_string(out, "name", "client", client->name);
    output_string(out, "node", "node", client->node);
    output_addresses(out, client);
    output_strings(out, "tags", "tags", &client->tags);
    output_string(out, "state", "state", client_state(client, row));
    output_value(out, "expires", "expires",
                 client->expires ? json_integer_create(client->expires)
                 : json_null_create(), xstrdup(expires ? expires : "never"));
    output_string(out, "endpoint", "seen at", row ? row->endpoint : NULL);
    output_time(out, "latest_handshake", "handshake",
                row ? row->latest_handshake : 0);
    output_integer(out, "rx_bytes", whole ? "received" : NULL,
                   row ? row->rx_bytes : 0);
    output_integer(out, "tx_bytes", whole ? "sent" : NULL,
                   row ? row->tx_bytes : 0);
    output_string(out, "public_key", whole ? "public key" : NULL,
                  client->public_key);
    output_string(out, "location", whole ? "written at" : NULL, location);
    free(location);
    free(expires);
}

int
client_list(const struct command_context *ctx, const struct session *session,
            const char *only)
{
    const struct model *model = session_model(session);
    const struct shash_node **clients = shash_sort(&model->clients);
    struct output *out = output_create(ctx->json, "client");

    output_begin(out, "clients", only ? OUTPUT_LIST : OUTPUT_TABLE, NULL);
    for (size_t i = 0; i < shash_count(&model->clients); i++) {
        if (!only || !strcmp(only, clients[i]->name)) {
            print_client(session, clients[i]->data, only != NULL, out);
        }
    }
    if (shash_is_empty(&model->clients)) {
        output_note(out, "no clients");
    }
    output_finish(out);
    free(clients);
    return EXIT_OK;
}
