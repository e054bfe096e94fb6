#include <config.h>
#include "agent/relay-switch.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <string.h>

#include "util.h"

/* WireGuard's whitepaper, 5.4. */
#define INITIATION_LEN 148
#define RESPONSE_LEN 92
#define COOKIE_LEN 64
#define DATA_MIN_LEN 32
#define MAC_LEN 16
#define LABEL_MAC1 "mac1----"

/* Initiations of a pair: ten a second in the long run, each forwarded to a few
 * legs at most. */
#define TOKEN_MS 100
#define TOKENS_MS 2000

enum wg_message_type
wg_message_classify(const void *data, size_t n)
{
    const uint8_t *p = data;

    if (n < 4 || p[1] || p[2] || p[3]) {
        return WG_MSG_NONE;
    }
    switch (p[0]) {
    case WG_MSG_INITIATION:
        return n == INITIATION_LEN ? WG_MSG_INITIATION : WG_MSG_NONE;
    case WG_MSG_RESPONSE:
        return n == RESPONSE_LEN ? WG_MSG_RESPONSE : WG_MSG_NONE;
    case WG_MSG_COOKIE:
        return n == COOKIE_LEN ? WG_MSG_COOKIE : WG_MSG_NONE;
    case WG_MSG_DATA:
        /* Filled up to a multiple of 16, but not above the device's MTU. */
        return n >= DATA_MIN_LEN ? WG_MSG_DATA : WG_MSG_NONE;
    default:
        return WG_MSG_NONE;
    }
}

static bool
blake2s_mac(const uint8_t key[32], const void *data, size_t n,
            uint8_t mac[MAC_LEN])
{
    static EVP_MAC *algorithm;
    size_t size = MAC_LEN, len = 0;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
        OSSL_PARAM_construct_end(),
    };

    if (!algorithm) {
        algorithm = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
    }
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(algorithm);
    bool ok = (ctx && EVP_MAC_init(ctx, key, 32, params)
               && EVP_MAC_update(ctx, data, n)
               && EVP_MAC_final(ctx, mac, &len, MAC_LEN) && len == MAC_LEN);

    EVP_MAC_CTX_free(ctx);
    return ok;
}

/* "msg.mac1 := MAC(HASH(LABEL-MAC1 || Spub), msg_alpha)", where msg_alpha is
 * all before it and mac2 the 16 octets after. */
bool
wg_message_is_for(const void *data, size_t n, const struct wg_key *key)
{
    const uint8_t *p = data;
    uint8_t label[8 + WG_KEY_LEN], hash[EVP_MAX_MD_SIZE], mac[MAC_LEN];
    unsigned int hash_len;

    ovs_assert(n >= 2 * MAC_LEN);
    memcpy(label, LABEL_MAC1, 8);
    memcpy(label + 8, key->bytes, WG_KEY_LEN);
    return (EVP_Digest(label, sizeof label, hash, &hash_len,
                       EVP_blake2s256(), NULL)
            && blake2s_mac(hash, p, n - 2 * MAC_LEN, mac)
            && !memcmp(mac, p + n - 2 * MAC_LEN, MAC_LEN));
}

bool
relay_leg_equals(const struct relay_leg *a, const struct relay_leg *b)
{
    return (a->type == b->type
            && (a->type != LEG_UDP || wg_endpoint_equals(&a->ss, &b->ss))
            && (a->type != LEG_TCP || a->conn == b->conn));
}

static uint32_t
get_index(const uint8_t *p)
{
    uint32_t index;

    memcpy(&index, p, sizeof index);
    return index;               /* Compared only. */
}

static bool
attempt_is_valid(const struct relay_attempt *a, long long int now)
{
    return a->leg.type != LEG_NONE && now - a->when_ms < RELAY_ATTEMPT_MS;
}

static struct relay_attempt *
find_attempt(struct relay_pair *pair, int side, const struct relay_leg *leg,
             long long int now)
{
    for (size_t i = 0; i < RELAY_ATTEMPTS; i++) {
        struct relay_attempt *a = &pair->attempts[side][i];

        if (attempt_is_valid(a, now) && relay_leg_equals(&a->leg, leg)) {
            return a;
        }
    }
    return NULL;
}

/* Whether 'leg' is one of the side, or may be. */
static bool
knows_leg(struct relay_pair *pair, int side, const struct relay_leg *leg,
          long long int now)
{
    return (relay_leg_equals(&pair->legs[side], leg)
            || (!pair->fixed[side] && find_attempt(pair, side, leg, now)));
}

static bool
take_token(struct relay_pair *pair, long long int now)
{
    pair->tokens_ms = MAX(pair->tokens_ms, now - TOKENS_MS);
    if (pair->tokens_ms + TOKEN_MS > now) {
        return false;
    }
    pair->tokens_ms += TOKEN_MS;
    return true;
}

static void
note_attempt(struct relay_pair *pair, int side, const struct relay_leg *from,
             uint32_t index, long long int now)
{
    struct relay_attempt *slot = find_attempt(pair, side, from, now);

    for (size_t i = 0; !slot && i < RELAY_ATTEMPTS; i++) {
        if (!attempt_is_valid(&pair->attempts[side][i], now)) {
            slot = &pair->attempts[side][i];
        }
    }
    if (!slot) {
        slot = &pair->attempts[side][0];
        for (size_t i = 1; i < RELAY_ATTEMPTS; i++) {
            if (pair->attempts[side][i].when_ms < slot->when_ms) {
                slot = &pair->attempts[side][i];
            }
        }
    }
    *slot = (struct relay_attempt) {
        .leg = *from, .index = index, .when_ms = now,
    };
}

