#include <config.h>

#include "cli/scratch-trace.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/scratch-switch.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-port.h"
#include "packets.h"
#include "util.h"

/* Writing. */

static void
put_addresses(const struct flow *f, struct ds *s)
{
    if (f->dl_type == htons(ETH_TYPE_IP)) {
        ds_put_format(s, ",nw_src="IP_FMT",nw_dst="IP_FMT, IP_ARGS(f->nw_src),
                      IP_ARGS(f->nw_dst));
    } else {
        ds_put_cstr(s, ",ipv6_src=");
        ipv6_format_addr(&f->ipv6_src, s);
        ds_put_cstr(s, ",ipv6_dst=");
        ipv6_format_addr(&f->ipv6_dst, s);
    }
}

/* Each protocol has names of its own for the two. */
static void
put_ports(const struct flow *f, struct ds *s)
{
    bool is_v4 = f->dl_type == htons(ETH_TYPE_IP);
    const char *name = f->nw_proto == IPPROTO_TCP ? "tcp"
                       : f->nw_proto == IPPROTO_UDP ? "udp" : "sctp";

    if (f->nw_proto == (is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
        name = is_v4 ? "icmp" : "icmpv6";
        ds_put_format(s, ",%s_type=%u,%s_code=%u", name, ntohs(f->tp_src),
                      name, ntohs(f->tp_dst));
    } else {
        ds_put_format(s, ",%s_src=%u,%s_dst=%u", name, ntohs(f->tp_src),
                      name, ntohs(f->tp_dst));
    }
}

static void
put_tuple(const struct flow *f, struct ds *s)
{
    ds_put_format(s, ",ct_state=trk|new,ct_nw_proto=%u", f->ct_nw_proto);
    if (f->dl_type == htons(ETH_TYPE_IP)) {
        ds_put_format(s, ",ct_nw_src="IP_FMT",ct_nw_dst="IP_FMT,
                      IP_ARGS(f->ct_nw_src), IP_ARGS(f->ct_nw_dst));
    } else {
        ds_put_cstr(s, ",ct_ipv6_src=");
        ipv6_format_addr(&f->ct_ipv6_src, s);
        ds_put_cstr(s, ",ct_ipv6_dst=");
        ipv6_format_addr(&f->ct_ipv6_dst, s);
    }
    ds_put_format(s, ",ct_tp_src=%u,ct_tp_dst=%u", ntohs(f->ct_tp_src),
                  ntohs(f->ct_tp_dst));
}

void
scratch_trace_format_flow(const struct flow *f, const struct flow *tuple,
                          uint32_t hash, struct ds *s)
{
    ds_put_cstr(s, "in_port=");
    ofputil_format_port(f->in_port.ofp_port, NULL, s);
    ds_put_format(s, ",dl_src="ETH_ADDR_FMT",dl_dst="ETH_ADDR_FMT
                  ",dl_type=0x%04x,nw_proto=%u,nw_ttl=%u",
                  ETH_ADDR_ARGS(f->dl_src), ETH_ADDR_ARGS(f->dl_dst),
                  ntohs(f->dl_type), f->nw_proto, f->nw_ttl);
    put_addresses(f, s);
    put_ports(f, s);
    ds_put_format(s, ",dp_hash=%"PRIu32, hash);
    if (tuple->ct_nw_proto) {
        put_tuple(tuple, s);
    }
}

/* Reading. */

char *
scratch_port_name(size_t bridge, ofp_port_t port)
{
    return port == OFPP_LOCAL ? xasprintf("b%"PRIuSIZE, bridge)
           : xasprintf("p%"PRIuSIZE"x%"PRIu32, bridge,
                       (uint32_t) ofp_to_u16(port));
}

static void
add_step(struct scratch_trace *t, const struct scratch_step *step)
{
    if (t->n_steps >= t->allocated_steps) {
        t->steps = x2nrealloc(t->steps, &t->allocated_steps,
                              sizeof *t->steps);
    }
    t->steps[t->n_steps++] = *step;
}

static void
add_output(struct scratch_trace *t, ofp_port_t port)
{
    if (t->n_outputs >= t->allocated_outputs) {
        t->outputs = x2nrealloc(t->outputs, &t->allocated_outputs,
                                sizeof *t->outputs);
    }
    t->outputs[t->n_outputs++] = port;
}

/* "12. ip,reg3=0x1/0x1, priority 100, cookie 0x53010000000c000a",
 * "16. priority 0, cookie 0x5301000000100007", "32. No match." */
static void
parse_step(const char *line, struct scratch_trace *t)
{
    struct scratch_step step = { .matched = true };
    const char *priority = strstr(line, "priority ");
    const char *cookie = strstr(line, "cookie 0x");
    int n = 0;

    if (!ovs_scan(line, "%"SCNu8". %n", &step.table_id, &n) || !n) {
        return;
    }
    if (!priority) {
        step.matched = false;
    } else {
        ovs_scan(priority, "priority %"SCNu16, &step.priority);
        if (cookie) {
            ovs_scan(cookie, "cookie 0x%"SCNx64, &step.cookie);
        }
    }
    add_step(t, &step);
}

/* "ct(zone=21315),recirc(0x1)", "set(eth(dst=...)),b0,p0x32769", "drop": what
 * is not in parentheses and has a port's name is an output. */
static void
parse_actions(const char *s, struct scratch_trace *t)
{
    while (*s && *s != '\n') {
        uint16_t bridge, number;
        int depth = 0;

        if (ovs_scan(s, "p%"SCNu16"x%"SCNu16, &bridge, &number)) {
            add_output(t, u16_to_ofp(number));
        } else if (*s == 'b' && isdigit((unsigned char) s[1])) {
            add_output(t, OFPP_LOCAL);
        }
        for (; *s && *s != '\n' && (depth || *s != ','); s++) {
            depth += (*s == '(') - (*s == ')');
        }
        s += *s == ',';
    }
}

void
scratch_trace_parse(const char *text, struct scratch_trace *t)
{
    static const char actions[] = "Datapath actions: ";
    static const char bucket[] = "-> using bucket ";

    *t = (struct scratch_trace) { .n_steps = 0 };
    for (const char *line = text; *line; ) {
        size_t len = strcspn(line, "\n");
        const char *start = line + strspn(line, " ");

        /* A step stands in the first columns, what it does further in. */
        if (start - line < 2 && isdigit((unsigned char) *start)) {
            char *s = xmemdup0(start, len - (start - line));

            parse_step(s, t);
            free(s);
        } else if (!strncmp(line, actions, strlen(actions))) {
            parse_actions(line + strlen(actions), t);
        } else if (!strncmp(start, bucket, strlen(bucket))) {
            ovs_scan(start + strlen(bucket), "%"SCNu32, &t->bucket_id);
        } else if (!strncmp(line, "Translation failed", 18)) {
            free(t->failure);
            t->failure = xmemdup0(line, len);
        }
        line += len + (line[len] == '\n');
    }
}

void
scratch_trace_uninit(struct scratch_trace *t)
{
    free(t->steps);
    free(t->outputs);
    free(t->failure);
}
