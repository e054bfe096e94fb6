#include <config.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/local-daemon.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/status-rows.h"
#include "lib/suggest.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "ovsdb-sync/socknet-idl.h"
#include "state/model.h"
#include "util.h"

/* Exits: the agents of the hosts look now; of one that does not answer, what
 * it said last. */

#define AGENT "socknet-agent"

struct exit_run {
    struct session *session;
    struct output *out;
    char *local;                /* This host's node, or NULL. */
    size_t n;                   /* Shown. */
    bool bad;                   /* One does not work. */
};

static void
put_value(struct output *out, const char *key, const char *heading,
          const char *text, const char *name)
{
    char *value = text ? local_daemon_value(text, name) : NULL;

    output_string(out, key, heading, value);
    free(value);
}

static void
put_tested(struct exit_run *run, const char *text)
{
    char *handshake = text ? local_daemon_value(text, "handshake") : NULL;
    char *mtu = text ? local_daemon_value(text, "mtu") : NULL;
    unsigned int when = 0, bytes = 0;

    if (handshake) {
        str_to_uint(handshake, 10, &when);
    }
    if (mtu) {
        str_to_uint(mtu, 10, &bytes);
    }
    put_value(run->out, "answer", "answer", text, "answer");
    put_value(run->out, "seen_as", "seen outside as", text, "seen_as");
    put_value(run->out, "names", "names", text, "names");
    put_value(run->out, "kill_switch", "kill-switch", text, "kill_switch");
    output_value(run->out, "mtu", "mtu",
                 bytes ? json_integer_create(bytes) : json_null_create(),
                 bytes ? xasprintf("%u", bytes) : xstrdup("-"));
    if (when) {
        output_time(run->out, "handshake", "handshake", when);
    } else {
        output_value(run->out, "handshake", "handshake", json_null_create(),
                     xstrdup(text ? "never" : "-"));
    }
    free(handshake);
    free(mtu);
}

/* Whether the agent's answer says that all is well. */
static bool
text_is_good(const char *text)
{
    char *answers = local_daemon_value(text, "answers");
    char *state = local_daemon_value(text, "state");
    char *kill_switch = local_daemon_value(text, "kill_switch");
    bool good = (answers && !strcmp(answers, "yes")
                 && state && !strcmp(state, "up")
                 && kill_switch && (!strcmp(kill_switch, "closed")
                                    || !strncmp(kill_switch, "not tested",
                                                10)));

    free(answers);
    free(state);
    free(kill_switch);
    return good;
}

/* By way of the database.  True: '*ret_text' is the answer, or why there is
 * none. */
static bool
ask_agent(struct exit_run *run, const char *node, const char *key,
          char **ret_text)
{
    struct ask ask;

    ask_init(&ask, node, "exit");
    smap_add(&ask.arguments, "exit", key);
    *ret_text = ask_agents(run->session, &ask, 1, ASK_TIMEOUT_MS);
    if (!*ret_text) {
        *ret_text = ask.answered ? xstrdup(ask.text)
                    : ask_explain_silence(run->session, node);
    }
    bool ok = ask.answered && !ask.failed;
    ask_destroy(&ask);
    return ok;
}

/* Whether the exit was looked at; '*ret_text' as above. */
static bool
test_exit(struct exit_run *run, const char *node, const char *key,
          char **ret_text)
{
    bool local = run->local && !strcmp(node, run->local);
    char *state;

    if (!local || local_daemon_ask_about(AGENT, "exit/test", key, ret_text)
                  != LOCAL_DAEMON_ANSWERS) {
        if (local) {
            free(*ret_text);
        }
        return ask_agent(run, node, key, ret_text);
    }
    state = local_daemon_value(*ret_text, "state");
    free(state);
    return state != NULL;       /* Else it refuses. */
}

