#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/apply-wait.h"
#include "cli/client-list.h"
#include "cli/client-profile.h"
#include "cli/command.h"
#include "cli/commit.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/status-rows.h"
#include "lib/diag.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "ovsdb-sync/model-apply.h"
#include "ovsdb-sync/model-rows.h"
#include "ovsdb-sync/socknet-idl.h"
#include "state/model.h"
#include "state/name.h"
#include "state/when.h"
#include "timeval.h"
#include "util.h"

/* Guests: phones and laptops that come in by a node's vpn_server. */

enum { DEFAULT_WAIT_MS = 60000 };

struct client_args {
    const char *verb;
    const char *name;
    const char *node;
    struct sset tags;
    int64_t expires;
    bool qr, wait;
    const char *png;
};

static int
parse_expires(const char *s, int64_t *ret_expires)
{
    int64_t seconds;

    if (when_parse_duration(s, &seconds)) {
        *ret_expires = time_wall() + seconds;
    } else if (!when_parse(s, ret_expires)) {
        return command_fail("--expires: \"%s\" is neither a duration, like "
                            "30d or 12h, nor a date, like 2026-12-24", s);
    } else if (*ret_expires <= time_wall()) {
        return command_fail("--expires: %s is over", s);
    }
    return EXIT_OK;
}

static int
parse_tag(const char *s, struct sset *tags)
{
    char *error = name_validate(s);

    if (error) {
        command_fail("--tag: \"%s\": %s", s, error);
        free(error);
        return EXIT_ERROR;
    }
    sset_add(tags, s);
    return EXIT_OK;
}

static int
client_parse(int argc, char *argv[], struct client_args *args)
{
    enum { OPT_NODE = 256, OPT_TAG, OPT_EXPIRES, OPT_QR, OPT_PNG, OPT_WAIT };
    static const struct option options[] = {
        { "node", required_argument, NULL, OPT_NODE },
        { "tag", required_argument, NULL, OPT_TAG },
        { "expires", required_argument, NULL, OPT_EXPIRES },
        { "qr", no_argument, NULL, OPT_QR },
        { "png", required_argument, NULL, OPT_PNG },
        { "wait", no_argument, NULL, OPT_WAIT },
        { NULL, 0, NULL, 0 },
    };
    int c, status = EXIT_OK;

    while (!status && (c = command_getopt(argc, argv, options)) != -1) {
        switch (c) {
        case OPT_NODE:
            args->node = optarg;
            break;
        case OPT_TAG:
            status = parse_tag(optarg, &args->tags);
            break;
        case OPT_EXPIRES:
            status = parse_expires(optarg, &args->expires);
            break;
        case OPT_QR:
            args->qr = true;
            break;
        case OPT_PNG:
            args->png = optarg;
            break;
        case OPT_WAIT:
            args->wait = true;
            break;
        default:
            return EXIT_ERROR;
        }
    }
    args->verb = argv[optind];
    args->name = args->verb ? argv[optind + 1] : NULL;
    if (!status && args->name && argc - optind > 2) {
        return command_misused("client", "client %s takes one NAME",
                               args->verb);
    }
    return status;
}

/* The node whose guest it becomes, or NULL after having said why not. */
static const struct model_node *
choose_server(const struct model *model, const char *name)
{
    const struct model_node *found = NULL;
    const struct shash_node *snode;
    bool several = false, any = false;

    SHASH_FOR_EACH (snode, &model->nodes) {
        const struct model_node *node = snode->data;

        any |= node->vpn != NULL;
        if (node->vpn && (name ? !strcmp(name, node->name)
                          : node->vpn->auto_provision && !node->revoked)) {
            several |= found != NULL;
            found = node;
        }
    }
    if (several) {
        command_fail("several nodes take guests: say which with --node");
        return NULL;
    } else if (!found) {
        command_fail(name ? "node \"%s\" has no vpn_server in the state"
                     : any ? "no vpn_server has auto_provision: true; with "
                             "that, guests can be added by this command"
                     : "no node has a vpn_server in the state", name);
        return NULL;
    } else if (found->revoked) {
        command_fail("node %s is revoked", found->name);
        return NULL;
    } else if (!found->vpn->auto_provision) {
        command_fail("the vpn_server of node %s has no auto_provision: true; "
                     "its guests are those of the state file, under clients",
                     found->name);
        return NULL;
    }
    return found;
}

static bool
is_over(const struct model_client *client)
{
    return (client->revoked
            || (client->expires && client->expires <= time_wall()));
}

