#include <config.h>
#include "agent/ct-count.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/vswitchd-call.h"
#include "lib/host-bridge.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/util.h"
#include "simap.h"
#include "state/model.h"
#include "state/service.h"
#include "svec.h"
#include "timeval.h"
#include "util.h"

#define INTERVAL_MS 10000
/* While something drains, or has just gone. */
#define SOON_MS 1000
/* More are left to the next time. */
#define MAX_STUCK 256

struct vip_backend {
    char *container;
    char *address;              /* Of the virtual address's family. */
    uint16_t port;
    bool down;
};

/* What a virtual address stands for. */
struct vip {
    char *service;
    struct vip_backend *backends;
    size_t n_backends;
};

struct ct_count {
    struct shash vips;          /* "PROTO ADDRESS PORT" -> struct vip. */
    struct simap counts;        /* "SERVICE/CONTAINER". */
    struct svec stuck;          /* Arguments to flush-conntrack. */
    struct vswitchd_call *call; /* While it is asked. */
    bool dumping;
    bool draining;
    long long int next_ms;
};

struct ct_count *
ct_count_create(void)
{
    struct ct_count *cc = xzalloc(sizeof *cc);

    shash_init(&cc->vips);
    simap_init(&cc->counts);
    svec_init(&cc->stuck);
    cc->next_ms = LLONG_MAX;
    return cc;
}

static void
vip_free(struct vip *vip)
{
    for (size_t i = 0; i < vip->n_backends; i++) {
        free(vip->backends[i].container);
        free(vip->backends[i].address);
    }
    free(vip->backends);
    free(vip->service);
    free(vip);
}

static void
forget_vips(struct ct_count *cc)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &cc->vips) {
        vip_free(node->data);
        shash_delete(&cc->vips, node);
    }
}

void
ct_count_destroy(struct ct_count *cc)
{
    if (cc) {
        vswitchd_call_destroy(cc->call);
        forget_vips(cc);
        shash_destroy(&cc->vips);
        simap_destroy(&cc->counts);
        svec_destroy(&cc->stuck);
        free(cc);
    }
}

static char *
vip_key(const char *proto, const char *address, uint16_t port)
{
    return xasprintf("%s %s %"PRIu16, proto, address, port);
}

static struct vip *
vip_create(const struct model *model, const struct model_service *service,
           bool is_v4)
{
    struct service_backend *backends;
    size_t n = service_get_backends(model, service, &backends);
    struct vip *vip = xzalloc(sizeof *vip);

    vip->service = xstrdup(service->name);
    vip->backends = xcalloc(n + 1, sizeof *vip->backends);
    for (size_t i = 0; i < n; i++) {
        struct sn_prefix address;
        if (service_backend_address(backends[i].container, is_v4, &address)) {
            vip->backends[vip->n_backends++] = (struct vip_backend) {
                .container = xstrdup(backends[i].container->name),
                .address = sn_prefix_addr_to_string(&address),
                .port = backends[i].port,
                .down = backends[i].down,
            };
        }
    }
    free(backends);
    return vip;
}

static bool
is_draining(const struct model_service *service)
{
    const struct simap_node *node;

    SIMAP_FOR_EACH (node, &service->weights) {
        if (!node->data) {
            return true;
        }
    }
    return false;
}

static void
add_vips(struct ct_count *cc, const struct model *model,
         const struct model_service *service)
{
    const char *proto = service->ip_proto == IPPROTO_UDP ? "udp"
                        : service->ip_proto == IPPROTO_SCTP ? "sctp" : "tcp";

    for (size_t i = 0; i < service->n_vips; i++) {
        char *address = sn_prefix_addr_to_string(&service->vips[i]);
        char *key = vip_key(proto, address, service->port);
        struct vip *old = shash_replace(
            &cc->vips, key,
            vip_create(model, service, service->vips[i].is_v4));

        if (old) {
            vip_free(old);
        }
        free(key);
        free(address);
    }
    cc->draining |= is_draining(service);
}

void
ct_count_set_model(struct ct_count *cc, const struct model *model)
{
    struct shash_node *node;

    forget_vips(cc);
    cc->draining = false;
    if (model) {
        SHASH_FOR_EACH (node, &model->services) {
            add_vips(cc, model, node->data);
        }
    }
    if (shash_is_empty(&cc->vips)) {
        simap_clear(&cc->counts);
        cc->next_ms = LLONG_MAX;
    } else {
        cc->next_ms = MIN(cc->next_ms, time_msec() + SOON_MS);
    }
}

bool
ct_entry_parse(const char *line, struct ct_entry *e)
{
    const char *state = strstr(line, "state=");

    memset(e, 0, sizeof *e);
    if (sscanf(line, "%7[a-z0-9],orig=(src=%47[^,],dst=%47[^,],"
               "sport=%"SCNu16",dport=%"SCNu16"),"
               "reply=(src=%47[^,],dst=%*[^,],sport=%"SCNu16,
               e->proto, e->src, e->vip, &e->sport, &e->dport, e->backend,
               &e->backend_port) != 7) {
        return false;
    }
    if (state) {
        sscanf(state, "state=%23[A-Z0-9_]", e->state);
    }
    return true;
}

