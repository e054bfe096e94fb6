#include <config.h>
#include "agent/relay-conf.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "util.h"

#define MAX_WORDS 10

void
relay_conf_init(struct relay_conf *conf)
{
    shash_init(&conf->pairs);
    shash_init(&conf->clients);
}

void
relay_conf_destroy(struct relay_conf *conf)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &conf->pairs) {
        struct relay_conf_pair *pair = node->data;

        free(pair->names[0]);
        free(pair->names[1]);
    }
    shash_destroy_free_data(&conf->pairs);
    shash_destroy_free_data(&conf->clients);
}

static void
format_next_key(const struct wg_key *key, struct ds *ds)
{
    char text[WG_KEY_LEN_BASE64] = "-";

    if (!wg_key_is_zero(key)) {
        wg_key_to_base64(key, text);
    }
    ds_put_format(ds, " %s", text);
}

void
relay_conf_format(const struct relay_conf *conf, struct ds *ds)
{
    const struct shash_node **nodes = shash_sort(&conf->pairs);

    for (size_t i = 0; i < shash_count(&conf->pairs); i++) {
        const struct relay_conf_pair *pair = nodes[i]->data;
        char keys[2][WG_KEY_LEN_BASE64];

        wg_key_to_base64(&pair->keys[0], keys[0]);
        wg_key_to_base64(&pair->keys[1], keys[1]);
        ds_put_format(ds, "pair %s %s %u %s %s %u %u", pair->names[0],
                      pair->names[1], pair->port, keys[0], keys[1],
                      pair->own[0], pair->own[1]);
        format_next_key(&pair->next_keys[0], ds);
        format_next_key(&pair->next_keys[1], ds);
        ds_put_char(ds, '\n');
    }
    free(nodes);
    nodes = shash_sort(&conf->clients);
    for (size_t i = 0; i < shash_count(&conf->clients); i++) {
        const struct relay_conf_client *client = nodes[i]->data;

        ds_put_format(ds, "client %s ", nodes[i]->name);
        wg_endpoint_format(&client->hub, ds);
        ds_put_format(ds, " %u\n", client->wg_port);
    }
    free(nodes);
}

static size_t
split(char *line, char *words[MAX_WORDS])
{
    char *save = NULL;
    size_t n = 0;

    for (char *w = strtok_r(line, " ", &save); w && n < MAX_WORDS;
         w = strtok_r(NULL, " ", &save)) {
        words[n++] = w;
    }
    return n;
}

static bool
parse_port(const char *s, uint16_t *port)
{
    int value;

    if (!str_to_int(s, 10, &value) || value < 0 || value > 65535) {
        return false;
    }
    *port = value;
    return true;
}

static bool
parse_next_key(const char *s, struct wg_key *key)
{
    return !strcmp(s, "-") || wg_key_from_base64(s, key);
}

static bool
parse_pair(char *w[], size_t n, struct relay_conf *conf)
{
    struct relay_conf_pair pair = { .port = 0 };

    if (n != 10 || !parse_port(w[3], &pair.port)
        || !wg_key_from_base64(w[4], &pair.keys[0])
        || !wg_key_from_base64(w[5], &pair.keys[1])
        || !parse_port(w[6], &pair.own[0])
        || !parse_port(w[7], &pair.own[1])
        || !parse_next_key(w[8], &pair.next_keys[0])
        || !parse_next_key(w[9], &pair.next_keys[1])) {
        return false;
    }
    char *key = xasprintf("%s %s", w[1], w[2]);
    bool ok = !shash_find(&conf->pairs, key);
    if (ok) {
        pair.names[0] = xstrdup(w[1]);
        pair.names[1] = xstrdup(w[2]);
        shash_add(&conf->pairs, key, xmemdup(&pair, sizeof pair));
    }
    free(key);
    return ok;
}

static bool
parse_client(char *w[], size_t n, struct relay_conf *conf)
{
    struct relay_conf_client client;

    memset(&client, 0, sizeof client);
    if (n != 4 || !wg_endpoint_parse(w[2], &client.hub)
        || !parse_port(w[3], &client.wg_port)
        || shash_find(&conf->clients, w[1])) {
        return false;
    }
    shash_add(&conf->clients, w[1], xmemdup(&client, sizeof client));
    return true;
}

