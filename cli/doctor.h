#ifndef SN_DOCTOR_H
#define SN_DOCTOR_H 1

/* `socknet doctor`: what an experienced operator would look at on a host,
 * check by check.  Everything is looked at, nothing is changed.
 *
 * A check is one small function in a table (cmd-doctor.c); it reports at
 * least one verdict.  What cannot be seen, for lack of root or of a program,
 * is reported as that. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "compiler.h"

struct command_context;
struct json;
struct model;
struct model_node;
struct output;
struct session;

enum doctor_verdict {
    DOCTOR_OK,
    DOCTOR_UNKNOWN,             /* It could not be seen. */
    DOCTOR_WARN,                /* It works, or not always. */
    DOCTOR_FAIL,
    DOCTOR_N_VERDICTS
};

struct doctor {
    const struct command_context *ctx;
    struct output *out;
    const char *check;          /* The one that runs. */
    size_t n[DOCTOR_N_VERDICTS];

    /* What the checks share.  Without the database: NULL, and the defaults. */
    struct session *session;
    char *no_database;          /* Why there is none. */
    const struct model *model;
    const struct model_node *node;
    const char *node_name;
    const char *mesh;           /* Interface. */
    uint16_t listen_port;
    const char *pki_dir;
    bool has_bridge;            /* The switch has told of it, and */
    bool netdev;                /* its datapath is in user space. */
    bool has_ipv6;              /* The mesh has IPv6 subnets. */
};

/* 'remedy' is what to do about it, or NULL. */
void doctor_report(struct doctor *, enum doctor_verdict, const char *remedy,
                   const char *format, ...) OVS_PRINTF_FORMAT(4, 5);

/* Runs a program, for 5 s at most.  Returns what it printed, or NULL if it is
 * missing or failed; then '*ret_error' (if not NULL) says why.  The caller
 * frees both. */
char *doctor_run(char **ret_error, const char *program, ...)
    SENTINEL(0);
/* The same of a program that prints JSON. */
struct json *doctor_run_json(char **ret_error, const char *program, ...)
    SENTINEL(0);

/* The first line of a file such as those in /proc/sys; NULL if it cannot be
 * read.  The caller frees. */
char *doctor_read(const char *path_format, ...) OVS_PRINTF_FORMAT(1, 2);
/* -1: cannot be read, or is no number. */
int64_t doctor_read_int(const char *path_format, ...) OVS_PRINTF_FORMAT(1, 2);
bool doctor_link_exists(const char *name);

/* Members of JSON as programs print it; "" and 'otherwise' if missing. */
const char *doctor_json_string(const struct json *, const char *key);
int64_t doctor_json_int(const struct json *, const char *key,
                        int64_t otherwise);

/* The interface by which the outer packets of the mesh leave, or NULL; the
 * caller frees. */
char *doctor_find_uplink(const struct doctor *);

/* The checks. */
/* doctor-host.c */
void doctor_daemons(struct doctor *);
void doctor_database(struct doctor *);
void doctor_agent_problems(struct doctor *);
void doctor_clock(struct doctor *);
void doctor_disk(struct doctor *);
/* doctor-keys.c */
void doctor_certificates(struct doctor *);
void doctor_keys(struct doctor *);
/* doctor-switch.c */
void doctor_modules(struct doctor *);
void doctor_switch(struct doctor *);
void doctor_bridge(struct doctor *);
void doctor_checksums(struct doctor *);
/* doctor-kernel.c */
void doctor_forwarding(struct doctor *);
void doctor_rp_filter(struct doctor *);
void doctor_mtu(struct doctor *);
void doctor_neighbours(struct doctor *);
void doctor_conntrack(struct doctor *);
/* doctor-firewall.c */
void doctor_firewall(struct doctor *);
/* doctor-routes.c */
void doctor_rules(struct doctor *);
/* doctor-net.c */
void doctor_wireguard(struct doctor *);
void doctor_handshakes(struct doctor *);

#endif /* cli/doctor.h */
