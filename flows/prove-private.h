#ifndef SN_PROVE_PRIVATE_H
#define SN_PROVE_PRIVATE_H 1

/* Among the files of prove. */

#include "flows/expect.h"
#include "flows/prove.h"
#include "flows/symbolic.h"

struct walk_bridge;

struct prove {
    struct proof *proof;
    const struct prove_bridge *bridge;
    struct space *space;
    struct expect expect;
    struct symbolic symbolic;
    struct walk_bridge *walk;   /* NULL: none was needed yet. */
    size_t n_told[PROVE_N_INVARIANTS];
};

/* A claim is refuted by any packet of 'bad'.  To confirm, such a packet must
 * leave by 'port' (OFPP_NONE: no matter where, OFPP_ANY: not ask), or must not
 * if 'missing'.  'text' says it of one packet; "%s" is who sends it. */
struct claim {
    enum prove_invariant invariant;
    const char *text;
    const char *to;             /* Appended, or NULL. */
    ofp_port_t port;
    bool missing;
    const struct sn_flow *flow, *other;
};
void prove_claim(struct prove *, const struct claim *, space_set bad);
/* Of what is seen without a packet. */
void prove_refute(struct prove *, enum prove_invariant,
                  const struct sn_flow *, char *text);

void prove_check_ends(struct prove *);
void prove_check_missing(struct prove *);
void prove_check_tables(struct prove *);

#endif /* flows/prove-private.h */
