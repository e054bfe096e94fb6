#include <config.h>

#include "cli/pki-cert.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "openvswitch/dynamic-string.h"
#include "util.h"

/* Hosts whose clock is a little behind must accept a new certificate too. */
#define CLOCK_SKEW_S (24 * 60 * 60)

#define CLUSTER_CA_NAME "socknet cluster CA"

static char *
openssl_error(const char *doing)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    char *error = xasprintf("%s: %s", doing,
                            reason ? reason : "OpenSSL failed");

    ERR_clear_error();
    return error;
}

/* Opens a new file, which must not exist. */
static char *
file_create(const char *path, mode_t mode, FILE **ret_file)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

    if (fd < 0) {
        return errno == EEXIST
               ? xasprintf("%s exists; it is not overwritten", path)
               : xasprintf("%s: %s", path, ovs_strerror(errno));
    }
    fchmod(fd, mode);
    *ret_file = fdopen(fd, "w");
    return NULL;
}

static char *
file_finish(const char *path, FILE *file, bool written)
{
    if (fflush(file) || fsync(fileno(file))) {
        written = false;
    }
    int error = errno;
    fclose(file);
    if (!written) {
        unlink(path);
        return xasprintf("%s: %s", path, ovs_strerror(error ? error : EIO));
    }
    return NULL;
}

static char *
write_key(const char *path, EVP_PKEY *key)
{
    FILE *file;
    char *error = file_create(path, 0600, &file);

    if (error) {
        return error;
    }
    errno = 0;
    return file_finish(path, file,
                       PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL,
                                            NULL));
}

static char *
write_cert(const char *path, X509 *cert)
{
    FILE *file;
    char *error = file_create(path, 0644, &file);

    if (error) {
        return error;
    }
    errno = 0;
    return file_finish(path, file, PEM_write_X509(file, cert));
}

/* Both files or none. */
static char *
write_key_and_cert(const char *dir, const char *name, EVP_PKEY *key,
                   X509 *cert)
{
    char *key_path = xasprintf("%s/%s-key.pem", dir, name);
    char *cert_path = xasprintf("%s/%s-cert.pem", dir, name);
    struct stat s;
    char *error = NULL;

    if (!lstat(cert_path, &s)) {
        error = xasprintf("%s exists; it is not overwritten", cert_path);
    }
    if (!error) {
        error = write_key(key_path, key);
    }
    if (!error) {
        error = write_cert(cert_path, cert);
        if (error) {
            unlink(key_path);
        }
    }
    free(key_path);
    free(cert_path);
    return error;
}

static char *
read_cert_file(const char *path, X509 **ret_cert)
{
    FILE *file = fopen(path, "re");

    if (!file) {
        return xasprintf("%s: %s", path, ovs_strerror(errno));
    }
    *ret_cert = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    return *ret_cert ? NULL : openssl_error(path);
}

static char *
read_key_file(const char *path, EVP_PKEY **ret_key)
{
    FILE *file = fopen(path, "re");

    if (!file) {
        return xasprintf("%s: %s", path, ovs_strerror(errno));
    }
    *ret_key = PEM_read_PrivateKey(file, NULL, NULL, CONST_CAST(char *, ""));
    fclose(file);
    return *ret_key ? NULL : openssl_error(path);
}

static bool
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);

    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = ext && X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
    return ok;
}

static bool
set_random_serial(X509 *cert)
{
    BIGNUM *bn = BN_new();
    bool ok = bn && BN_rand(bn, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY)
              && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert));

    BN_free(bn);
    return ok;
}

/* What all certificates have: everything but extensions and signature. */
static X509 *
new_cert(const char *common_name, EVP_PKEY *key, int days)
{
    X509 *cert = X509_new();
    X509_NAME *name = cert ? X509_get_subject_name(cert) : NULL;

    if (!cert
        || !X509_set_version(cert, 2) /* That is version 3. */
        || !set_random_serial(cert)
        || !X509_gmtime_adj(X509_getm_notBefore(cert), -CLOCK_SKEW_S)
        || !X509_time_adj_ex(X509_getm_notAfter(cert), days, 0, NULL)
        || !X509_set_pubkey(cert, key)
        || !X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC,
                                       (const unsigned char *) "socknet",
                                       -1, -1, 0)
        || !X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                       (const unsigned char *) common_name,
                                       -1, -1, 0)) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

/* Signs 'cert' as an authority's; 'issuer' may be 'cert'. */
static bool
sign_ca(X509 *cert, X509 *issuer, EVP_PKEY *issuer_key,
        const char *constraints)
{
    return X509_set_issuer_name(cert, X509_get_subject_name(issuer))
           && add_extension(cert, issuer, NID_basic_constraints, constraints)
           && add_extension(cert, issuer, NID_key_usage,
                            "critical,keyCertSign,cRLSign")
           && add_extension(cert, issuer, NID_subject_key_identifier, "hash")
           && X509_sign(cert, issuer_key, EVP_sha256());
}

