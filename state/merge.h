#ifndef SN_MERGE_H
#define SN_MERGE_H 1

/* The files of a folder, merged into one document by section. */

struct diags;
struct doc_value;
struct schema;

/* Moves what is in 'src' into 'dst', both of 'schema'.  Mappings are joined
 * key by key, lists of objects one after the other; anything else that both
 * have is reported with both places.  'src' is left an empty husk for the
 * caller to destroy. */
void doc_merge(const struct schema *, struct doc_value *dst,
               struct doc_value *src, struct diags *);

#endif /* state/merge.h */
