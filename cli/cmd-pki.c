#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/command.h"
#include "cli/make-dirs.h"
#include "cli/output.h"
#include "cli/pki-cert.h"
#include "state/name.h"
#include "svec.h"
#include "util.h"

#define DEFAULT_DIR "/etc/socknet/pki"
#define CERT_SUFFIX "-cert.pem"

enum { CA_DAYS = 3650, CERT_DAYS = 1825, MAX_DAYS = 36500 };

struct pki_options {
    const char *dir;
    int days;                   /* 0: the default. */
    bool server;
    bool json;
};

static int
pki_init(const struct pki_options *o)
{
    char *error = make_dirs(o->dir, 0700);

    if (!error) {
        error = pki_create_ca(o->dir, o->days ? o->days : CA_DAYS,
                              o->days ? o->days : CERT_DAYS);
    }
    if (!error) {
        printf("%s/ca-cert.pem: the authority that hosts trust; its key "
               "stays here\n"
               "%s/%s-cert.pem: for the central database\n"
               "Next: socknet pki node NAME --dir %s\n",
               o->dir, o->dir, PKI_DB_NAME, o->dir);
    }
    return command_finish(error);
}

/* NULL, or why a certificate cannot have this name. */
static char *
check_name(const char *name, const char *whose)
{
    char *reason = name_validate(name);
    char *error = NULL;

    if (reason) {
        error = xasprintf("\"%s\" cannot be %s name: %s", name, whose,
                          reason);
        free(reason);
    } else if (!strcmp(name, "ca") || !strcmp(name, PKI_DB_NAME)
               || !strncmp(name, PKI_MEMBER_PREFIX,
                           strlen(PKI_MEMBER_PREFIX))) {
        error = xasprintf("\"%s\" is the name of socknet's own certificate",
                          name);
    }
    return error;
}

static int
pki_member(const struct pki_options *o, const char *name)
{
    char *error = check_name(name, "a member's");

    if (!error) {
        error = pki_create_member(o->dir, name, o->days ? o->days : CA_DAYS,
                                  o->days ? o->days : CERT_DAYS);
    }
    if (!error) {
        printf("%s/" PKI_MEMBER_PREFIX "%s-cert.pem, %s/" PKI_MEMBER_PREFIX
               "%s-key.pem: bring both to %s, with " PKI_CLUSTER_CA
               "-cert.pem, " PKI_CLUSTER_CROSS " and ca-cert.pem\n",
               o->dir, name, o->dir, name, name);
    }
    return command_finish(error);
}

static int
pki_node(const struct pki_options *o, const char *name)
{
    char *error = check_name(name, "a node's");

    if (error) {
        return command_finish(error);
    }
    error = pki_create_cert(o->dir, name,
                            PKI_CLIENT | (o->server ? PKI_SERVER : 0),
                            o->days ? o->days : CERT_DAYS);
    if (!error) {
        printf("%s/%s-cert.pem, %s/%s-key.pem: bring both to %s, with "
               "%s/ca-cert.pem\n",
               o->dir, name, o->dir, name, name, o->dir);
    }
    return command_finish(error);
}

static const char *
uses_to_string(const struct pki_cert_info *info)
{
    return info->is_ca ? "authority"
           : info->uses == PKI_CLIENT ? "client"
           : info->uses == PKI_SERVER ? "server"
           : info->uses == (PKI_CLIENT | PKI_SERVER) ? "client, server"
           : "none";
}

static const char *
validity_to_string(const struct pki_cert_info *info)
{
    time_t now = time(NULL);

    return !info->trusted ? "not signed by this authority"
           : now < info->not_before ? "not valid yet"
           : now > info->not_after ? "expired"
           : "valid";
}

