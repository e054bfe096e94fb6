#include <config.h>
#include "agent/request-private.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ct-count.h"
#include "agent/vswitchd-call.h"
#include "lib/host-bridge.h"
#include "openvswitch/dynamic-string.h"
#include "smap.h"
#include "util.h"

/* The connections that the bridge knows: a line "PROTOCOL SRC SPORT DST DPORT"
 * for each that is not over, as its first packet was before and after a
 * service was translated.  At most MAX_CONNECTIONS of a zone, or what the
 * request says; "more N" tells of the others. */

enum { MAX_CONNECTIONS = 10000 };

static const int zones[] = { SN_CT_ZONE, SN_CT_SERVICE_ZONE };

struct connections {
    struct vswitchd_call *call;
    size_t zone;                /* Index into 'zones'. */
    struct ds text;
    size_t max, n_more;
};

static void
ask(struct connections *c)
{
    char *arg = xasprintf("zone=%d", zones[c->zone]);
    const char *args[] = { arg };

    c->call = vswitchd_call_start("dpctl/dump-conntrack", args, 1);
    free(arg);
}

static void *
start(struct agent *a OVS_UNUSED, const struct smap *args,
      char **ret_error OVS_UNUSED)
{
    struct connections *c = xzalloc(sizeof *c);
    int max = smap_get_int(args, "max", MAX_CONNECTIONS);

    c->max = MIN(MAX(max, 0), MAX_CONNECTIONS);

    ds_init(&c->text);
    ask(c);
    return c;
}

static void
take_dump(struct connections *c, char *text)
{
    char *rest = text, *line;
    size_t n = 0;

    while ((line = strsep(&rest, "\n")) != NULL) {
        struct ct_entry e;

        if (!ct_entry_parse(line, &e) || ct_entry_is_over(&e)) {
            continue;
        }
        if (n++ < c->max) {
            ds_put_format(&c->text, "%s %s %"PRIu16" %s %"PRIu16"\n",
                          e.proto, e.src, e.sport, e.vip, e.dport);
        } else {
            c->n_more++;
        }
    }
}

static bool
run(void *c_, struct ds *text, char **ret_error)
{
    struct connections *c = c_;
    char *dump;

    if (!vswitchd_call_run(c->call, &dump, ret_error)) {
        return false;
    }
    vswitchd_call_destroy(c->call);
    c->call = NULL;
    if (*ret_error) {
        return true;
    }
    take_dump(c, dump);
    free(dump);
    if (++c->zone < ARRAY_SIZE(zones)) {
        ask(c);
        return false;
    }
    if (c->n_more) {
        ds_put_format(&c->text, "more %"PRIuSIZE"\n", c->n_more);
    }
    ds_swap(text, &c->text);
    return true;
}

static void
wait(const void *c_)
{
    const struct connections *c = c_;

    vswitchd_call_wait(c->call);
}

static void
destroy(void *c_)
{
    struct connections *c = c_;

    vswitchd_call_destroy(c->call);
    ds_destroy(&c->text);
    free(c);
}

const struct request_class request_connections = {
    "connections", start, run, wait, destroy,
};
