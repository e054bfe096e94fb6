#ifndef SN_ROTATION_H
#define SN_ROTATION_H 1

/* The node's key over time: loaded, rotated, given up when it was revoked.
 *
 * A rotation breaks no tunnel:
 *
 *     this node                          the others
 *     makes the next pair, tells it  ->  add a peer with that key, without
 *                                        prefixes, and tell that they have it
 *     all that live have it: tells
 *     that it is the key now         ->  move the prefixes to that peer, drop
 *     sees that in the database,         the former
 *     switches and shakes hands
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
    bool greet;                 /* The key is new: shake hands. */
    long long int waits_since;  /* time_msec(); 0: waits for nobody. */
};

void rotation_init(struct rotation *);

/* Before mesh_run(). */
void rotation_run(struct rotation *, struct mesh *, const struct plan *,
                  const struct psks *, const struct central *,
                  struct sset *problems);
/* After mesh_run() succeeded. */
void rotation_greet(struct rotation *, const struct plan *);

/* What to report.  Base64, to free; NULL: none. */
char *rotation_public_key(const struct rotation *, const struct keyring *);
char *rotation_next_key(const struct rotation *, const struct keyring *);
int64_t rotation_epoch(const struct rotation *, const struct plan *);

#endif /* agent/rotation.h */
