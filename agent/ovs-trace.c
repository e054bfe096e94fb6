#include <config.h>
#include "agent/ovs-trace.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

static void
add_step(struct ovs_trace *t, const struct ovs_trace_step *step)
{
    if (t->n_steps >= OVS_TRACE_MAX_STEPS) {
        return;
    }
    if (t->n_steps >= t->allocated_steps) {
        t->steps = x2nrealloc(t->steps, &t->allocated_steps,
                              sizeof *t->steps);
    }
    t->steps[t->n_steps++] = *step;
}

/* "28. reg1=0x1, priority 10, cookie 0x5307...", "28. No match."  A flow
 * whose cookie is 0 is printed without. */
static bool
parse_table(const char *line, struct ovs_trace *t)
{
    struct ovs_trace_step step = { .matched = true };
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
    step.table = table;
    step.matched = strncmp(end + 2, "No match", 8) != 0;
    if (cookie) {
        step.cookie = strtoull(cookie + strlen(", cookie "), NULL, 16);
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
parse_nat(const char *list, struct ovs_trace *t)
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

/* After a recirculation, what came before is not how it leaves. */
static void
begin_section(struct ovs_trace *t)
{
    t->local = t->dropped = false;
    t->port = 0;
}

static void
parse_line(const char *line, struct ovs_trace *t)
{
    line += strspn(line, " ");
    if (parse_table(line, t)) {
        return;
    } else if (skip(&line, "recirc(")) {
        begin_section(t);
    } else if (skip(&line, "output:")) {
        t->port = strtoul(line, NULL, 10);
        t->local = false;
    } else if (!strcmp(line, "LOCAL")) {
        t->local = true;
        t->port = 0;
    } else if (skip(&line, "Datapath actions: ")) {
        t->dropped = !strcmp(line, "drop");
    } else if (skip(&line, "Modified flow: ")) {
        parse_nat(line, t);
    } else if (!t->error && (skip(&line, ">>>> ")
                             || skip(&line, "Translation failed"))) {
        t->error = xmemdup0(line, strcspn(line, "<"));
    }
}

void
ovs_trace_parse(const char *text, struct ovs_trace *t)
{
    *t = (struct ovs_trace) { .n_steps = 0 };
    while (*text) {
        size_t len = strcspn(text, "\n");
        char *line = xmemdup0(text, len);

        parse_line(line, t);
        free(line);
        text += len + (text[len] == '\n');
    }
}

void
ovs_trace_destroy(struct ovs_trace *t)
{
    free(t->steps);
    free(t->nat_dst);
    free(t->error);
}
