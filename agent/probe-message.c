#include <config.h>
#include "agent/probe-message.h"

#include <netinet/in.h>
#include <sodium.h>
#include <string.h>

#include "util.h"

#define MAGIC "SNp1"
#define MAGIC_LEN 4
#define NONCE_OFS (MAGIC_LEN + PROBE_TAG_LEN)
#define BOX_OFS (NONCE_OFS + crypto_box_NONCEBYTES)
/* Type, number, family, address, port. */
#define PLAIN_LEN (1 + 8 + 1 + 16 + 2)

BUILD_ASSERT_DECL(BOX_OFS + crypto_box_MACBYTES + PLAIN_LEN == PROBE_LEN);

static void
make_tag(uint8_t tag[PROBE_TAG_LEN], const struct wg_key *from,
         const struct wg_key *to)
{
    uint8_t hash[crypto_generichash_BYTES_MIN];

    crypto_generichash(hash, sizeof hash, from->bytes, sizeof from->bytes,
                       to->bytes, sizeof to->bytes);
    memcpy(tag, hash, PROBE_TAG_LEN);
}

bool
probe_key_derive(struct probe_key *key, const struct wg_key *private,
                 const struct wg_key *public, const struct wg_key *peer)
{
    make_tag(key->tag_out, public, peer);
    make_tag(key->tag_in, peer, public);
    return !crypto_box_beforenm(key->shared, peer->bytes, private->bytes);
}

static void
put_address(uint8_t *p, const struct sockaddr_storage *ss)
{
    const struct sockaddr_in6 *sin6 = (const void *) ss;
    const struct sockaddr_in *sin = (const void *) ss;

    if (ss->ss_family == AF_INET) {
        p[0] = 4;
        memcpy(p + 1, &sin->sin_addr, 4);
        memcpy(p + 17, &sin->sin_port, 2);
    } else if (ss->ss_family == AF_INET6) {
        p[0] = 6;
        memcpy(p + 1, &sin6->sin6_addr, 16);
        memcpy(p + 17, &sin6->sin6_port, 2);
    }
}

static bool
get_address(const uint8_t *p, struct sockaddr_storage *ss)
{
    struct sockaddr_in6 *sin6 = (void *) ss;
    struct sockaddr_in *sin = (void *) ss;

    memset(ss, 0, sizeof *ss);
    if (p[0] == 4) {
        sin->sin_family = AF_INET;
        memcpy(&sin->sin_addr, p + 1, 4);
        memcpy(&sin->sin_port, p + 17, 2);
    } else if (p[0] == 6) {
        sin6->sin6_family = AF_INET6;
        memcpy(&sin6->sin6_addr, p + 1, 16);
        memcpy(&sin6->sin6_port, p + 17, 2);
    }
    return p[0] == 0 || p[0] == 4 || p[0] == 6;
}

void
probe_encode(const struct probe_key *key, const struct probe_msg *msg,
             uint8_t out[PROBE_LEN])
{
    uint8_t plain[PLAIN_LEN] = { msg->type };

    memcpy(plain + 1, &msg->id, 8);
    put_address(plain + 9, &msg->seen);
    memcpy(out, MAGIC, MAGIC_LEN);
    memcpy(out + MAGIC_LEN, key->tag_out, PROBE_TAG_LEN);
    randombytes_buf(out + NONCE_OFS, crypto_box_NONCEBYTES);
    crypto_box_easy_afternm(out + BOX_OFS, plain, sizeof plain,
                            out + NONCE_OFS, key->shared);
}

/* Whether 'data' looks like a probe that carries this tag. */
static bool
probe_has_tag(const void *data, size_t n, const struct probe_key *key)
{
    const uint8_t *p = data;

    return (n == PROBE_LEN && !memcmp(p, MAGIC, MAGIC_LEN)
            && !memcmp(p + MAGIC_LEN, key->tag_in, PROBE_TAG_LEN));
}

bool
probe_decode(const struct probe_key *key, const void *data, size_t n,
             struct probe_msg *msg)
{
    uint8_t plain[PLAIN_LEN];
    const uint8_t *p = data;

    if (!probe_has_tag(data, n, key)
        || crypto_box_open_easy_afternm(plain, p + BOX_OFS,
                                        PROBE_LEN - BOX_OFS, p + NONCE_OFS,
                                        key->shared)
        || (plain[0] != PROBE_PING && plain[0] != PROBE_PONG)
        || !get_address(plain + 9, &msg->seen)) {
        return false;
    }
    msg->type = plain[0];
    memcpy(&msg->id, plain + 1, 8);
    return true;
}
