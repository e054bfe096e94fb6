#include <config.h>

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "cli/command.h"
#include "cli/doctor.h"
#include "cli/pki-cert.h"
#include "svec.h"
#include "timeval.h"
#include "util.h"

/* Certificates, and who can read private keys. */

enum { DAY_S = 86400, EXPIRES_SOON_S = 30 * DAY_S };

#define STATE_DIR "/var/lib/socknet"
#define CERT_SUFFIX "-cert.pem"
#define KEY_SUFFIX "-key.pem"

/* Adds the names of files in 'dir' that end in 'suffix', sorted. */
static void
list_files(const char *dir, const char *suffix, struct svec *files)
{
    DIR *stream = opendir(dir);
    struct dirent *entry;

    while (stream && (entry = readdir(stream))) {
        size_t len = strlen(entry->d_name), end = strlen(suffix);

        if (len > end && !strcmp(entry->d_name + len - end, suffix)) {
            svec_add(files, entry->d_name);
        }
    }
    if (stream) {
        closedir(stream);
    }
    svec_sort(files);
}

/* Commands that make the certificate of 'name' anew; the caller frees. */
static char *
renewal(const struct doctor *d, const char *name)
{
    const char *dir = d->pki_dir;
    size_t prefix = strlen(PKI_MEMBER_PREFIX);
    char *ca = xasprintf("%s/ca" KEY_SUFFIX, dir);
    bool here = !access(ca, F_OK);
    char *command, *all;

    free(ca);
    if (!strcmp(name, "ca") || !strcmp(name, PKI_CLUSTER_CA)) {
        return xasprintf("mv %s %s.old; socknet pki init --dir %s; then the "
                         "certificate of every host anew", dir, dir, dir);
    }
    command = !strcmp(name, PKI_DB_NAME) ? xstrdup("init")
              : !strncmp(name, PKI_MEMBER_PREFIX, prefix)
              ? xasprintf("member %s", name + prefix)
              : xasprintf("node %s", name);
    all = xasprintf("%srm -f %s/%s" CERT_SUFFIX " %s/%s" KEY_SUFFIX
                    "; socknet pki %s --dir %s%s",
                    here ? "" : "where the authority's key is: ", dir, name,
                    dir, name, command, dir,
                    here ? "" : "; bring both files here");
    free(command);
    return all;
}

static void
check_times(struct doctor *d, const char *file, const char *remedy,
            const struct pki_cert_info *info)
{
    time_t now = time_wall();
    char until[32];

    strftime(until, sizeof until, "%Y-%m-%d", gmtime(&info->not_after));
    if (info->not_before > now) {
        doctor_report(d, DOCTOR_FAIL, "timedatectl set-ntp true: set the "
                      "clock, here or where it was made",
                      "%s is valid in the future only", file);
    } else if (info->not_after <= now) {
        doctor_report(d, DOCTOR_FAIL, remedy, "%s has expired on %s", file,
                      until);
    } else if (info->not_after - now < EXPIRES_SOON_S) {
        doctor_report(d, DOCTOR_WARN, remedy, "%s expires on %s", file,
                      until);
    } else {
        doctor_report(d, DOCTOR_OK, NULL, "%s is valid until %s", file,
                      until);
    }
}

static void
check_certificate(struct doctor *d, const char *file)
{
    char *name = xmemdup0(file, strlen(file) - strlen(CERT_SUFFIX));
    char *key = xasprintf("%s/%s" KEY_SUFFIX, d->pki_dir, name);
    char *remedy = renewal(d, name);
    struct pki_cert_info info;
    char *error = pki_read_cert(d->pki_dir, file, &info);
    char *mismatch = !error && !access(key, R_OK)
                     ? pki_check_key(d->pki_dir, name) : NULL;

    if (error) {
        doctor_report(d, DOCTOR_FAIL, remedy, "%s", error);
    } else if (!info.trusted) {
        doctor_report(d, DOCTOR_FAIL, remedy,
                      "%s is not from the authority of ca-cert.pem here",
                      file);
    } else if (!info.is_ca && strcmp(info.subject, name)) {
        doctor_report(d, DOCTOR_FAIL, remedy,
                      "%s is the certificate of \"%s\": the database takes "
                      "this host for that one", file, info.subject);
    } else if (mismatch) {
        doctor_report(d, DOCTOR_FAIL, remedy, "%s", mismatch);
    } else {
        check_times(d, file, remedy, &info);
    }
    if (!error) {
        pki_cert_info_destroy(&info);
    }
    free(mismatch);
    free(error);
    free(remedy);
    free(key);
    free(name);
}

void
doctor_certificates(struct doctor *d)
{
    struct svec files = SVEC_EMPTY_INITIALIZER;

    list_files(d->pki_dir, CERT_SUFFIX, &files);
    for (size_t i = 0; i < files.n; i++) {
        check_certificate(d, files.names[i]);
    }
    if (!files.n) {
        doctor_report(d, DOCTOR_UNKNOWN, NULL, "no certificate in %s that "
                      "can be read (--pki)", d->pki_dir);
    }
    svec_destroy(&files);
}

/* Returns whether all can be read by their owner only. */
static bool
check_modes(struct doctor *d, const char *dir, const char *suffix)
{
    struct svec files = SVEC_EMPTY_INITIALIZER;
    bool fine = true;

    list_files(dir, suffix, &files);
    for (size_t i = 0; i < files.n; i++) {
        char *path = xasprintf("%s/%s", dir, files.names[i]);
        bool mesh = suffix[0] == '.';
        struct stat st;

        if (!stat(path, &st) && (st.st_mode & 077)) {
            char *anew = mesh ? xasprintf("socknet node rotate %s",
                                          d->node_name)
                         : xstrdup("a new certificate");
            char *remedy = xasprintf("chmod 600 %s (and, if somebody may have "
                                     "read it: %s)", path, anew);

            doctor_report(d, DOCTOR_FAIL, remedy, "%s has mode %03o: others "
                          "can read a private key", path,
                          (unsigned int) st.st_mode & 0777);
            free(remedy);
            free(anew);
            fine = false;
        }
        free(path);
    }
    svec_destroy(&files);
    return fine;
}

void
doctor_keys(struct doctor *d)
{
    bool fine = check_modes(d, STATE_DIR, ".key");

    fine &= check_modes(d, d->pki_dir, KEY_SUFFIX);
    if (!fine) {
        return;
    } else if (access(STATE_DIR, R_OK)) {
        doctor_report(d, DOCTOR_UNKNOWN, NULL, "who can read the keys in "
                      STATE_DIR);
    } else {
        doctor_report(d, DOCTOR_OK, NULL,
                      "private keys can be read by their owner only");
    }
}
