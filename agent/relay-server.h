#ifndef SN_RELAY_SERVER_H
#define SN_RELAY_SERVER_H 1

/* A pair's port on a hub, UDP and TCP, in socknet-relay; and the other end of
 * its TCP, on a node that UDP does not reach. */

#include <stdint.h>
#include "agent/relay-conf.h"

struct relay_server;

struct relay_server *relay_server_create(const struct relay_conf_pair *);
void relay_server_destroy(struct relay_server *);
/* Goes on with this configuration; false if it cannot. */
bool relay_server_reconfigure(struct relay_server *,
                              const struct relay_conf_pair *);
/* Where the sides were when the last relay ended. */
void relay_server_restore(struct relay_server *,
                          const struct relay_status_pair *);
void relay_server_run(struct relay_server *);
void relay_server_wait(const struct relay_server *);
void relay_server_get_status(const struct relay_server *,
                             struct relay_status_pair *);

struct relay_client;

/* 'port': that it had when the last relay ended, or 0. */
struct relay_client *relay_client_create(const struct relay_conf_client *,
                                         uint16_t port);
void relay_client_destroy(struct relay_client *);
bool relay_client_is(const struct relay_client *,
                     const struct relay_conf_client *);
void relay_client_run(struct relay_client *);
void relay_client_wait(const struct relay_client *);
/* The caller frees the text. */
void relay_client_get_status(const struct relay_client *,
                             struct relay_status_client *);

#endif /* agent/relay-server.h */