/* A new client, or NULL after having said why not. */
static struct model_client *
client_create(const struct model *model, const struct client_args *args,
              const char *public_key)
{
    const struct model_client *old = model_get_client(model, args->name);
    const struct model_node *node;
    char *error = name_validate(args->name);
    struct diags diags;

    if (error) {
        command_fail("\"%s\": %s", args->name, error);
        free(error);
        return NULL;
    } else if (old && old->loc.file) {
        char *place = sn_loc_to_string(&old->loc);
        command_fail("client \"%s\" is written in the state file (%s)",
                     args->name, place);
        free(place);
        return NULL;
    } else if (old && !is_over(old)) {
        command_fail("client \"%s\" exists; for a new key revoke it first",
                     args->name);
        return NULL;
    }
    node = choose_server(model, args->node);
    if (!node) {
        return NULL;
    }

    struct model_client *client = model_object_create(MODEL_CLIENT);
    client->name = xstrdup(args->name);
    client->node = xstrdup(node->name);
    client->public_key = xstrdup(public_key);
    client->expires = args->expires;
    sset_destroy(&client->tags);
    sset_clone(&client->tags, &args->tags);
    diags_init(&diags);
    model_assign_client_address(model, client, &diags);
    if (diags.n_errors) {
        command_fail("no address is left in the ip_pool of node %s",
                     node->name);
        model_object_free(MODEL_CLIENT, client);
        client = NULL;
    }
    diags_destroy(&diags);
    return client;
}

struct change {
    const char *name;
    const struct model_client *client;  /* NULL: remove. */
};

static void
compose_client(struct ovsdb_idl_txn *txn, const void *change_,
               struct model_apply *apply)
{
    const struct change *change = change_;

    model_apply_compose_one(txn, MODEL_CLIENT, change->name, change->client,
                            apply);
}

/* Writes it.  '*ret_generation' is that of the change. */
static int
client_commit(const struct command_context *ctx, struct session *session,
              const struct change *change, int64_t *ret_generation)
{
    struct commit commit = { compose_client, change, "socknet client" };
    struct model_apply apply;
    char *error = commit_run(session, &commit, false,
                             time_msec() + ctx->timeout_ms, &apply);

    *ret_generation = apply.generation;
    model_apply_destroy(&apply);
    return command_finish(error);
}

static int
client_wait(const struct command_context *ctx, struct session *session,
            const struct client_args *args, int64_t generation)
{
    int timeout_ms = ctx->timeout_given ? ctx->timeout_ms : DEFAULT_WAIT_MS;

    return (!args->wait
            || apply_wait(session, generation, time_msec() + timeout_ms,
                          !ctx->json)
            ? EXIT_OK
            : command_fail("not everybody has confirmed in time: `socknet "
                           "status` says who"));
}

/* The profile, on standard output; the QR code on it too, or in a file.
 * EXIT_ERROR if the code could not be had; '*print_errno' is 0 if what was
 * printed has arrived. */
static int
print_profile(const struct command_context *ctx,
              const struct client_args *args,
              const struct model_client *client, struct ds *profile,
              int *print_errno)
{
    struct output *out = output_create(ctx->json, "client");
    struct ds qr = DS_EMPTY_INITIALIZER;
    char *error = args->qr ? qr_format(ds_cstr(profile), &qr) : NULL;

    if (!error && args->png) {
        error = qr_write_png(ds_cstr(profile), args->png);
    }
    output_attach(out, "name", json_string_create(client->name));
    output_attach(out, "node", json_string_create(client->node));
    output_attach(out, "public_key", json_string_create(client->public_key));
    output_attach(out, "profile", json_string_create(ds_cstr(profile)));
    output_finish(out);
    if (!ctx->json) {
        fputs(ds_cstr(profile), stdout);
        if (qr.length) {
            fputs(ds_cstr(&qr), stdout);
        }
    }
    *print_errno = !fflush(stdout) && !ferror(stdout) ? 0
                   : errno ? errno : EIO;
    if (!*print_errno && !ctx->json) {
        fputs("This is printed once: the private key is kept nowhere.\n",
              stderr);
    }
    client_profile_wipe(&qr);
    return command_finish(error);
}

/* Writes 'client', then prints its profile.  A key that nobody could read lets
 * nobody in: without its profile the client goes again. */
static int
client_enroll(const struct command_context *ctx, struct session *session,
              const struct client_args *args,
              const struct model_client *client, struct ds *profile)
{
    struct change change = { client->name, client };
    int64_t generation;
    int print_errno;

    if (client_commit(ctx, session, &change, &generation)) {
        return EXIT_ERROR;
    }
    int status = print_profile(ctx, args, client, profile, &print_errno);
    if (print_errno) {
        clearerr(stdout);       /* Else main() says so once more. */
        change.client = NULL;
        if (client_commit(ctx, session, &change, &generation)) {
            return command_fail("client %s is added, and its profile cannot "
                                "be printed: %s; `socknet client revoke %s`",
                                client->name, ovs_strerror(print_errno),
                                client->name);
        }
        return command_fail("client %s is not added: its profile cannot be "
                            "printed: %s", client->name,
                            ovs_strerror(print_errno));
    }
    return status | client_wait(ctx, session, args, generation);
}

