#ifndef SN_RELAY_CONN_H
#define SN_RELAY_CONN_H 1

/* Messages of WireGuard over TCP: each behind its length, two octets in
 * network order.  As with UDP, what does not fit into the queue is lost. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Of a UDP datagram that WireGuard sends, with some room. */
#define RELAY_MAX_MESSAGE 4096

struct relay_conn;

/* Takes over 'fd', connected or connecting. */
struct relay_conn *relay_conn_create(int fd);
void relay_conn_destroy(struct relay_conn *);

/* Begins to connect.  0 or errno. */
int relay_conn_connect(const struct sockaddr_storage *,
                       struct relay_conn **ret_conn);

/* 0 while it lives, EOF when the other end closed, or errno. */
int relay_conn_run(struct relay_conn *);
void relay_conn_wait(const struct relay_conn *);
bool relay_conn_is_connected(const struct relay_conn *);

/* Takes a message; 0: there is none.  Else its length. */
size_t relay_conn_receive(struct relay_conn *,
                          uint8_t message[RELAY_MAX_MESSAGE]);
void relay_conn_send(struct relay_conn *, const void *message, size_t n);

#endif /* agent/relay-conn.h */
