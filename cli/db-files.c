#include <config.h>

#include "cli/db-options.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/db-file.h"
#include "cli/make-dirs.h"
#include "cli/pki-cert.h"
#include "lib/prefix.h"
#include "ovsdb-sync/db-probe.h"
#include "util.h"

char *
db_make_parent(const char *file)
{
    char *copy = xstrdup(file);
    char *error = make_dirs(dirname(copy), 0700);

    free(copy);
    return error;
}

char *
db_create_file(const char *file, const char *from)
{
    struct stat s;
    char *error;

    if (!stat(file, &s)) {
        return xasprintf("%s exists; it is not overwritten", file);
    }
    error = db_make_parent(file);
    return error ? error : db_file_create(file, from);
}

char *
db_check_address(const char *option, const char *address)
{
    bool bracket = address[0] == '[';
    char *bare = xstrdup(address + bracket);
    size_t len = strlen(bare);
    struct sn_prefix prefix;
    char *error = NULL;

    if (bracket && len && bare[len - 1] == ']') {
        bare[len - 1] = '\0';
    } else if (bracket || strpbrk(bare, ":/")) {
        error = xasprintf("%s: \"%s\": an IPv6 address is written in "
                          "brackets, and without a port", option, address);
    }
    if (!error) {
        char *reason = sn_prefix_parse(bare, &prefix);

        error = reason ? xasprintf("%s: %s", option, reason) : NULL;
        free(reason);
    }
    free(bare);
    return error;
}

char *
db_check_model(const char *db, bool or_alone)
{
    struct db_probe probe;
    char *error = db_probe_run(db, &probe);

    if (!error && strcmp(probe.model, "clustered")
        && !(or_alone && !strcmp(probe.model, "standalone"))) {
        error = xasprintf("%s: the server there is no member of a cluster "
                          "(%s)", db, probe.model);
    }
    db_probe_destroy(&probe);
    return error;
}

char *
db_member_name(const struct db_options *o)
{
    char hostname[256] = "";

    if (!o->name) {
        gethostname(hostname, sizeof hostname - 1);
    }
    return xasprintf(PKI_MEMBER_PREFIX "%s", o->name ? o->name : hostname);
}

static char *
check_readable(const char *path, const char *hint)
{
    return access(path, R_OK)
           ? xasprintf("%s: %s%s", path, ovs_strerror(errno),
                       errno == ENOENT ? hint : "")
           : NULL;
}

char *
db_keys_find(const struct db_options *o, bool member, struct db_keys *keys)
{
    char *dir = abs_file_name(NULL, o->pki);
    char *name = member ? db_member_name(o)
                 : xstrdup(o->name ? o->name : PKI_DB_NAME);
    const char *hint = member
                       ? "; \"socknet pki member NAME\" makes it"
                       : "; \"socknet pki init\" makes an authority";

    *keys = (struct db_keys) {
        .private_key = xasprintf("%s/%s-key.pem", dir, name),
        .certificate = xasprintf("%s/%s-cert.pem", dir, name),
        .ca_cert = xasprintf("%s/%s-cert.pem", dir,
                             member ? PKI_CLUSTER_CA : "ca"),
        .send_ca = member ? xasprintf("%s/" PKI_CLUSTER_CROSS, dir) : NULL,
    };
    free(name);
    free(dir);

    char *error = check_readable(keys->ca_cert, hint);
    if (!error) {
        error = check_readable(keys->certificate, member ? hint : "");
    }
    if (!error && keys->send_ca) {
        error = check_readable(keys->send_ca, hint);
    }
    return error ? error : check_readable(keys->private_key, "");
}

void
db_keys_destroy(struct db_keys *keys)
{
    free(keys->private_key);
    free(keys->certificate);
    free(keys->ca_cert);
    free(keys->send_ca);
}