/* The side that a handshake's message comes from; -1: neither. */
static int
find_sender(const struct relay_pair *pair, const uint8_t *p, size_t n)
{
    for (int side = 0; side < 2; side++) {
        if (wg_message_is_for(p, n, &pair->keys[!side])
            || (!wg_key_is_zero(&pair->next_keys[!side])
                && wg_message_is_for(p, n, &pair->next_keys[!side]))) {
            return side;
        }
    }
    return -1;
}

/* To where the other side is, and to where it may be. */
static size_t
input_initiation(struct relay_pair *pair, const struct relay_leg *from,
                 const uint8_t *p, size_t n, long long int now,
                 struct relay_leg out[])
{
    size_t n_out = 0;
    int side;

    if (!take_token(pair, now)) {
        return 0;
    }
    side = find_sender(pair, p, n);
    if (side < 0
        || (pair->fixed[side] && !relay_leg_equals(&pair->legs[side], from))
        || (pair->fixed[!side]
            && relay_leg_equals(&pair->legs[!side], from))) {
        return 0;
    }
    note_attempt(pair, side, from, get_index(p + 4), now);
    pair->heard_ms[side] = now;
    pair->heard[side] = from->type;
    if (pair->legs[!side].type != LEG_NONE) {
        out[n_out++] = pair->legs[!side];
    }
    for (size_t i = 0; !pair->fixed[!side] && i < RELAY_ATTEMPTS; i++) {
        const struct relay_attempt *a = &pair->attempts[!side][i];

        if (attempt_is_valid(a, now)
            && !relay_leg_equals(&a->leg, &pair->legs[!side])) {
            out[n_out++] = a->leg;
        }
    }
    return n_out;
}

static size_t
input_response(struct relay_pair *pair, const struct relay_leg *from,
               const uint8_t *p, size_t n, long long int now,
               struct relay_leg out[])
{
    int side = find_sender(pair, p, n);

    if (side < 0 || !knows_leg(pair, side, from, now)) {
        return 0;
    }
    for (size_t i = 0; i < RELAY_ATTEMPTS; i++) {
        struct relay_attempt *a = &pair->attempts[!side][i];

        if (attempt_is_valid(a, now) && a->index == get_index(p + 8)) {
            a->responder = *from;
            a->responder_index = get_index(p + 4);
            out[0] = a->leg;
            return 1;
        }
    }
    return 0;
}

static void
settle(struct relay_pair *pair, int side, const struct relay_leg *leg,
       long long int now)
{
    if (!pair->fixed[side]) {
        pair->legs[side] = *leg;
    }
    pair->heard_ms[side] = now;
    pair->heard[side] = leg->type;
}

/* The initiator's first message in the new session settles both legs; all
 * others go from one to the other. */
static size_t
input_data(struct relay_pair *pair, const struct relay_leg *from,
           const uint8_t *p, long long int now, struct relay_leg out[])
{
    for (int side = 0; side < 2; side++) {
        struct relay_attempt *a = find_attempt(pair, side, from, now);

        if (a && a->responder.type != LEG_NONE
            && a->responder_index == get_index(p + 4)) {
            settle(pair, side, from, now);
            settle(pair, !side, &a->responder, now);
            a->leg.type = LEG_NONE;
        }
        if (relay_leg_equals(&pair->legs[side], from)
            && pair->legs[!side].type != LEG_NONE) {
            pair->heard_ms[side] = now;
            pair->heard[side] = from->type;
            out[0] = pair->legs[!side];
            return 1;
        }
    }
    return 0;
}

static size_t
input_cookie(struct relay_pair *pair, const struct relay_leg *from,
             const uint8_t *p, long long int now, struct relay_leg out[])
{
    for (int side = 0; side < 2; side++) {
        if (!knows_leg(pair, side, from, now)) {
            continue;
        }
        for (size_t i = 0; i < RELAY_ATTEMPTS; i++) {
            const struct relay_attempt *a = &pair->attempts[!side][i];

            if (attempt_is_valid(a, now) && a->index == get_index(p + 4)) {
                out[0] = a->leg;
                return 1;
            }
        }
    }
    return 0;
}

size_t
relay_pair_input(struct relay_pair *pair, const struct relay_leg *from,
                 const void *data, size_t n, long long int now,
                 struct relay_leg out[RELAY_MAX_OUT])
{
    switch (wg_message_classify(data, n)) {
    case WG_MSG_INITIATION:
        return input_initiation(pair, from, data, n, now, out);
    case WG_MSG_RESPONSE:
        return input_response(pair, from, data, n, now, out);
    case WG_MSG_COOKIE:
        return input_cookie(pair, from, data, now, out);
    case WG_MSG_DATA:
        return input_data(pair, from, data, now, out);
    case WG_MSG_NONE:
    default:
        return 0;
    }
}

void
relay_pair_forget(struct relay_pair *pair, const struct relay_leg *leg)
{
    for (int side = 0; side < 2; side++) {
        if (relay_leg_equals(&pair->legs[side], leg)) {
            pair->legs[side].type = LEG_NONE;
        }
        for (size_t i = 0; i < RELAY_ATTEMPTS; i++) {
            struct relay_attempt *a = &pair->attempts[side][i];

            if (relay_leg_equals(&a->leg, leg)) {
                a->leg.type = LEG_NONE;
            }
            if (relay_leg_equals(&a->responder, leg)) {
                a->responder.type = LEG_NONE;
            }
        }
    }
}
