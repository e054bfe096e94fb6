#include <config.h>
#include "agent/psk.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "agent/central.h"
#include "agent/keys.h"
#include "agent/plan.h"
#include "util.h"

#define SEALED_LEN (crypto_box_NONCEBYTES + crypto_box_MACBYTES + WG_KEY_LEN)
#define SEALED_LEN_BASE64 \
    sodium_base64_ENCODED_LEN(SEALED_LEN, sodium_base64_VARIANT_ORIGINAL)
#define DIGEST_LEN 16

BUILD_ASSERT_DECL(crypto_box_PUBLICKEYBYTES == WG_KEY_LEN);
BUILD_ASSERT_DECL(crypto_box_SECRETKEYBYTES == WG_KEY_LEN);

/* A key and the box in which it is told. */
struct psk_secret {
    bool known;
    struct wg_key psk;
    char *sealed;
};

struct psk_pair {
    struct psk_secret now;
    struct psk_secret peer_next;        /* With the peer's next key. */
    struct psk_secret own_next; /* With this node's next key. */
    char taken[DIGEST_LEN + 1]; /* Of 'now'. */
    bool agreed;                /* 'now' was, before a rotation. */
    bool maker;
};

char *
psk_seal(const struct wg_key *psk, const struct wg_key *to_public,
         const struct wg_key *from_private)
{
    unsigned char box[SEALED_LEN];
    char *text;

    randombytes_buf(box, crypto_box_NONCEBYTES);
    if (crypto_box_easy(box + crypto_box_NONCEBYTES, psk->bytes, WG_KEY_LEN,
                        box, to_public->bytes, from_private->bytes)) {
        return NULL;            /* A public key of small order. */
    }
    text = xmalloc(SEALED_LEN_BASE64);
    sodium_bin2base64(text, SEALED_LEN_BASE64, box, sizeof box,
                      sodium_base64_VARIANT_ORIGINAL);
    return text;
}

bool
psk_open(const char *sealed, const struct wg_key *from_public,
         const struct wg_key *to_private, struct wg_key *ret_psk)
{
    unsigned char box[SEALED_LEN];
    struct wg_key psk;
    size_t len;
    bool ok = (sealed
               && !sodium_base642bin(box, sizeof box, sealed, strlen(sealed),
                                     NULL, &len, NULL,
                                     sodium_base64_VARIANT_ORIGINAL)
               && len == sizeof box
               && !crypto_box_open_easy(psk.bytes,
                                        box + crypto_box_NONCEBYTES,
                                        sizeof box - crypto_box_NONCEBYTES,
                                        box, from_public->bytes,
                                        to_private->bytes)
               && !wg_key_is_zero(&psk));

    if (ok) {
        *ret_psk = psk;
    }
    sodium_memzero(&psk, sizeof psk);
    return ok;
}

/* Tells offers apart, and says nothing about the key. */
static void
digest(const char *sealed, char text[DIGEST_LEN + 1])
{
    unsigned char hash[crypto_generichash_BYTES_MIN];

    crypto_generichash(hash, sizeof hash, (const unsigned char *) sealed,
                       strlen(sealed), NULL, 0);
    sodium_bin2hex(text, DIGEST_LEN + 1, hash, DIGEST_LEN / 2);
}

static void
secret_clear(struct psk_secret *s)
{
    free(s->sealed);
    sodium_memzero(s, sizeof *s);
}

static bool
secret_open(struct psk_secret *s, const char *sealed,
            const struct wg_key *public, const struct wg_key *private)
{
    struct wg_key psk;

    /* crypto_box's key is the same from either side: a maker opens what it
     * has sealed itself. */
    if (!psk_open(sealed, public, private, &psk)) {
        return false;
    }
    char *copy = xstrdup(sealed);
    secret_clear(s);
    s->known = true;
    s->psk = psk;
    s->sealed = copy;
    sodium_memzero(&psk, sizeof psk);
    return true;
}

static void
secret_make(struct psk_secret *s, const struct wg_key *public,
            const struct wg_key *private)
{
    secret_clear(s);
    randombytes_buf(s->psk.bytes, sizeof s->psk.bytes);
    s->sealed = psk_seal(&s->psk, public, private);
    s->known = s->sealed != NULL;
}

enum { FOUND_HAD = -1, FOUND_NOWHERE = -2 };

/* Finds the key for a pair of WireGuard keys in the boxes of 'texts', or makes
 * one.  The maker goes on with what it has, for the database may be slower.
 * Returns which text it was, or one of the above. */
static int
secret_find(struct psk_secret *s, bool maker, const char *const texts[],
            size_t n, const struct wg_key *public,
            const struct wg_key *private)
{
    char *had = nullable_xstrdup(s->sealed);
    bool found = maker && secret_open(s, had, public, private);

    free(had);
    if (found) {
        return FOUND_HAD;
    }
    for (size_t i = 0; i < n; i++) {
        if (secret_open(s, texts[i], public, private)) {
            return i;
        }
    }
    if (maker) {
        secret_make(s, public, private);
    } else {
        secret_clear(s);
    }
    return FOUND_NOWHERE;
}

