#include <config.h>
#include "agent/wg-uapi.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/stats.h"
#include "agent/wg.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

#define UAPI_DIR "/run/wireguard"
#define UAPI_TIMEOUT_S 2
/* 10,000 peers with ten prefixes each. */
#define UAPI_MAX_ANSWER (16 * 1024 * 1024)

static bool
key_from_hex(const char *hex, struct wg_key *ret_key)
{
    struct wg_key key;
    size_t len;
    bool ok = (strlen(hex) == 2 * WG_KEY_LEN
               && !sodium_hex2bin(key.bytes, sizeof key.bytes, hex,
                                  2 * WG_KEY_LEN, NULL, &len, NULL)
               && len == sizeof key.bytes);

    if (ok) {
        *ret_key = key;
    }
    sodium_memzero(&key, sizeof key);
    return ok;
}

static bool
parse_u16(const char *value, uint16_t *ret)
{
    unsigned int x;

    if (!str_to_uint(value, 10, &x) || x > UINT16_MAX) {
        return false;
    }
    *ret = x;
    return true;
}

static bool
parse_u64(const char *value, uint64_t *ret)
{
    unsigned long long int x;

    if (!str_to_ullong(value, 10, &x)) {
        return false;
    }
    *ret = x;
    return true;
}

static bool
parse_allowed_ip(struct wg_peer *peer, const char *value)
{
    struct sn_prefix prefix;
    char *error = sn_prefix_parse(value, &prefix);

    if (error) {
        free(error);
        return false;
    }
    wg_peer_add_allowed(peer, &prefix);
    return true;
}

static bool
parse_peer_line(struct wg_peer *peer, const char *key, const char *value)
{
    uint64_t seconds;

    if (!strcmp(key, "endpoint")) {
        return wg_endpoint_parse(value, &peer->endpoint);
    } else if (!strcmp(key, "preshared_key")) {
        return key_from_hex(value, &peer->preshared_key);
    } else if (!strcmp(key, "persistent_keepalive_interval")) {
        return parse_u16(value, &peer->keepalive_s);
    } else if (!strcmp(key, "last_handshake_time_sec")) {
        if (!parse_u64(value, &seconds) || seconds > INT64_MAX) {
            return false;
        }
        peer->handshake = seconds;
        return true;
    } else if (!strcmp(key, "rx_bytes")) {
        return parse_u64(value, &peer->rx_bytes);
    } else if (!strcmp(key, "tx_bytes")) {
        return parse_u64(value, &peer->tx_bytes);
    } else if (!strcmp(key, "allowed_ip")) {
        return parse_allowed_ip(peer, value);
    }
    return true;                /* Keys to come are to be ignored. */
}

static bool
parse_line(struct wg_device *device, struct wg_peer **peerp, char *line)
{
    char *value = strchr(line, '=');
    struct wg_key key;

    if (!value) {
        return false;
    }
    *value++ = '\0';
    if (!strcmp(line, "public_key")) {
        if (!key_from_hex(value, &key)) {
            return false;
        }
        *peerp = wg_device_add_peer(device, &key);
        return true;
    } else if (*peerp) {
        return parse_peer_line(*peerp, line, value);
    } else if (!strcmp(line, "private_key")) {
        return key_from_hex(value, &device->private_key);
    } else if (!strcmp(line, "listen_port")) {
        return parse_u16(value, &device->listen_port);
    }
    return true;
}

