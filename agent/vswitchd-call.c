#include <config.h>
#include "agent/vswitchd-call.h"

#include <stdio.h>
#include <stdlib.h>

#include "dirs.h"
#include "jsonrpc.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "stream.h"
#include "timeval.h"
#include "util.h"

#define TIMEOUT_MS 5000

struct vswitchd_call {
    struct jsonrpc *rpc;        /* NULL: it cannot be reached. */
    long long int deadline_ms;
    bool silent;
};

static char *
vswitchd_socket(void)
{
    char *pidfile = xasprintf("%s/ovs-vswitchd.pid", ovs_rundir());
    FILE *f = fopen(pidfile, "re");
    char *name = NULL;
    int pid;

    if (f && fscanf(f, "%d", &pid) == 1) {
        name = xasprintf("unix:%s/ovs-vswitchd.%d.ctl", ovs_rundir(), pid);
    }
    if (f) {
        fclose(f);
    }
    free(pidfile);
    return name;
}

struct vswitchd_call *
vswitchd_call_start(const char *method, const char *const args[],
                    size_t n_args)
{
    struct vswitchd_call *call = xzalloc(sizeof *call);
    char *name = vswitchd_socket();
    struct stream *stream;

    call->deadline_ms = time_msec() + TIMEOUT_MS;
    if (name && !stream_open(name, &stream, DSCP_DEFAULT)) {
        struct json *params = json_array_create_empty();

        for (size_t i = 0; i < n_args; i++) {
            json_array_add(params, json_string_create(args[i]));
        }
        call->rpc = jsonrpc_open(stream);
        jsonrpc_send(call->rpc, jsonrpc_create_request(method, params,
                                                       NULL));
    }
    free(name);
    return call;
}

void
vswitchd_call_destroy(struct vswitchd_call *call)
{
    if (call) {
        jsonrpc_close(call->rpc);
        free(call);
    }
}

/* What an answer says; NULL: nothing, as an error. */
static char *
message_text(const struct json *json)
{
    return json && json->type == JSON_STRING ? xstrdup(json_string(json))
           : NULL;
}

bool
vswitchd_call_run(struct vswitchd_call *call, char **ret_text,
                  char **ret_error)
{
    struct jsonrpc_msg *msg;

    *ret_text = *ret_error = NULL;
    if (call->rpc) {
        jsonrpc_run(call->rpc);
        if (!jsonrpc_recv(call->rpc, &msg)) {
            *ret_text = message_text(msg->result);
            if (!*ret_text) {
                *ret_error = message_text(msg->error);
            }
            if (!*ret_text && !*ret_error) {
                *ret_text = xstrdup("");
            }
            jsonrpc_msg_destroy(msg);
            return true;
        }
    }
    if (!call->rpc || jsonrpc_get_status(call->rpc)
        || time_msec() >= call->deadline_ms) {
        call->silent = true;
        *ret_error = xstrdup(call->rpc ? "ovs-vswitchd does not answer"
                             : "ovs-vswitchd does not run");
        return true;
    }
    return false;
}

void
vswitchd_call_wait(const struct vswitchd_call *call)
{
    if (call->rpc) {
        jsonrpc_wait(call->rpc);
        jsonrpc_recv_wait(call->rpc);
        poll_timer_wait_until(call->deadline_ms);
    } else {
        poll_immediate_wake();
    }
}

bool
vswitchd_call_is_silent(const struct vswitchd_call *call)
{
    return call->silent;
}
