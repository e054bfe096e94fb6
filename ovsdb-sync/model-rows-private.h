#ifndef SN_MODEL_ROWS_PRIVATE_H
#define SN_MODEL_ROWS_PRIVATE_H 1

/* What the parts of model-rows share: model-rows.c has the policy tables and
 * the registry, model-rows-mesh.c the mesh, model-rows-host.c and
 * model-rows-exit.c what belongs to hosts, model-rows-service.c services. */

#include <stdlib.h>
#include "ovsdb-sync/model-rows.h"
#include "util.h"

struct sndb_container;

extern const struct model_rows model_rows_mesh;
extern const struct model_rows model_rows_node;
extern const struct model_rows model_rows_exit;
extern const struct model_rows model_rows_container;
extern const struct model_rows model_rows_raw_flow;
extern const struct model_rows model_rows_service;

/* '*selectors' and '*n_selectors' grow as far as there is no error. */
char *model_rows_selectors_read(char **strings, size_t n,
                                const struct sn_loc *,
                                struct model_selector **selectors,
                                size_t *n_selectors);
char **model_rows_prefixes_to_strings(const struct sn_prefix *, size_t n);
/* Of qsort(): IPv4 first.  The order of addresses has no meaning, but should
 * not surprise people. */
int model_rows_compare_prefixes(const void *, const void *);
char **model_rows_selectors_to_strings(const struct model_selector *,
                                       size_t n);
extern const struct model_rows model_rows_client;

struct model_vpn;
struct sndb_node;

/* The column "vpn_server" of a node; '*ret_vpn' is NULL if it is empty.
 * Returns NULL or an error to free. */
char *vpn_read(const struct sndb_node *, struct model_vpn **ret_vpn);
void vpn_write(const struct sndb_node *, const struct model_vpn *);

struct model_socks;
struct smap;

/* Node's column "socks5". */
void model_rows_socks_read(const struct smap *, struct model_socks *);
void model_rows_socks_write(const struct model_socks *, struct smap *);

/* The row of table 'NAME' whose header is 'HEADER'. */
#define SNDB_ROW(NAME, HEADER) \
    CONTAINER_OF(HEADER, const struct sndb_##NAME, header_)

static inline char *
source_to_string(const struct sn_loc *loc)
{
    return loc->file ? sn_loc_to_string(loc) : xstrdup("");
}

static inline void
source_from_string(const char *s, struct sn_loc *ret_loc)
{
    if (!s[0] || !sn_loc_from_string(s, ret_loc)) {
        *ret_loc = (struct sn_loc) { .file = NULL };
    }
}

static inline char *
other_from_string(const char *s)
{
    return s[0] ? xstrdup(s) : NULL;
}

static inline const char *
other_to_string(const char *other)
{
    return other ? other : "";
}

static inline void
free_strings(char **strings, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(strings[i]);
    }
    free(strings);
}

/* The column "rate" of a container. */
void model_rows_read_limits(const struct sndb_container *,
                            struct model_limits *);
void model_rows_write_limits(const struct sndb_container *,
                             const struct model_limits *);

#define CONST_STRINGS(STRINGS) CONST_CAST(const char **, STRINGS)

#endif /* ovsdb-sync/model-rows-private.h */