int
wg_uapi_parse(const char *text, struct wg_device *device)
{
    char *copy = xstrdup(text);
    size_t len = strlen(copy);
    struct wg_peer *peer = NULL;
    char *save = NULL;
    int error = EPROTO;         /* Until "errno=" says how it ended. */

    for (char *line = strtok_r(copy, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        if (!strncmp(line, "errno=", 6)) {
            int value;

            if (str_to_int(line + 6, 10, &value)) {
                error = value < 0 ? -value : value;
            }
            break;
        } else if (!parse_line(device, &peer, line)) {
            break;
        }
    }
    sodium_memzero(copy, len);
    free(copy);
    HMAP_FOR_EACH (peer, node, &device->peers) {
        wg_peer_sort(peer);
    }
    return error;
}

static void
put_key(struct ds *ds, const char *name, const struct wg_key *key)
{
    char hex[2 * WG_KEY_LEN + 1];

    sodium_bin2hex(hex, sizeof hex, key->bytes, sizeof key->bytes);
    ds_put_format(ds, "%s=%s\n", name, hex);
    sodium_memzero(hex, sizeof hex);
}

static void
format_peer(const struct wg_peer_change *c, struct ds *ds)
{
    put_key(ds, "public_key", &c->key);
    if (c->remove) {
        ds_put_cstr(ds, "remove=true\n");
        return;
    }
    if (c->set_endpoint) {
        ds_put_cstr(ds, "endpoint=");
        wg_endpoint_format(&c->endpoint, ds);
        ds_put_char(ds, '\n');
    }
    if (c->set_preshared_key) {
        put_key(ds, "preshared_key", &c->preshared_key);
    }
    if (c->set_keepalive) {
        ds_put_format(ds, "persistent_keepalive_interval=%u\n",
                      c->keepalive_s);
    }
    for (size_t i = 0; i < c->n_allowed; i++) {
        char *s = sn_prefix_to_string(&c->allowed[i]);

        ds_put_format(ds, "allowed_ip=%s\n", s);
        free(s);
    }
}

void
wg_uapi_format(const struct wg_changes *changes, struct ds *ds)
{
    /* ds_put_*() would leave copies of the key behind as it grows. */
    ds_reserve(ds, 1024 + changes->n_peers * 512);
    ds_put_cstr(ds, "set=1\n");
    if (changes->set_private_key) {
        put_key(ds, "private_key", &changes->private_key);
    }
    if (changes->set_listen_port) {
        ds_put_format(ds, "listen_port=%u\n", changes->listen_port);
    }
    for (size_t i = 0; i < changes->n_peers; i++) {
        format_peer(&changes->peers[i], ds);
    }
    ds_put_char(ds, '\n');
}

static int
uapi_connect(const char *name, int *ret_fd)
{
    struct timeval timeout = { .tv_sec = UAPI_TIMEOUT_S };
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int fd, n;

    n = snprintf(sun.sun_path, sizeof sun.sun_path, UAPI_DIR "/%s.sock",
                 name);
    if (n >= (int) sizeof sun.sun_path) {
        return ENAMETOOLONG;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    if (connect(fd, (struct sockaddr *) &sun, sizeof sun)) {
        int error = errno;

        close(fd);
        return error;
    }
    *ret_fd = fd;
    return 0;
}

bool
wg_uapi_alive(const char *name)
{
    int fd;

    if (uapi_connect(name, &fd)) {
        return false;
    }
    close(fd);
    return true;
}

static int
uapi_send(int fd, const char *p, size_t left)
{
    while (left) {
        ssize_t n = send(fd, p, left, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR) {
            return errno;
        } else if (n > 0) {
            p += n;
            left -= n;
        }
    }
    return 0;
}

/* The answer ends with an empty line. */
static int
uapi_receive(int fd, struct ds *answer)
{
    while (answer->length < 2
           || memcmp(&answer->string[answer->length - 2], "\n\n", 2)) {
        ds_reserve(answer, answer->length + 4096);
        ssize_t n = recv(fd, &answer->string[answer->length],
                         answer->allocated - answer->length, 0);

        if (n < 0 && errno == EINTR) {
            continue;
        } else if (n <= 0) {
            return n ? errno : EPROTO;
        } else if (answer->length + n > UAPI_MAX_ANSWER) {
            return E2BIG;
        }
        answer->length += n;
    }
    ds_cstr(answer);
    return 0;
}

static int
uapi_exchange(const char *name, const struct ds *request, struct ds *answer)
{
    int fd = -1;
    int error = uapi_connect(name, &fd);

    if (!error) {
        error = uapi_send(fd, request->string, request->length);
        if (!error) {
            error = uapi_receive(fd, answer);
        }
        close(fd);
    }
    return error;
}

static void
ds_wipe(struct ds *ds)
{
    if (ds->string) {
        sodium_memzero(ds->string, ds->allocated);
    }
    ds_destroy(ds);
}

int
wg_uapi_read(const char *name, struct wg_device *device)
{
    struct ds request = DS_EMPTY_INITIALIZER;
    struct ds answer = DS_EMPTY_INITIALIZER;
    int error;

    ds_put_cstr(&request, "get=1\n\n");
    error = uapi_exchange(name, &request, &answer);
    if (!error) {
        error = wg_uapi_parse(ds_cstr(&answer), device);
    }
    ds_destroy(&request);
    ds_wipe(&answer);
    return error;
}

int
wg_uapi_apply(const char *name, const struct wg_changes *changes)
{
    struct wg_device ignored;
    struct ds request = DS_EMPTY_INITIALIZER;
    struct ds answer = DS_EMPTY_INITIALIZER;
    int error;

    wg_device_init(&ignored);
    wg_uapi_format(changes, &request);
    error = uapi_exchange(name, &request, &answer);
    if (!error) {
        error = wg_uapi_parse(ds_cstr(&answer), &ignored);
    }
    if (error) {
        agent_stats.write_errors++;
    } else {
        agent_stats.wg_writes++;
    }
    ds_wipe(&request);
    ds_destroy(&answer);
    wg_device_destroy(&ignored);
    return error;
}
