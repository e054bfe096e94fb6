#ifndef SN_DNS_FORWARD_H
#define SN_DNS_FORWARD_H 1

/* Queries for names of others, handed to resolvers as they came.
 *
 * Each has a socket of its own, so that the kernel drops what comes from
 * anybody but the resolver asked, and an id and port that nobody can guess.
 * One with a device is bound to it: if that cannot carry it, nothing else
 * does.  A resolver that is silent or unwilling is followed by the next. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct sn_prefix;

/* 'reply' has the id of the query; NULL: nobody answered. */
typedef void dns_forward_cb(const uint8_t *reply, size_t n, void *aux);

struct dns_forward {
    const uint8_t *msg;         /* Copied. */
    size_t n;
    size_t question_len;
    bool tcp;
    const char *device;         /* NULL: as the host routes. */
    dns_forward_cb *cb;         /* Not before dns_forwarder_ask() returns. */
    void *aux;
};

struct dns_forwarder *dns_forwarder_create(struct event_base *);
/* Forgets what is pending, without a callback. */
void dns_forwarder_destroy(struct dns_forwarder *);
/* Forgets those of devices. */
void dns_forwarder_set_resolvers(struct dns_forwarder *,
                                 const struct sn_prefix *, size_t n);
/* Whom to ask instead by this device. */
void dns_forwarder_set_device_resolvers(struct dns_forwarder *,
                                        const char *device,
                                        const struct sn_prefix *, size_t n);

/* Whom it asks first by the device; NULL: nobody. */
const struct sn_prefix *dns_forwarder_resolver(const struct dns_forwarder *,
                                               const char *device);

/* NULL if no resolver could be sent to. */
struct dns_pending *dns_forwarder_ask(struct dns_forwarder *,
                                      const struct dns_forward *);
/* No callback after this, nor after the callback itself. */
void dns_pending_cancel(struct dns_pending *);

/* Resolvers of /etc/resolv.conf, which is only read.  Caller frees. */
size_t dns_read_resolv_conf(const char *path, struct sn_prefix **ret);

#endif /* agent/dns-forward.h */
