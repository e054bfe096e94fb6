#ifndef SN_OFCONN_H
#define SN_OFCONN_H 1

/* The OpenFlow 1.5 connection to one bridge.
 *
 * Reconnects by itself, to a restarted switch within some 20 ms.  Echo
 * requests are answered here, and the switch is told on each connection which
 * asynchronous messages to send (port status, others' group and meter
 * changes, no packets). */

#include <stdbool.h>

struct ofconn;
struct ofpbuf;

/* For all that are made later: instead of to "unix:FOLDER/NAME", connect to
 * NAME in 'dir', where somebody passes on what is said.  Whether the switch is
 * there is still seen at FOLDER. */
void ofconn_set_via(const char *dir);

/* 'name' is for the log. */
struct ofconn *ofconn_create(const char *name, const char *target);
void ofconn_destroy(struct ofconn *);
void ofconn_run(struct ofconn *);
void ofconn_wait(struct ofconn *);

bool ofconn_is_connected(const struct ofconn *);
/* Increases with each new connection: what was known of the switch is void. */
unsigned int ofconn_seqno(const struct ofconn *);
const char *ofconn_target(const struct ofconn *);
/* Why there is no connection: as an errno (0: no answer yet), and in words. */
int ofconn_error(const struct ofconn *);
const char *ofconn_failure(const struct ofconn *);

/* Takes ownership of the message. */
void ofconn_send(struct ofconn *, struct ofpbuf *);
/* The next message that is not about the connection itself, or NULL.  The
 * caller frees it. */
struct ofpbuf *ofconn_recv(struct ofconn *);

#endif /* controller/ofconn.h */