static char *
create_ca(const char *dir, const char *name, const char *common_name,
          const char *constraints, int days)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key ? new_cert(common_name, key, days) : NULL;
    char *error = cert && sign_ca(cert, cert, key, constraints)
                  ? write_key_and_cert(dir, name, key, cert)
                  : openssl_error("making the CA's certificate");

    X509_free(cert);
    EVP_PKEY_free(key);
    return error;
}


static char *
read_ca(const char *dir, const char *name, X509 **ret_cert,
        EVP_PKEY **ret_key)
{
    char *cert_path = xasprintf("%s/%s-cert.pem", dir, name);
    char *key_path = xasprintf("%s/%s-key.pem", dir, name);
    struct stat s;
    char *error;

    if (stat(cert_path, &s) && errno == ENOENT) {
        error = xasprintf("there is no CA in %s: make one with "
                          "\"socknet pki init --dir %s\"", dir, dir);
    } else {
        error = read_cert_file(cert_path, ret_cert);
    }
    if (!error) {
        error = read_key_file(key_path, ret_key);
    }
    if (!error && !X509_check_private_key(*ret_cert, *ret_key)) {
        ERR_clear_error();
        error = xasprintf("%s is not the key of %s", key_path, cert_path);
    }
    free(cert_path);
    free(key_path);
    return error;
}

char *
pki_check_key(const char *dir, const char *name)
{
    X509 *cert = NULL;
    EVP_PKEY *key = NULL;
    char *error = read_ca(dir, name, &cert, &key);

    X509_free(cert);
    EVP_PKEY_free(key);
    return error;
}

static const char *
extended_key_usage(unsigned int uses)
{
    return uses == PKI_CLIENT ? "clientAuth"
           : uses == PKI_SERVER ? "serverAuth"
           : "clientAuth,serverAuth";
}

static bool
sign_cert(X509 *cert, X509 *ca_cert, EVP_PKEY *ca_key, const char *name,
          unsigned int uses)
{
    char *san = xasprintf("DNS:%s", name);
    bool ok = X509_set_issuer_name(cert, X509_get_subject_name(ca_cert))
              && add_extension(cert, ca_cert, NID_basic_constraints,
                               "critical,CA:FALSE")
              && add_extension(cert, ca_cert, NID_key_usage,
                               "critical,digitalSignature")
              && add_extension(cert, ca_cert, NID_ext_key_usage,
                               extended_key_usage(uses))
              && add_extension(cert, ca_cert, NID_subject_alt_name, san)
              && add_extension(cert, ca_cert, NID_subject_key_identifier,
                               "hash")
              && add_extension(cert, ca_cert, NID_authority_key_identifier,
                               "keyid:always")
              && X509_sign(cert, ca_key, EVP_sha256());

    free(san);
    return ok;
}

static char *
create_cert(const char *dir, const char *ca, const char *name,
            unsigned int uses, int days)
{
    EVP_PKEY *ca_key = NULL, *key = NULL;
    X509 *ca_cert = NULL, *cert = NULL;
    char *error = read_ca(dir, ca, &ca_cert, &ca_key);

    if (!error) {
        key = EVP_EC_gen("P-256");
        cert = key ? new_cert(name, key, days) : NULL;
        error = cert && sign_cert(cert, ca_cert, ca_key, name, uses)
                ? write_key_and_cert(dir, name, key, cert)
                : openssl_error("making the certificate");
    }
    X509_free(cert);
    X509_free(ca_cert);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    return error;
}

char *
pki_create_cert(const char *dir, const char *name, unsigned int uses,
                int days)
{
    return create_cert(dir, "ca", name, uses, days);
}

static void
remove_file(const char *dir, const char *file)
{
    char *path = xasprintf("%s/%s", dir, file);

    unlink(path);
    free(path);
}

static bool
file_exists(const char *dir, const char *file)
{
    char *path = xasprintf("%s/%s", dir, file);
    bool exists = !access(path, F_OK);

    free(path);
    return exists;
}

char *
pki_create_ca(const char *dir, int ca_days, int days)
{
    if (file_exists(dir, "ca-cert.pem")
        && !file_exists(dir, PKI_DB_NAME "-cert.pem")) {
        return pki_create_cert(dir, PKI_DB_NAME, PKI_SERVER, days);
    }

    /* One more below it: the cluster's. */
    char *error = create_ca(dir, "ca", "socknet CA",
                            "critical,CA:TRUE,pathlen:1", ca_days);

    if (!error) {
        error = pki_create_cert(dir, PKI_DB_NAME, PKI_SERVER, days);
        if (error) {
            remove_file(dir, "ca-key.pem");
            remove_file(dir, "ca-cert.pem");
        }
    }
    return error;
}

