#ifndef SN_BACKEND_PROBE_H
#define SN_BACKEND_PROBE_H 1

/* A probe of one backend of a service: a TCP connection, or an HTTP GET.  Uses
 * libevent: the base belongs to the caller, who runs it. */

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct sn_prefix;

struct backend_probe;
struct backend_probe *backend_probe_create(struct event_base *);
void backend_probe_destroy(struct backend_probe *);

/* Begins; a probe under way is given up.  'path' is that of a GET, which has
 * to be answered with a status of 200 to 399; NULL: that the connection opens
 * is enough.  'host' is the name that the GET asks for. */
void backend_probe_start(struct backend_probe *, const struct sn_prefix *,
                         uint16_t port, const char *host, const char *path,
                         unsigned int timeout_s);
void backend_probe_cancel(struct backend_probe *);
bool backend_probe_is_running(const struct backend_probe *);

/* Returns true once when the probe has come to an end: '*ret_ok', and if it
 * failed backend_probe_reason(). */
bool backend_probe_run(struct backend_probe *, bool *ret_ok);
const char *backend_probe_reason(const struct backend_probe *);

#endif /* agent/backend-probe.h */