/* The backend that an entry goes to, NULL if it is none any more. */
static const struct vip_backend *
entry_backend(const struct vip *vip, const struct ct_entry *e)
{
    for (size_t i = 0; i < vip->n_backends; i++) {
        const struct vip_backend *b = &vip->backends[i];
        if (b->port == e->backend_port && !strcmp(b->address, e->backend)) {
            return b;
        }
    }
    return NULL;
}

bool
ct_entry_is_over(const struct ct_entry *e)
{
    return !strcmp(e->state, "TIME_WAIT") || !strncmp(e->state, "CLOSE", 5);
}

static void
entry_unstick(struct ct_count *cc, const struct ct_entry *e)
{
    bool udp = !strcmp(e->proto, "udp");
    const char *family = strchr(e->vip, ':') ? "ipv6" : "nw";

    if ((udp || !strcmp(e->state, "SYN_SENT")) && cc->stuck.n < MAX_STUCK) {
        svec_add_nocopy(&cc->stuck, xasprintf(
            "ct_%s_src=%s,ct_%s_dst=%s,ct_nw_proto=%d,ct_tp_src=%"PRIu16
            ",ct_tp_dst=%"PRIu16, family, e->src, family, e->vip,
            udp ? IPPROTO_UDP : IPPROTO_TCP, e->sport, e->dport));
    }
}

static void
take_entry(struct ct_count *cc, const char *line, struct simap *counts)
{
    struct ct_entry e;

    if (!ct_entry_parse(line, &e)) {
        return;
    }
    char *key = vip_key(e.proto, e.vip, e.dport);
    const struct vip *vip = shash_find_data(&cc->vips, key);
    free(key);
    const struct vip_backend *b = vip ? entry_backend(vip, &e) : NULL;
    if (vip && (!b || b->down)) {
        entry_unstick(cc, &e);
    }
    if (b && !ct_entry_is_over(&e)) {
        key = xasprintf("%s/%s", vip->service, b->container);
        simap_increase(counts, key, 1);
        free(key);
    }
}

/* Returns whether the numbers are others now. */
static bool
take_dump(struct ct_count *cc, char *text)
{
    struct simap counts = SIMAP_INITIALIZER(&counts);
    char *rest = text, *line;

    while ((line = strsep(&rest, "\n")) != NULL) {
        take_entry(cc, line, &counts);
    }
    bool changed = !simap_equal(&counts, &cc->counts);
    simap_swap(&counts, &cc->counts);
    simap_destroy(&counts);
    return changed;
}

/* Asking. */

/* Calls a command of ovs-vswitchd with the zone and perhaps one argument
 * more. */
static void
call(struct ct_count *cc, const char *method, const char *arg)
{
    char *zone = xasprintf("zone=%d", SN_CT_SERVICE_ZONE);
    const char *args[] = { zone, arg };

    cc->call = vswitchd_call_start(method, args, arg ? 2 : 1);
    free(zone);
}

static void
begin(struct ct_count *cc)
{
    cc->next_ms = time_msec() + (cc->draining ? SOON_MS : INTERVAL_MS);
    cc->dumping = true;
    call(cc, "dpctl/dump-conntrack", NULL);
}

/* Goes on with what is to be flushed, or ends. */
static void
go_on(struct ct_count *cc)
{
    cc->dumping = false;
    if (cc->stuck.n) {
        char *arg = cc->stuck.names[--cc->stuck.n];

        call(cc, "dpctl/flush-conntrack", arg);
        free(arg);
    }
}

bool
ct_count_run(struct ct_count *cc)
{
    bool changed = false, silent = false;
    char *text, *error;

    if (!cc->call) {
        if (time_msec() >= cc->next_ms) {
            begin(cc);
        }
        return false;
    }
    if (!vswitchd_call_run(cc->call, &text, &error)) {
        return false;
    }
    silent = vswitchd_call_is_silent(cc->call);
    vswitchd_call_destroy(cc->call);
    cc->call = NULL;
    if (cc->dumping && text) {
        changed = take_dump(cc, text);
    }
    free(text);
    free(error);
    if (silent) {
        svec_clear(&cc->stuck);
    } else {
        go_on(cc);
    }
    return changed;
}

void
ct_count_wait(const struct ct_count *cc)
{
    if (cc->call) {
        vswitchd_call_wait(cc->call);
    } else if (cc->next_ms != LLONG_MAX) {
        poll_timer_wait_until(cc->next_ms);
    }
}

int64_t
ct_count_get(const struct ct_count *cc, const char *service,
             const char *container)
{
    char *key = xasprintf("%s/%s", service, container);
    int64_t n = simap_get(&cc->counts, key);

    free(key);
    return n;
}