static char *
show_cert(const char *dir, const char *file, struct output *out)
{
    struct pki_cert_info info;
    char *error = pki_read_cert(dir, file, &info);
    char until[32];
    struct tm tm;

    if (error) {
        return error;
    }
    gmtime_r(&info.not_after, &tm);
    strftime(until, sizeof until, "%Y-%m-%d", &tm);
    output_record(out);
    output_string(out, "name", "name", info.subject);
    output_string(out, "use", "use", uses_to_string(&info));
    output_string(out, "until", "until", until);
    output_string(out, "validity", "validity", validity_to_string(&info));
    output_string(out, "file", "file", file);
    output_string(out, "issuer", NULL, info.issuer);
    output_string(out, "fingerprint", NULL, info.fingerprint);
    pki_cert_info_destroy(&info);
    return NULL;
}

static char *
list_certs(const char *dir, struct svec *files)
{
    DIR *stream = opendir(dir);
    struct dirent *entry;

    if (!stream) {
        return xasprintf("%s: %s", dir, ovs_strerror(errno));
    }
    while ((entry = readdir(stream)) != NULL) {
        size_t len = strlen(entry->d_name);

        if (len > strlen(CERT_SUFFIX)
            && !strcmp(entry->d_name + len - strlen(CERT_SUFFIX),
                       CERT_SUFFIX)) {
            svec_add(files, entry->d_name);
        }
    }
    closedir(stream);
    svec_sort(files);
    return files->n ? NULL
           : xasprintf("there is no certificate in %s: make an authority "
                       "with \"socknet pki init --dir %s\"", dir, dir);
}

static int
pki_show(const struct pki_options *o)
{
    struct svec files = SVEC_EMPTY_INITIALIZER;
    char *error = list_certs(o->dir, &files);
    struct output *out = output_create(o->json, "pki");
    const char *file;
    size_t i;

    output_begin(out, "certificates", OUTPUT_TABLE, NULL);
    SVEC_FOR_EACH (i, file, &files) {
        if (!error) {
            error = show_cert(o->dir, file, out);
        }
    }
    if (error) {
        output_abort(out);
    } else {
        output_finish(out);
    }
    svec_destroy(&files);
    return command_finish(error);
}

static int
parse_days(const char *s, int *ret_days)
{
    if (!str_to_int(s, 10, ret_days) || *ret_days < 1
        || *ret_days > MAX_DAYS) {
        return command_fail("--days: \"%s\" is not a number from 1 to %d", s,
                            MAX_DAYS);
    }
    return EXIT_OK;
}

static int
pki_parse(int argc, char *argv[], struct pki_options *o)
{
    enum { OPT_DIR = 256, OPT_DAYS, OPT_SERVER, OPT_JSON };
    static const struct option options[] = {
        {"dir", required_argument, NULL, OPT_DIR},
        {"days", required_argument, NULL, OPT_DAYS},
        {"server", no_argument, NULL, OPT_SERVER},
        {"json", no_argument, NULL, OPT_JSON},
        {NULL, 0, NULL, 0},
    };

    for (;;) {
        switch (command_getopt(argc, argv, options)) {
        case -1:
            return EXIT_OK;
        case OPT_DIR:
            o->dir = optarg;
            break;
        case OPT_DAYS:
            if (parse_days(optarg, &o->days)) {
                return EXIT_ERROR;
            }
            break;
        case OPT_SERVER:
            o->server = true;
            break;
        case OPT_JSON:
            o->json = true;
            break;
        default:
            return EXIT_ERROR;
        }
    }
}

int
cmd_pki(struct command_context *ctx, int argc, char *argv[])
{
    struct pki_options o = { .dir = DEFAULT_DIR, .json = ctx->json };

    if (pki_parse(argc, argv, &o)) {
        return EXIT_ERROR;
    }
    argc -= optind;
    argv += optind;
    if (argc == 1 && !strcmp(argv[0], "init")) {
        return pki_init(&o);
    } else if (argc == 2 && !strcmp(argv[0], "node")) {
        return pki_node(&o, argv[1]);
    } else if (argc == 2 && !strcmp(argv[0], "member")) {
        return pki_member(&o, argv[1]);
    } else if (argc == 1 && !strcmp(argv[0], "show")) {
        return pki_show(&o);
    }
    return command_misused("pki", "give one of init, node NAME, member NAME, "
                          "show");
}
