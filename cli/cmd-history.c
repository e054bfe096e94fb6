#include <config.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/commit.h"
#include "cli/output.h"
#include "cli/revisions.h"
#include "cli/session.h"
#include "openvswitch/json.h"
#include "ovsdb-idl.h"
#include "ovsdb-sync/revision.h"
#include "ovsdb-sync/socknet-idl.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"

static const struct option no_options[] = { {NULL, 0, NULL, 0} };

static void
output_revision(struct output *out, const struct sndb_revision *row)
{
    output_record(out);
    output_integer(out, "revision", "revision", row->number);
    output_time(out, "time", "when", row->time);
    output_string(out, "author", "author", row->author);
    output_string(out, "action", "action", row->action);
    output_string(out, "outcome", "outcome", row->outcome);
    output_integer(out, "generation", "generation", row->generation);
    output_string(out, "summary", "changes", row->summary);
    output_string(out, "path", "file", row->path);
    output_string(out, "hash", NULL, row->hash);
}

int
cmd_history(struct command_context *ctx, int argc, char *argv[])
{
    if (command_getopt(argc, argv, no_options) != -1) {
        return EXIT_ERROR;
    }
    if (argc != optind) {
        return command_misused(argv[0], "history takes no argument");
    }
    struct session *session = session_open(ctx);
    if (!session) {
        return EXIT_ERROR;
    }

    struct output *out = output_create(ctx->json, "history");
    size_t n;
    const struct sndb_revision **list = revision_list(session_idl(session),
                                                      &n);
    output_begin(out, "revisions", OUTPUT_TABLE, NULL);
    for (size_t i = 0; i < n; i++) {
        output_revision(out, list[i]);
    }
    if (!n) {
        output_note(out, "Nothing was applied yet.");
    }
    free(list);
    output_finish(out);
    session_close(session);
    return EXIT_OK;
}

static void
print_files(const struct sndb_revision *row, struct output *out, bool json)
{
    const struct smap_node **sorted = smap_sort(&row->files);
    struct json *files = json_object_create();

    for (size_t i = 0; i < smap_count(&row->files); i++) {
        if (!json && smap_count(&row->files) > 1) {
            printf("# ==> %s <==\n", sorted[i]->key);
        }
        if (!json) {
            fputs(sorted[i]->value, stdout);
        }
        json_object_put_string(files, sorted[i]->key, sorted[i]->value);
    }
    output_attach(out, "files", files);
    free(sorted);
}

int
cmd_show(struct command_context *ctx, int argc, char *argv[])
{
    int64_t number;

    if (command_getopt(argc, argv, no_options) != -1) {
        return EXIT_ERROR;
    }
    if (argc - optind != 1) {
        return command_misused(argv[0], "show takes the number of one "
                               "revision");
    }
    if (!revisions_parse(argv[0], argv[optind], &number)) {
        return EXIT_ERROR;
    }
    struct session *session = session_open_full(ctx);
    if (!session) {
        return EXIT_ERROR;
    }

    const struct sndb_revision *row = revisions_find(session, number);
    if (row) {
        struct output *out = output_create(ctx->json, "show");

        output_attach(out, "revision", json_integer_create(number));
        print_files(row, out, ctx->json);
        output_finish(out);
    }
    session_close(session);
    return row ? EXIT_OK : EXIT_ERROR;
}

/* Composes and sends; again after a connection that broke. */
static char *
confirm(struct session *session, long long int deadline)
{
    for (;;) {
        const struct sndb_mesh *mesh = session_pending(session);
        bool again;

        if (!mesh) {
            return xstrdup("nothing waits to be confirmed: `socknet history` "
                           "tells what became of it");
        }
        if (mesh->confirm_by[0] <= time_wall()) {
            return xasprintf("generation %"PRId64" was to be confirmed %lld s "
                             "ago: the hosts are back at the state before; "
                             "apply it again", mesh->generation,
                             (long long int) time_wall()
                             - (long long int) mesh->confirm_by[0]);
        }

        struct ovsdb_idl_txn *txn
            = ovsdb_idl_txn_create(session_idl(session));
        ovsdb_idl_txn_add_comment(txn, "socknet confirm");
        sndb_mesh_verify_generation(mesh);
        sndb_mesh_verify_confirm_by(mesh);
        revision_settle(txn, true);

        char *error = commit_send(session, txn, deadline, &again);
        if (error || !again || time_msec() >= deadline) {
            return error ? error
                   : again ? xstrdup("the database went away; whether it is "
                                     "confirmed is not known: try again")
                   : NULL;
        }
        session_run(session);
    }
}

int
cmd_confirm(struct command_context *ctx, int argc, char *argv[])
{
    if (command_getopt(argc, argv, no_options) != -1) {
        return EXIT_ERROR;
    }
    if (argc != optind) {
        return command_misused(argv[0], "confirm takes no argument");
    }
    struct session *session = session_open(ctx);
    if (!session) {
        return EXIT_ERROR;
    }

    int64_t generation = session_generation(session);
    char *error = confirm(session, time_msec() + ctx->timeout_ms);
    int status = error ? command_fail("%s", error) : EXIT_OK;
    if (!error) {
        struct output *out = output_create(ctx->json, "confirm");

        output_attach(out, "generation", json_integer_create(generation));
        output_note(out, "generation %"PRId64" is confirmed", generation);
        output_finish(out);
    }
    free(error);
    session_close(session);
    return status;
}
