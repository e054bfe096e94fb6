#include <config.h>
#include "lib/ofproto-trace.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-port.h"
#include "packets.h"
#include "util.h"

/* Writing.
 *
 * OVS's flow_format() writes names of fields, those of ports, that the command
 * does not read again. */

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
    ds_put_cstr(s, ",ct_state=");
    format_flags(s, ct_state_to_string, f->ct_state, '|');
    ds_put_format(s, ",ct_nw_proto=%u", f->ct_nw_proto);
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
ofproto_trace_format_flow(const struct flow *f, const struct flow *tuple,
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

static void
add_step(struct ofproto_trace *t, const struct ofproto_trace_step *step)
{
    if (t->n_steps >= OFPROTO_TRACE_MAX_STEPS) {
        return;
    }
    if (t->n_steps >= t->allocated_steps) {
        t->steps = x2nrealloc(t->steps, &t->allocated_steps,
                              sizeof *t->steps);
    }
    t->steps[t->n_steps++] = *step;
}

/* "12. ip,reg3=0x1/0x1, priority 100, cookie 0x53010000000c000a",
 * "16. priority 0", "32. No match."  A cookie that is 0 is not printed. */
static bool
parse_step(const char *line, struct ofproto_trace *t)
{
    struct ofproto_trace_step step = { .matched = true };
    const char *priority = strstr(line, "priority ");
    const char *cookie = strstr(line, ", cookie 0x");
    char *end;
    unsigned long int table;

    if (!isdigit((unsigned char) line[0])) {
        return false;
    }
    table = strtoul(line, &end, 10);
    if (table > UINT8_MAX || strncmp(end, ". ", 2)) {
        return false;
    }
    step.table_id = table;
    step.matched = strncmp(end + 2, "No match", 8) != 0;
    if (step.matched && priority) {
        ovs_scan(priority, "priority %"SCNu16, &step.priority);
    }
    if (step.matched && cookie) {
        ovs_scan(cookie, ", cookie 0x%"SCNx64, &step.cookie);
    }
    add_step(t, &step);
    return true;
}

static bool
skip(const char **line, const char *prefix)
{
    size_t len = strlen(prefix);

    if (strncmp(*line, prefix, len)) {
        return false;
    }
    *line += len;
    return true;
}

/* "ct(zone=21315),recirc(0x1)", "set(eth(dst=...)),b0,p0x32769", "drop" */
static void
parse_actions(const char *s, struct ofproto_trace *t)
{
    t->dropped = !strcmp(s, "drop");
    while (*s) {
        const char *start = s;

        for (int depth = 0; *s && (depth || *s != ','); s++) {
            depth += (*s == '(') - (*s == ')');
        }
        svec_add_nocopy(&t->actions, xmemdup0(start, s - start));
        s += *s == ',';
    }
}

/* The value of "KEY=" in 'list', without brackets, to free; or NULL. */
static char *
find_value(const char *list, const char *key)
{
    size_t len = strlen(key);

    for (const char *p = list; (p = strstr(p, key)); p += len) {
        if ((p == list || p[-1] == ',') && p[len] == '=') {
            p += len + 1;
            p += p[0] == '[';
            return xmemdup0(p, strcspn(p, ",] \n"));
        }
    }
    return NULL;
}

/* "nw_src=...,tp_src=...,nw_dst=10.0.0.5,tp_dst=80" */
static void
parse_nat(const char *list, struct ofproto_trace *t)
{
    char *dst = find_value(list, "nw_dst");
    char *port = find_value(list, "tp_dst");

    if (!dst) {
        dst = find_value(list, "ipv6_dst");
    }
    if (dst && dst[0]) {
        free(t->nat_dst);
        t->nat_dst = dst;
        t->nat_port = port ? strtoul(port, NULL, 10) : 0;
    } else {
        free(dst);
    }
    free(port);
}

static void
begin_section(struct ofproto_trace *t)
{
    t->output = OFPP_NONE;
    t->dropped = false;
}

static void
parse_output(const char *port, struct ofproto_trace *t)
{
    uint16_t number;

    t->output = ovs_scan(port, "%"SCNu16, &number) && number
                ? u16_to_ofp(number) : OFPP_NONE;
}

static void
parse_line(const char *line, struct ofproto_trace *t)
{
    line += strspn(line, " ");
    if (parse_step(line, t)) {
        return;
    } else if (skip(&line, "recirc(")) {
        begin_section(t);
    } else if (skip(&line, "output:")) {
        parse_output(line, t);
    } else if (!strcmp(line, "LOCAL")) {
        t->output = OFPP_LOCAL;
    } else if (skip(&line, "-> using bucket ")) {
        ovs_scan(line, "%"SCNu32, &t->bucket_id);
    } else if (skip(&line, "Datapath actions: ")) {
        parse_actions(line, t);
    } else if (skip(&line, "Modified flow: ")) {
        parse_nat(line, t);
    } else if (skip(&line, ">>>> ")) {
        if (!t->error) {
            t->error = xmemdup0(line, strcspn(line, "<"));
        }
    } else if (!strncmp(line, "Translation failed", 18)) {
        free(t->failure);
        t->failure = xstrdup(line);
    }
}

void
ofproto_trace_parse(const char *text, struct ofproto_trace *t)
{
    *t = (struct ofproto_trace) { .actions = SVEC_EMPTY_INITIALIZER };
    begin_section(t);
    while (*text) {
        size_t len = strcspn(text, "\n");
        char *line = xmemdup0(text, len);

        parse_line(line, t);
        free(line);
        text += len + (text[len] == '\n');
    }
}

void
ofproto_trace_uninit(struct ofproto_trace *t)
{
    free(t->steps);
    svec_destroy(&t->actions);
    free(t->nat_dst);
    free(t->error);
    free(t->failure);
}
