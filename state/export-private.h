#ifndef SN_EXPORT_PRIVATE_H
#define SN_EXPORT_PRIVATE_H 1

/* What the files that write a state file share. */

#include "state/model.h"

struct json;

/* Puts 'value' under 'name' unless it is empty, else frees it. */
void export_put(struct json *object, const char *name, struct json *value);
/* Adds what an object keeps verbatim. */
void export_merge_other(struct json *object, const char *other);
struct json *export_selectors(const struct model_selector *, size_t n);

struct json *export_mesh(const struct model_mesh *);
/* Of the section "services". */
struct json *export_services(const struct model *);

struct json *export_strings(const char *const *strings, size_t n);
struct json *export_sset(const struct sset *);          /* Sorted. */
void export_put_nullable(struct json *object, const char *name,
                         const char *value);
struct json *export_vpn(const struct model_vpn *);
struct json *export_clients(const struct model *);
/* Exits and proxies; an empty object: nothing to say. */
struct json *export_probe(const struct model_probe *);
struct json *export_socks(const struct model_socks *);

#endif /* state/export-private.h */
