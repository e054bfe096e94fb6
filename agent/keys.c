#include <config.h>
#include "agent/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(keys);

void
keys_public(const struct wg_key *private, struct wg_key *ret_public)
{
    crypto_scalarmult_base(ret_public->bytes, private->bytes);
}

/* RFC 7748, section 5: "set the three least significant bits of the first
 * byte and the most significant bit of the last to zero, set the second most
 * significant bit of the last byte to 1". */
static void
key_clamp(struct wg_key *key)
{
    key->bytes[0] &= 248;
    key->bytes[31] = (key->bytes[31] & 127) | 64;
}

static char *
key_check_file(int fd, const char *path)
{
    struct stat st;

    if (fstat(fd, &st)) {
        return xasprintf("%s: %s", path, ovs_strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        return xasprintf("%s: not a regular file", path);
    } else if (st.st_uid != geteuid()) {
        return xasprintf("%s: belongs to another user (uid %u); "
                         "remove it, a new key will be made", path,
                         (unsigned int) st.st_uid);
    } else if (st.st_mode & 077) {
        return xasprintf("%s: mode %03o lets others read the private key; "
                         "remove it, a new key will be made", path,
                         (unsigned int) st.st_mode & 0777);
    }
    return NULL;
}

/* '*ret_absent' tells a missing file from a bad one. */
static char *
key_read(const char *path, struct wg_key *ret_private, bool *ret_absent)
{
    char buffer[WG_KEY_LEN_BASE64 + 2] = { 0 };
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char *error;

    *ret_absent = false;
    if (fd < 0) {
        *ret_absent = errno == ENOENT;
        return xasprintf("%s: %s", path, ovs_strerror(errno));
    }
    error = key_check_file(fd, path);
    if (!error) {
        ssize_t n = read(fd, buffer, sizeof buffer - 1);

        if (n > 0 && buffer[n - 1] == '\n') {
            buffer[n - 1] = '\0';
        }
        if (n < 0 || !wg_key_from_base64(buffer, ret_private)) {
            error = xasprintf("%s: not a WireGuard key; remove it, a new "
                              "one will be made", path);
        }
    }
    sodium_memzero(buffer, sizeof buffer);
    close(fd);
    return error;
}

/* Makes the directory entry of 'path' last. */
static void
key_sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

/* Writes a temporary file and links it to 'path', so that a crash leaves the
 * whole key or none, and two agents starting at once agree on one. */
static char *
key_write(const char *dir, const char *path, const struct wg_key *private)
{
    char *tmp = xasprintf("%s.%ld.tmp", path, (long int) getpid());
    char text[WG_KEY_LEN_BASE64 + 1];
    int fd, error = 0;

    unlink(tmp);
    fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
              0600);
    if (fd < 0) {
        error = errno;
    } else {
        wg_key_to_base64(private, text);
        text[WG_KEY_LEN_BASE64 - 1] = '\n';
        if (write(fd, text, WG_KEY_LEN_BASE64) != WG_KEY_LEN_BASE64
            || fsync(fd) || link(tmp, path)) {
            error = errno ? errno : EIO;
        }
        sodium_memzero(text, sizeof text);
        close(fd);
        unlink(tmp);
        key_sync_dir(dir);
    }
    free(tmp);
    return (error && error != EEXIST
            ? xasprintf("%s: %s", path, ovs_strerror(error)) : NULL);
}

static char *
key_make(const char *dir, const char *path)
{
    struct wg_key private;
    char *error;

    if (mkdir(dir, 0700) && errno != EEXIST) {
        return xasprintf("%s: %s", dir, ovs_strerror(errno));
    }
    randombytes_buf(private.bytes, sizeof private.bytes);
    key_clamp(&private);
    error = key_write(dir, path, &private);
    sodium_memzero(&private, sizeof private);
    if (!error) {
        VLOG_INFO("made a new key pair in %s", path);
    }
    return error;
}

char *
keys_load(const char *state_dir, const char *mesh,
          struct wg_key *ret_private, struct wg_key *ret_public)
{
    struct wg_key private;
    bool absent;
    char *path, *error;

    if (sodium_init() < 0) {
        return xstrdup("libsodium does not start");
    } else if (!mesh[0] || mesh[0] == '.' || strchr(mesh, '/')) {
        return xasprintf("\"%s\" cannot name a key file", mesh);
    }
    path = xasprintf("%s/%s.key", state_dir, mesh);
    error = key_read(path, &private, &absent);
    if (error && absent) {
        free(error);
        error = key_make(state_dir, path);
        if (!error) {
            error = key_read(path, &private, &absent);
        }
    }
    if (!error) {
        *ret_private = private;
        keys_public(&private, ret_public);
    }
    sodium_memzero(&private, sizeof private);
    free(path);
    return error;
}