static void
show_exit(struct exit_run *run, const char *node,
          const struct model_exit *exit)
{
    char *key = xasprintf("%s/%s", exit->node, exit->name);
    char *text = NULL, *error = NULL, *state = NULL;
    bool enabled = exit->enabled;

    if (enabled && test_exit(run, node, key, &text)) {
        state = local_daemon_value(text, "state");
    }
    if (!state) {
        error = text;
        text = NULL;
    }

    const struct sndb_exit_status *row
        = status_rows_exit(session_idl(run->session), node, exit);
    output_record(run->out);
    output_string(run->out, "node", "node", node);
    output_string(run->out, "exit", "exit", key);
    output_string(run->out, "state", "state", !enabled ? "disabled"
                  : state ? state : row ? row->state : NULL);
    output_string(run->out, "tested", "tested", state ? "now"
                  : error ? error : "no: disabled");
    output_time(run->out, "since", "since",
                row && row->n_since ? row->since[0] : 0);
    output_string(run->out, "reason", "reason", row ? row->reason : NULL);
    put_tested(run, state ? text : NULL);
    run->n++;
    run->bad |= (error || (state ? !text_is_good(text)
                           : enabled && row && strcmp(row->state, "up")));
    free(key);
    free(text);
    free(error);
    free(state);
}

/* Without 'only': those that this host uses, or if it is no node, all. */
static void
show_exits(struct exit_run *run, const char *only)
{
    const struct model *model = session_model(run->session);
    const struct shash_node **nodes = shash_sort(&model->nodes);
    const struct shash_node **exits = shash_sort(&model->exits);

    output_begin(run->out, "exits", OUTPUT_LIST, NULL);
    for (size_t i = 0; i < shash_count(&model->nodes); i++) {
        const char *node = nodes[i]->name;

        for (size_t j = 0; j < shash_count(&model->exits); j++) {
            const struct model_exit *exit = exits[j]->data;

            if (model_exit_is_used(model, exit, node)
                && (only ? !strcmp(only, exits[j]->name)
                    : !run->local || !strcmp(node, run->local))) {
                show_exit(run, node, exit);
            }
        }
    }
    free(nodes);
    free(exits);
}

static char *
find_local_node(void)
{
    char *text, *node = NULL;

    if (local_daemon_ask(AGENT, "status", &text) == LOCAL_DAEMON_ANSWERS) {
        node = local_daemon_value(text, "node");
    }
    free(text);
    return node;
}

/* The name alone is near enough: one node has it, mostly. */
static void
fail_unknown(const struct model *model, const char *name)
{
    const struct shash_node *node;
    struct suggest suggest;

    suggest_init(&suggest, name);
    SHASH_FOR_EACH (node, &model->exits) {
        const struct model_exit *exit = node->data;

        suggest_offer(&suggest, node->name);
        if (!strcmp(exit->name, name)) {
            suggest.best = node->name;
            break;
        }
    }
    if (suggest.best) {
        command_fail("there is no exit \"%s\": did you mean \"%s\"?", name,
                     suggest.best);
    } else {
        command_fail("there is no exit \"%s\"; socknet nodes lists them",
                     name);
    }
}

int
cmd_exit(struct command_context *ctx, int argc, char *argv[])
{
    static const struct option options[] = { { NULL, 0, NULL, 0 } };

    if (command_getopt(argc, argv, options) != -1) {
        return EXIT_ERROR;
    }
    if (argc - optind < 1 || argc - optind > 2
        || strcmp(argv[optind], "test")) {
        return command_misused("exit", "give test, and one NODE/EXIT at most");
    }

    const char *only = argv[optind + 1];
    struct session *session = session_open(ctx);
    if (!session) {
        return EXIT_ERROR;
    } else if (only && !model_get_exit(session_model(session), only)) {
        fail_unknown(session_model(session), only);
        session_close(session);
        return EXIT_ERROR;
    }

    struct exit_run run = {
        .session = session, .out = output_create(ctx->json, "exit"),
        .local = find_local_node(),
    };
    show_exits(&run, only);
    if (!run.n) {
        output_note(run.out, "no exits");
    } else if (!run.local) {
        output_note(run.out, "no agent runs on this host: ask there");
    }
    output_finish(run.out);
    free(run.local);
    session_close(session);
    return run.bad ? EXIT_ERROR : EXIT_OK;
}
