#ifndef SN_ROTATION_H
#define SN_ROTATION_H 1

/* The node's key over time: loaded, rotated, given up when it was revoked.
 *
 * A rotation breaks no tunnel:
 *
 *     this node                          the others
 *     makes the next pair, tells it  ->  take a note, and tell that they have
 *     all that live have it: tells
 *     that it is the key now         ->  wait
 *     sees that in the database,
 *     switches, tells that there is
 *     no next one any more           ->  move the prefixes to a peer with that
 *                                        key, drop the former, shake hands
 *
 * Once its key is another, WireGuard sends nothing in the old sessions; it
 * still takes what comes in them.  So this node keeps back what it has for the
 * others until they have changed over (see agent/handover.h), and nothing is
 * lost, although a prefix is one peer's alone.
 *
 * What counts is what the database says; an agent that is killed in between
 * goes on where it was. */

#include <stdbool.h>
#include <stdint.h>

struct central;
struct keyring;
struct mesh;
struct plan;
struct psks;
struct sset;

struct rotation {
    int64_t epoch;              /* Rotation that the key came from; -1. */
    bool commit;                /* The next key is to be told as the key. */
    bool pending;               /* One is asked for, and not done. */
    long long int waits_since;  /* time_msec(); 0: waits for nobody. */
};

void rotation_init(struct rotation *);

/* Before mesh_run(). */
void rotation_run(struct rotation *, struct mesh *, const struct plan *,
                  const struct psks *, const struct central *,
                  struct sset *problems);

/* When rotation_run() is to be called again at the latest, time_msec(): whom
 * it waits for can have been ready before this agent was. */
long long int rotation_next_ms(const struct rotation *);

/* What to report.  Base64, to free; NULL: none. */
char *rotation_public_key(const struct rotation *, const struct keyring *);
char *rotation_next_key(const struct rotation *, const struct keyring *);
int64_t rotation_epoch(const struct rotation *, const struct plan *);

#endif /* agent/rotation.h */
