#include <config.h>
#include "agent/exit-profile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "openvswitch/util.h"
#include "socket-util.h"
#include "util.h"

#define MAX_SIZE (64 * 1024)
#define MAX_ITEMS 4096          /* Of a list. */

struct parser {
    struct exit_profile *profile;
    struct exit_profile_peer *peer;     /* In [Peer]. */
    bool in_interface;
    bool has_key, peer_has_key;
    bool has_interface;
};

/* Each takes the value of a key, which it may write to.  Returns NULL or what
 * is wrong with it, without quoting it. */
typedef const char *parse_fn(struct parser *, char *value);

static const char *
parse_key(const char *value, struct wg_key *key)
{
    return (wg_key_from_base64(value, key) ? NULL
            : "is not a key of 44 characters of base64");
}

static const char *
parse_private_key(struct parser *p, char *value)
{
    p->has_key = true;
    return parse_key(value, &p->profile->private_key);
}

static const char *
parse_number(const char *value, unsigned int min, unsigned int max,
             unsigned int *ret)
{
    return (value[strspn(value, "0123456789")] || !value[0]
            || !str_to_uint(value, 10, ret) || *ret < min || *ret > max
            ? "is not a number in its range" : NULL);
}

static const char *
parse_listen_port(struct parser *p, char *value)
{
    unsigned int port = 0;
    const char *error = parse_number(value, 0, UINT16_MAX, &port);

    p->profile->listen_port = port;
    return error;
}

static const char *
parse_mtu(struct parser *p, char *value)
{
    return parse_number(value, 576, 65535, &p->profile->mtu);
}

typedef const char *item_fn(struct parser *, const struct sn_prefix *);

/* "A, B" of addresses or networks.  Words that are neither are skipped with
 * 'lenient'. */
static const char *
parse_prefixes(struct parser *p, char *value, bool lenient, item_fn *cb)
{
    char *save = NULL, *item;
    size_t n = 0;

    for (item = strtok_r(value, ", \t", &save); item;
         item = strtok_r(NULL, ", \t", &save)) {
        struct sn_prefix prefix;
        char *error = sn_prefix_parse(item, &prefix);
        bool bad = error != NULL;

        free(error);
        if (bad && !lenient) {
            return "is not a list of addresses";
        } else if (++n > MAX_ITEMS) {
            return "has too many items";
        } else if (!bad) {
            const char *why = cb(p, &prefix);
            if (why) {
                return why;
            }
        }
    }
    return NULL;
}

static const char *
address_cb(struct parser *p, const struct sn_prefix *prefix)
{
    struct exit_profile *f = p->profile;

    if (f->n_addresses >= f->allocated_addresses) {
        f->addresses = x2nrealloc(f->addresses, &f->allocated_addresses,
                                  sizeof *f->addresses);
    }
    f->addresses[f->n_addresses++] = *prefix;
    return NULL;
}

static const char *
resolver_cb(struct parser *p, const struct sn_prefix *prefix)
{
    struct exit_profile *f = p->profile;

    if (f->n_resolvers >= f->allocated_resolvers) {
        f->resolvers = x2nrealloc(f->resolvers, &f->allocated_resolvers,
                                  sizeof *f->resolvers);
    }
    f->resolvers[f->n_resolvers++] = sn_prefix_host(prefix);
    return NULL;
}

static const char *
allowed_cb(struct parser *p, const struct sn_prefix *prefix)
{
    struct exit_profile_peer *peer = p->peer;

    if (peer->n_allowed >= peer->allocated_allowed) {
        peer->allowed = x2nrealloc(peer->allowed, &peer->allocated_allowed,
                                   sizeof *peer->allowed);
    }
    peer->allowed[peer->n_allowed++] = sn_prefix_network(prefix);
    return NULL;
}

static const char *
parse_address(struct parser *p, char *value)
{
    return parse_prefixes(p, value, false, address_cb);
}

/* wg-quick takes search domains here as well. */
static const char *
parse_dns(struct parser *p, char *value)
{
    return parse_prefixes(p, value, true, resolver_cb);
}

