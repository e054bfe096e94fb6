#ifndef SN_GUESTS_H
#define SN_GUESTS_H 1

/* The device by which guests come in (vpn_server): its key, peers, addresses
 * and routing.  Who has expired is let in no more: this is where the clock
 * counts. */

#include <stdbool.h>
#include "agent/wg.h"

struct guests;
struct links;
struct nlk;
struct plan;
struct plan_client;
struct route_list;
struct sset;

/* The device carries this alias (`ip link`). */
#define GUESTS_LINK_ALIAS "socknet guests"

struct guests *guests_create(const char *state_dir);
void guests_destroy(struct guests *);

/* Sets down what an agent made and 'plan' does not have, before the rules go
 * that guard it. */
void guests_close(struct nlk *, const struct links *, const struct plan *);
/* Brings the device to what 'plan' says, or removes it.  May read 'links'
 * anew.  False while the device is being made, or after an error (in
 * 'problems'). */
bool guests_run(struct guests *, struct nlk *, struct links *,
                const struct plan *, struct sset *problems);
/* Whether guests_run() waits for something that no event tells. */
bool guests_is_starting(const struct guests *);
/* When the next guest expires (time_msec()), or LLONG_MAX. */
long long int guests_next_ms(const struct guests *);

/* Their way through the host: adds what guests may be routed to. */
void guests_add_routes(struct nlk *, const struct links *, const struct plan *,
                       struct route_list *);

/* NULL until there is a key. */
const struct wg_key *guests_public_key(const struct guests *);
/* As read last. */
const struct wg_device *guests_device(const struct guests *);
/* "admitted", "expired", "revoked". */
const char *guests_client_state(const struct plan_client *);

/* Removes the device that an agent made. */
int guests_cleanup(struct nlk *, const struct links *);

#endif /* agent/guests.h */
