#ifndef SN_YAML_H
#define SN_YAML_H 1

/* JSON as YAML that reads back as the same JSON (doc_to_json()). */

struct ds;
struct json;
struct schema;

/* Appends 'json' to 'out' as a YAML document in block style; small leaves
 * stand on one line.  Keys that 'schema' (may be NULL) knows come in its
 * order, then the others by name. */
void yaml_from_json(const struct json *, const struct schema *,
                    struct ds *out);

#endif /* state/yaml.h */