static const char *
parse_allowed(struct parser *p, char *value)
{
    return parse_prefixes(p, value, false, allowed_cb);
}

static const char *
parse_public_key(struct parser *p, char *value)
{
    p->peer_has_key = true;
    return parse_key(value, &p->peer->key);
}

static const char *
parse_endpoint(struct parser *p, char *value)
{
    const char *colon = strrchr(value, ':');
    unsigned int port;

    if (!colon || colon == value || strpbrk(value, " \t")
        || parse_number(colon + 1, 1, UINT16_MAX, &port)) {
        return "is not HOST:PORT";
    }
    free(p->peer->endpoint);
    p->peer->endpoint = xstrdup(value);
    return NULL;
}

static const char *
parse_keepalive(struct parser *p, char *value)
{
    unsigned int seconds = 0;
    const char *error = (strcasecmp(value, "off")
                         ? parse_number(value, 0, UINT16_MAX, &seconds)
                         : NULL);

    p->peer->keepalive_s = seconds;
    return error;
}

static const char *
parse_ignored(struct parser *p OVS_UNUSED, char *value OVS_UNUSED)
{
    return NULL;
}

static const char *
parse_psk(struct parser *p, char *value)
{
    return parse_key(value, &p->peer->preshared_key);
}

static const struct {
    bool in_peer;
    const char *key;
    parse_fn *parse;
} keys[] = {
    { false, "PrivateKey", parse_private_key },
    { false, "ListenPort", parse_listen_port },
    { false, "Address", parse_address },
    { false, "DNS", parse_dns },
    { false, "MTU", parse_mtu },
    { false, "FwMark", parse_ignored },
    { false, "Table", parse_ignored },
    { false, "PreUp", parse_ignored },
    { false, "PostUp", parse_ignored },
    { false, "PreDown", parse_ignored },
    { false, "PostDown", parse_ignored },
    { false, "SaveConfig", parse_ignored },
    { true, "PublicKey", parse_public_key },
    { true, "PresharedKey", parse_psk },
    { true, "AllowedIPs", parse_allowed },
    { true, "Endpoint", parse_endpoint },
    { true, "PersistentKeepalive", parse_keepalive },
};

static char *
trim(char *s)
{
    s += strspn(s, " \t\r");
    size_t n = strlen(s);
    while (n && strchr(" \t\r", s[n - 1])) {
        s[--n] = '\0';
    }
    return s;
}

static const char *
end_section(const struct parser *p)
{
    return p->peer && !p->peer_has_key ? "the peer above has no PublicKey"
                                       : NULL;
}

static const char *
parse_section(struct parser *p, const char *line)
{
    struct exit_profile *f = p->profile;
    const char *error = end_section(p);

    p->in_interface = false;
    p->peer = NULL;
    if (error) {
        return error;
    } else if (!strcasecmp(line, "[Interface]")) {
        p->in_interface = p->has_interface = true;
        return NULL;
    } else if (!strcasecmp(line, "[Peer]")) {
        if (f->n_peers >= MAX_ITEMS) {
            return "too many peers";
        } else if (f->n_peers >= f->allocated_peers) {
            f->peers = x2nrealloc(f->peers, &f->allocated_peers,
                                  sizeof *f->peers);
        }
        p->peer = &f->peers[f->n_peers++];
        memset(p->peer, 0, sizeof *p->peer);
        p->peer_has_key = false;
        return NULL;
    }
    return "a section is [Interface] or [Peer]";
}