/* The cluster's authority once more, as the mesh's authority sees it. */
static char *
write_cross(const char *dir, X509 *mesh, EVP_PKEY *mesh_key, int days)
{
    char *path = xasprintf("%s/" PKI_CLUSTER_CROSS, dir);
    EVP_PKEY *key = NULL;
    X509 *own = NULL, *cross = NULL;
    char *error = read_ca(dir, PKI_CLUSTER_CA, &own, &key);

    if (!error) {
        cross = new_cert(CLUSTER_CA_NAME, key, days);
        error = cross && sign_ca(cross, mesh, mesh_key,
                                 "critical,CA:TRUE,pathlen:0")
                ? write_cert(path, cross)
                : openssl_error("making the cluster's authority");
    }
    X509_free(own);
    X509_free(cross);
    EVP_PKEY_free(key);
    free(path);
    return error;
}

/* Makes what of it is missing. */
static char *
create_cluster_ca(const char *dir, int days)
{
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    char *error = read_ca(dir, "ca", &cert, &key);

    if (!error && !X509_get_pathlen(cert)) {
        error = xasprintf("the authority in %s cannot have the cluster's "
                          "below it: it was made by a socknet that knew no "
                          "clusters; make another one", dir);
    }
    if (!error && !file_exists(dir, PKI_CLUSTER_CA "-cert.pem")) {
        error = create_ca(dir, PKI_CLUSTER_CA, CLUSTER_CA_NAME,
                          "critical,CA:TRUE,pathlen:0", days);
    }
    if (!error && !file_exists(dir, PKI_CLUSTER_CROSS)) {
        error = write_cross(dir, cert, key, days);
    }
    X509_free(cert);
    EVP_PKEY_free(key);
    return error;
}

char *
pki_create_member(const char *dir, const char *name, int ca_days, int days)
{
    char *file = xasprintf(PKI_MEMBER_PREFIX "%s", name);
    bool complete = (file_exists(dir, PKI_CLUSTER_CA "-cert.pem")
                     && file_exists(dir, PKI_CLUSTER_CROSS));
    char *error = complete ? NULL : create_cluster_ca(dir, ca_days);

    if (!error) {
        error = create_cert(dir, PKI_CLUSTER_CA, file,
                            PKI_CLIENT | PKI_SERVER, days);
    }
    free(file);
    return error;
}

static char *
common_name(X509_NAME *name)
{
    char buf[256];
    int n = X509_NAME_get_text_by_NID(name, NID_commonName, buf, sizeof buf);

    return xstrdup(n >= 0 ? buf : "");
}

static time_t
to_time(const ASN1_TIME *t)
{
    struct tm tm;

    return t && ASN1_TIME_to_tm(t, &tm) ? timegm(&tm) : 0;
}

static char *
fingerprint(X509 *cert)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    struct ds s = DS_EMPTY_INITIALIZER;

    X509_digest(cert, EVP_sha256(), digest, &n);
    for (unsigned int i = 0; i < n; i++) {
        ds_put_format(&s, "%s%02X", i ? ":" : "", digest[i]);
    }
    return ds_steal_cstr(&s);
}

static bool
is_signed_by(const char *dir, const char *ca, X509 *cert)
{
    char *path = xasprintf("%s/%s-cert.pem", dir, ca);
    X509 *ca_cert = NULL;
    char *error = read_cert_file(path, &ca_cert);
    bool ok = !error
              && X509_check_issued(ca_cert, cert) == X509_V_OK
              && X509_verify(cert, X509_get0_pubkey(ca_cert)) == 1;

    ERR_clear_error();
    X509_free(ca_cert);
    free(error);
    free(path);
    return ok;
}

char *
pki_read_cert(const char *dir, const char *file,
              struct pki_cert_info *ret_info)
{
    char *path = xasprintf("%s/%s", dir, file);
    X509 *cert = NULL;
    char *error = read_cert_file(path, &cert);

    free(path);
    if (error) {
        return error;
    }

    uint32_t usage = X509_get_extended_key_usage(cert);
    *ret_info = (struct pki_cert_info) {
        .subject = common_name(X509_get_subject_name(cert)),
        .issuer = common_name(X509_get_issuer_name(cert)),
        .fingerprint = fingerprint(cert),
        .not_before = to_time(X509_get0_notBefore(cert)),
        .not_after = to_time(X509_get0_notAfter(cert)),
        .is_ca = X509_check_ca(cert) == 1,
        .trusted = is_signed_by(dir, "ca", cert)
                   || is_signed_by(dir, PKI_CLUSTER_CA, cert),
    };
    if (!ret_info->is_ca) {
        ret_info->uses = (usage & XKU_SSL_CLIENT ? PKI_CLIENT : 0)
                         | (usage & XKU_SSL_SERVER ? PKI_SERVER : 0);
    }
    X509_free(cert);
    return NULL;
}

void
pki_cert_info_destroy(struct pki_cert_info *info)
{
    free(info->subject);
    free(info->issuer);
    free(info->fingerprint);
}