void
psks_init(struct psks *psks)
{
    shash_init(&psks->pairs);
}

static void
pair_free(struct psk_pair *pair)
{
    secret_clear(&pair->now);
    secret_clear(&pair->peer_next);
    secret_clear(&pair->own_next);
    free(pair);
}

static void
psks_clear(struct psks *psks)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &psks->pairs) {
        pair_free(node->data);
        shash_delete(&psks->pairs, node);
    }
}

void
psks_destroy(struct psks *psks)
{
    psks_clear(psks);
    shash_destroy(&psks->pairs);
}

/* The maker uses a key once the other has taken it, or if it did before. */
static bool
pair_is_agreed(const struct psk_pair *pair, const struct central_psk *theirs,
               const struct wg_peer *have)
{
    if (!pair->now.known) {
        return false;
    } else if (!pair->maker || pair->agreed
               || (have && wg_key_equals(&have->preshared_key,
                                         &pair->now.psk))) {
        return true;
    }
    return theirs->taken && !strcmp(theirs->taken, pair->taken);
}

static void
pair_run(struct psk_pair *pair, struct plan_peer *pp, const char *self,
         const struct keyring *ring, const struct wg_device *device,
         const struct central *central)
{
    struct central_psk mine = central_get_psk(central, self, pp->node);
    struct central_psk theirs = central_get_psk(central, pp->node, self);
    const struct central_psk *told = pair->maker ? &mine : &theirs;
    /* What was for the next key is for the key, after the rotation; and
     * nobody rotated before both had it. */
    const char *const texts[] = { told->offer, pair->peer_next.sealed,
                                  pair->own_next.sealed, told->next_offer };
    const char *const next_texts[] = { told->next_offer };

    int found = secret_find(&pair->now, pair->maker, texts,
                            ARRAY_SIZE(texts), &pp->key, &ring->private_key);
    if (found != FOUND_HAD) {
        pair->agreed = found > 0;
    }
    if (pp->has_next_key) {
        secret_find(&pair->peer_next, pair->maker, next_texts, 1,
                    &pp->next_key, &ring->private_key);
    } else {
        secret_clear(&pair->peer_next);
    }
    if (ring->has_next) {
        secret_find(&pair->own_next, pair->maker, next_texts, 1, &pp->key,
                    &ring->next_private);
    } else {
        secret_clear(&pair->own_next);
    }

    pair->taken[0] = '\0';
    if (pair->now.known) {
        digest(pair->now.sealed, pair->taken);
    }
    pp->psk_known = pair_is_agreed(pair, &theirs,
                                   wg_device_find_peer(device, &pp->key));
    pp->psk = pair->now.psk;
    pp->next_psk_known = pair->peer_next.known;
    pp->next_psk = pair->peer_next.psk;
}

void
psks_run(struct psks *psks, struct plan *plan, const struct keyring *ring,
         const struct wg_device *device, const struct central *central)
{
    if (!ring->mesh) {
        return;
    }
    if (!plan->preshared_keys) {
        psks_clear(psks);
    }
    for (size_t i = 0; i < plan->n_peers; i++) {
        struct plan_peer *pp = &plan->peers[i];
        struct psk_pair *pair = shash_find_data(&psks->pairs, pp->node);

        if (!plan->preshared_keys) {
            pp->psk_known = pp->next_psk_known = true;
            continue;
        } else if (!pp->has_key) {
            continue;
        }
        if (!pair) {
            pair = xzalloc(sizeof *pair);
            pair->maker = strcmp(plan->node, pp->node) < 0;
            shash_add(&psks->pairs, pp->node, pair);
        }
        pair_run(pair, pp, plan->node, ring, device, central);
        if (!pp->psk_known) {
            sodium_memzero(&pp->psk, sizeof pp->psk);
        }
    }
}

bool
psks_next_is_ready(const struct psks *psks, const char *peer)
{
    const struct psk_pair *pair = shash_find_data(&psks->pairs, peer);

    return !pair || pair->own_next.known;
}

struct psk_report
psks_get_report(const struct psks *psks, const char *peer,
                const struct wg_peer *have)
{
    const struct psk_pair *pair = shash_find_data(&psks->pairs, peer);

    if (!pair) {
        return (struct psk_report) { NULL, NULL, NULL };
    } else if (pair->maker) {
        return (struct psk_report) {
            .offer = pair->now.sealed,
            .next_offer = (pair->own_next.sealed ? pair->own_next.sealed
                           : pair->peer_next.sealed),
        };
    }
    return (struct psk_report) {
        .taken = (pair->now.known
                  && wg_key_equals(&have->preshared_key, &pair->now.psk)
                  ? pair->taken : NULL),
    };
}