/* Returns NULL or an error to free. */
static char *
parse_line(struct parser *p, char *line)
{
    line[strcspn(line, "#")] = '\0';
    line = trim(line);
    if (!line[0]) {
        return NULL;
    } else if (line[0] == '[') {
        return nullable_xstrdup(parse_section(p, line));
    }

    char *value = strchr(line, '=');
    if (!value) {
        return xstrdup("neither KEY = VALUE nor a section");
    }
    *value++ = '\0';
    char *key = trim(line);
    if (!p->in_interface && !p->peer) {
        return xstrdup("a key outside of [Interface] and [Peer]");
    }
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (!strcasecmp(key, keys[i].key)
            && keys[i].in_peer == (p->peer != NULL)) {
            const char *why = keys[i].parse(p, trim(value));
            return why ? xasprintf("%s %s", keys[i].key, why) : NULL;
        }
    }
    return xasprintf("%s has no such key",
                     p->peer ? "[Peer]" : "[Interface]");
}

static const char *
parser_finish(const struct parser *p)
{
    const char *error = end_section(p);

    return (error ? error
            : !p->has_interface ? "it has no [Interface]"
            : !p->has_key ? "[Interface] has no PrivateKey"
            : !p->profile->n_addresses ? "[Interface] has no Address"
            : !p->profile->n_peers ? "it has no [Peer]"
            : NULL);
}

char *
exit_profile_parse(const char *text, size_t n, struct exit_profile *ret)
{
    struct parser p = { .profile = ret };
    char *copy = xmemdup0(text, n);
    char *rest = copy, *line, *error = NULL;
    int number = 0;

    memset(ret, 0, sizeof *ret);
    if (memchr(text, '\0', n)) {
        error = xstrdup("it is no text");
    }
    while (!error && (line = strsep(&rest, "\n"))) {
        char *why = parse_line(&p, line);

        number++;
        if (why) {
            error = xasprintf("line %d: %s", number, why);
            free(why);
        }
    }
    if (!error) {
        error = nullable_xstrdup(parser_finish(&p));
    }
    sodium_memzero(copy, n);
    free(copy);
    if (error) {
        exit_profile_destroy(ret);
    }
    return error;
}

void
exit_profile_destroy(struct exit_profile *f)
{
    for (size_t i = 0; i < f->n_peers; i++) {
        free(f->peers[i].endpoint);
        free(f->peers[i].allowed);
        sodium_memzero(&f->peers[i], sizeof f->peers[i]);
    }
    free(f->peers);
    free(f->addresses);
    free(f->resolvers);
    sodium_memzero(f, sizeof *f);
}

/* Returns NULL, or why the file must not be used. */
static char *
check_file(int fd, struct stat *st)
{
    if (fstat(fd, st)) {
        return xstrdup(ovs_strerror(errno));
    } else if (!S_ISREG(st->st_mode)) {
        return xstrdup("it is no file");
    } else if (st->st_uid && st->st_uid != geteuid()) {
        return xstrdup("it is not root's");
    } else if (st->st_mode & 077) {
        return xstrdup("others can read its private key: chmod 600 it, and "
                       "think about a new key");
    } else if (st->st_size > MAX_SIZE) {
        return xstrdup("it is too long for a profile");
    }
    return NULL;
}

static char *
read_profile(int fd, struct exit_profile *ret)
{
    char *buf = xmalloc(MAX_SIZE + 1);
    size_t n = 0;
    int error = read_fully(fd, buf, MAX_SIZE + 1, &n);
    char *text;

    if (error && error != EOF) {
        text = xstrdup(ovs_strerror(error));
    } else if (n > MAX_SIZE) {
        text = xstrdup("it is too long for a profile");
    } else {
        text = exit_profile_parse(buf, n, ret);
    }
    sodium_memzero(buf, MAX_SIZE + 1);
    free(buf);
    return text;
}

char *
exit_profile_load(const char *path, struct exit_profile *ret,
                  struct stat *ret_stat)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char *why;

    memset(ret, 0, sizeof *ret);
    memset(ret_stat, 0, sizeof *ret_stat);
    if (fd < 0) {
        return xasprintf("profile %s: %s", path, ovs_strerror(errno));
    }
    why = check_file(fd, ret_stat);
    why = why ? why : read_profile(fd, ret);
    close(fd);
    if (!why) {
        return NULL;
    }
    char *error = xasprintf("profile %s: %s", path, why);
    free(why);
    return error;
}
