#include <config.h>
#include "agent/keys.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(keyring);

/* The mesh's key pair and, while it is rotated, the next one. */

/* The next pair of mesh "m" is kept as that of "m.next" would be. */
static char *
next_path(const struct keyring *ring)
{
    return xasprintf("%s/%s.next.key", ring->state_dir, ring->mesh);
}

void
keyring_init(struct keyring *ring, const char *state_dir)
{
    memset(ring, 0, sizeof *ring);
    ring->state_dir = xstrdup(state_dir);
}

static void
keyring_clear(struct keyring *ring)
{
    free(ring->mesh);
    ring->mesh = NULL;
    ring->has_next = false;
    sodium_memzero(&ring->private_key, sizeof ring->private_key);
    sodium_memzero(&ring->next_private, sizeof ring->next_private);
}

void
keyring_destroy(struct keyring *ring)
{
    keyring_clear(ring);
    free(ring->state_dir);
}

static char *
keyring_read_next(struct keyring *ring)
{
    char *name = xasprintf("%s.next", ring->mesh);
    char *error = keys_load(ring->state_dir, name, &ring->next_private,
                            &ring->next_public);

    free(name);
    ring->has_next = !error;
    return error;
}

char *
keyring_load(struct keyring *ring, const char *mesh)
{
    char *path, *error;

    if (ring->mesh && !strcmp(ring->mesh, mesh)) {
        return NULL;
    }
    keyring_clear(ring);
    error = keys_load(ring->state_dir, mesh, &ring->private_key,
                      &ring->public_key);
    if (error) {
        return error;
    }
    ring->mesh = xstrdup(mesh);
    path = next_path(ring);
    if (!access(path, F_OK)) {
        /* One that cannot be read is made anew when it is needed. */
        error = keyring_read_next(ring);
        if (error) {
            VLOG_WARN("%s", error);
            free(error);
            unlink(path);
        }
    }
    free(path);
    return NULL;
}

char *
keyring_make_next(struct keyring *ring)
{
    return ring->has_next ? NULL : keyring_read_next(ring);
}

char *
keyring_switch(struct keyring *ring)
{
    char *from = next_path(ring);
    char *to = xasprintf("%s/%s.key", ring->state_dir, ring->mesh);
    char *error = NULL;

    if (rename(from, to)) {
        error = xasprintf("%s: cannot become %s: %s", from, to,
                          ovs_strerror(errno));
    } else {
        ring->private_key = ring->next_private;
        ring->public_key = ring->next_public;
        ring->has_next = false;
        sodium_memzero(&ring->next_private, sizeof ring->next_private);
    }
    free(from);
    free(to);
    return error;
}

void
keyring_drop_next(struct keyring *ring)
{
    if (ring->has_next) {
        char *path = next_path(ring);

        unlink(path);
        free(path);
        ring->has_next = false;
        sodium_memzero(&ring->next_private, sizeof ring->next_private);
    }
}