static int
client_add(const struct command_context *ctx, struct session *session,
           const struct client_args *args)
{
    const struct model *model = session_model(session);
    char private_key[CLIENT_KEY_LEN], public_key[CLIENT_KEY_LEN];
    struct ds profile = DS_EMPTY_INITIALIZER;
    int status = EXIT_ERROR;

    client_key_make(private_key, public_key);
    struct model_client *client = client_create(model, args, public_key);
    const struct sndb_node_status *row
        = client ? status_rows_node(session_idl(session), client->node)
                 : NULL;
    if (client && (!row || !row->vpn_public_key)) {
        command_fail("node %s has not told the public key of its vpn_server "
                     "yet: is its agent running?", client->node);
    } else if (client) {
        char *error = client_profile_format(model, client, private_key,
                                            row->vpn_public_key, &profile);

        if (error) {
            command_fail("%s", error);
            free(error);
        } else {
            status = client_enroll(ctx, session, args, client, &profile);
        }
    }
    sodium_memzero(private_key, sizeof private_key);
    client_profile_wipe(&profile);
    model_object_free(MODEL_CLIENT, client);
    return status;
}

static void
output_change(const struct command_context *ctx, const char *name,
              const char *what, int64_t generation)
{
    struct output *out = output_create(ctx->json, "client");

    output_attach(out, "name", json_string_create(name));
    output_attach(out, "change", json_string_create(what));
    output_attach(out, "generation", json_integer_create(generation));
    output_note(out, "client %s is %s (generation %"PRId64")", name, what,
                generation);
    output_finish(out);
}

static int
client_revoke(const struct command_context *ctx, struct session *session,
              const struct client_args *args)
{
    const struct ovsdb_idl_row *row
        = model_rows_find(session_idl(session), MODEL_CLIENT, args->name);
    char *error;
    struct model_client *client = model_rows_get(MODEL_CLIENT)->read(row,
                                                                     &error);
    int64_t generation;

    if (!client) {
        int status = command_fail("client %s: %s", args->name, error);
        free(error);
        return status;
    }
    client->revoked = true;
    struct change change = { args->name, client };
    int status = client_commit(ctx, session, &change, &generation);
    if (!status) {
        output_change(ctx, args->name, "revoked", generation);
        status = client_wait(ctx, session, args, generation);
    }
    model_object_free(MODEL_CLIENT, client);
    return status;
}

static int
client_remove(const struct command_context *ctx, struct session *session,
              const struct client_args *args)
{
    const struct model_client *client
        = model_get_client(session_model(session), args->name);
    struct change change = { args->name, NULL };
    int64_t generation;

    if (client->loc.file) {
        char *place = sn_loc_to_string(&client->loc);
        int status = command_fail("client \"%s\" is written in the state "
                                  "file: take it out there (%s), or revoke "
                                  "it", args->name, place);
        free(place);
        return status;
    }
    int status = client_commit(ctx, session, &change, &generation);
    if (!status) {
        output_change(ctx, args->name, "removed", generation);
        status = client_wait(ctx, session, args, generation);
    }
    return status;
}

static int
client_run(const struct command_context *ctx, struct session *session,
           const struct client_args *args)
{
    const struct model *model = session_model(session);

    if (!strcmp(args->verb, "add")) {
        return client_add(ctx, session, args);
    } else if (!strcmp(args->verb, "list")) {
        return client_list(ctx, session, NULL);
    } else if (!client_is_known(model, args->name)) {
        return EXIT_ERROR;
    } else if (!strcmp(args->verb, "show")) {
        return client_list(ctx, session, args->name);
    }
    return !strcmp(args->verb, "revoke") ? client_revoke(ctx, session, args)
                                         : client_remove(ctx, session, args);
}

/* Whether the words after the command make sense together. */
static int
check_words(const struct client_args *args)
{
    static const char *const verbs[] = { "add", "list", "show", "revoke",
                                         "remove" };
    bool known = false;

    for (size_t i = 0; args->verb && i < ARRAY_SIZE(verbs); i++) {
        known |= !strcmp(args->verb, verbs[i]);
    }
    if (!known || !args->name != !strcmp(args->verb, "list")) {
        return command_misused("client", "give one of add NAME, list, show "
                               "NAME, revoke NAME, remove NAME");
    } else if (strcmp(args->verb, "add")
               && (args->node || args->expires || args->qr || args->png
                   || !sset_is_empty(&args->tags))) {
        return command_misused("client", "client %s has no such option",
                               args->verb);
    }
    return EXIT_OK;
}

int
cmd_client(struct command_context *ctx, int argc, char *argv[])
{
    struct client_args args = { .tags = SSET_INITIALIZER(&args.tags) };
    int status = client_parse(argc, argv, &args);

    if (!status) {
        status = check_words(&args);
    }
    struct session *session = status ? NULL : session_open(ctx);
    if (session) {
        status = client_run(ctx, session, &args);
        session_close(session);
    } else {
        status = EXIT_ERROR;
    }
    sset_destroy(&args.tags);
    return status;
}
