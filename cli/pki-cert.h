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

char *pki_create_ca(const char *dir, int days);
char *pki_create_cert(const char *dir, const char *name, unsigned int uses,
                      int days);

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
void pki_cert_info_destroy(struct pki_cert_info *);

#endif /* cli/pki-cert.h */