bool
relay_conf_parse(const char *text, struct relay_conf *conf)
{
    char *copy = xstrdup(text), *save = NULL;
    bool ok = true;

    for (char *line = strtok_r(copy, "\n", &save); line && ok;
         line = strtok_r(NULL, "\n", &save)) {
        char *w[MAX_WORDS];
        size_t n = split(line, w);

        ok = (n && !strcmp(w[0], "pair") ? parse_pair(w, n, conf)
              : n && !strcmp(w[0], "client") ? parse_client(w, n, conf)
              : false);
    }
    free(copy);
    if (!ok) {
        relay_conf_destroy(conf);
        relay_conf_init(conf);
    }
    return ok;
}

void
relay_status_init(struct relay_status *status)
{
    shash_init(&status->pairs);
    shash_init(&status->clients);
}

void
relay_status_destroy(struct relay_status *status)
{
    struct shash_node *node;

    shash_destroy_free_data(&status->pairs);
    SHASH_FOR_EACH (node, &status->clients) {
        struct relay_status_client *client = node->data;

        free(client->text);
    }
    shash_destroy_free_data(&status->clients);
}

static void
format_leg(const struct sockaddr_storage *ss, struct ds *ds)
{
    ds_put_char(ds, ' ');
    if (ss->ss_family == AF_UNSPEC) {
        ds_put_char(ds, '-');
    }
    wg_endpoint_format(ss, ds);
}

void
relay_status_format(const struct relay_status *status, struct ds *ds)
{
    const struct shash_node **nodes = shash_sort(&status->pairs);

    for (size_t i = 0; i < shash_count(&status->pairs); i++) {
        const struct relay_status_pair *pair = nodes[i]->data;

        ds_put_format(ds, "pair %s %u %d", nodes[i]->name, pair->port,
                      pair->error);
        format_leg(&pair->legs[0], ds);
        format_leg(&pair->legs[1], ds);
        ds_put_format(ds, " %s %s\n", pair->heard[0], pair->heard[1]);
    }
    free(nodes);
    nodes = shash_sort(&status->clients);
    for (size_t i = 0; i < shash_count(&status->clients); i++) {
        const struct relay_status_client *client = nodes[i]->data;

        ds_put_format(ds, "client %s %u %s\n", nodes[i]->name, client->port,
                      client->text);
    }
    free(nodes);
    ds_put_cstr(ds, "end\n");
}

static bool
parse_leg(const char *s, struct sockaddr_storage *ss)
{
    memset(ss, 0, sizeof *ss);
    return !strcmp(s, "-") || wg_endpoint_parse(s, ss);
}

static bool
parse_status_pair(char *w[], size_t n, struct relay_status *status)
{
    struct relay_status_pair pair = { .port = 0 };

    if (n != 9 || !parse_port(w[3], &pair.port)
        || !str_to_int(w[4], 10, &pair.error)
        || !parse_leg(w[5], &pair.legs[0])
        || !parse_leg(w[6], &pair.legs[1])) {
        return false;
    }
    ovs_strlcpy(pair.heard[0], w[7], sizeof pair.heard[0]);
    ovs_strlcpy(pair.heard[1], w[8], sizeof pair.heard[1]);
    char *key = xasprintf("%s %s", w[1], w[2]);
    free(shash_replace(&status->pairs, key, xmemdup(&pair, sizeof pair)));
    free(key);
    return true;
}

/* 'rest' is all of the line after the port. */
static bool
parse_status_client(const char *line, struct relay_status *status)
{
    char name[256];
    uint16_t port;
    int n = 0;

    if (!ovs_scan(line, "client %255s %"SCNu16" %n", name, &port, &n) || !n
        || shash_find(&status->clients, name)) {
        return false;
    }
    struct relay_status_client *client = xzalloc(sizeof *client);
    client->port = port;
    client->text = xstrdup(line + n);
    shash_add(&status->clients, name, client);
    return true;
}

bool
relay_status_parse(const char *text, struct relay_status *status)
{
    char *copy = xstrdup(text), *save = NULL;
    bool ok = true, end = false;

    for (char *line = strtok_r(copy, "\n", &save); line && ok && !end;
         line = strtok_r(NULL, "\n", &save)) {
        char *w[MAX_WORDS];

        if (!strncmp(line, "client ", 7)) {
            ok = parse_status_client(line, status);
        } else if (!strcmp(line, "end")) {
            end = true;
        } else {
            size_t n = split(line, w);

            ok = n && !strcmp(w[0], "pair") && parse_status_pair(w, n,
                                                                 status);
        }
    }
    free(copy);
    if (!ok || !end) {
        relay_status_destroy(status);
        relay_status_init(status);
    }
    return ok && end;
}
