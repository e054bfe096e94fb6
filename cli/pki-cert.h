#ifndef SN_PKI_CERT_H
#define SN_PKI_CERT_H 1

/* X.509 certificates of the mesh's own authority, with OpenSSL's libcrypto.
 *
 * A folder holds "ca-key.pem", "ca-cert.pem" and, for each name,
 * "NAME-key.pem" and "NAME-cert.pem".  Keys are ECDSA P-256 and only the owner
 * can read them.  Functions return NULL, or an error that the caller frees;
 * a failed one leaves no file behind. */

#include <stdbool.h>
#include <time.h>

enum pki_use {
    PKI_CLIENT = 1 << 0,        /* Hosts: can only be the client of TLS, */
    PKI_SERVER = 1 << 1,        /* so that no host can pose as a server. */
};

/* The name of the database's own certificate. */
#define PKI_DB_NAME "socknet-db"

/* With the database's certificate.  Of an authority that is there, that one
 * alone is made anew, if it has been taken away. */
char *pki_create_ca(const char *dir, int ca_days, int days);
char *pki_create_cert(const char *dir, const char *name, unsigned int uses,
                      int days);

/* The servers of a cluster trust each other, and relays, with everything: RBAC
 * knows no roles there.  So they have an authority of their own, which signs
 * no host's certificate; hosts trust it by the mesh's authority, which signed
 * it too (PKI_CLUSTER_CROSS: servers send that along).
 *
 * Makes PKI_MEMBER_PREFIX "NAME-key.pem" and "-cert.pem", and what of the
 * authority is missing. */
char *pki_create_member(const char *dir, const char *name, int ca_days,
                        int days);

#define PKI_MEMBER_PREFIX "cluster-"
#define PKI_CLUSTER_CA "cluster-ca"
#define PKI_CLUSTER_CROSS "cluster-ca-cross.pem"

struct pki_cert_info {
    char *subject;              /* Common name. */
    char *issuer;
    char *fingerprint;          /* SHA-256, "AB:CD:...". */
    time_t not_before, not_after;
    bool is_ca;
    bool trusted;               /* Signed by the folder's authority. */
    unsigned int uses;          /* PKI_*. */
};

char *pki_read_cert(const char *dir, const char *file,
                    struct pki_cert_info *ret_info);
/* Whether "NAME-key.pem" is there and the key of "NAME-cert.pem". */
char *pki_check_key(const char *dir, const char *name);
void pki_cert_info_destroy(struct pki_cert_info *);

#endif /* cli/pki-cert.h */
