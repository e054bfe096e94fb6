#include <config.h>

#include "state/schema.h"

#include "openvswitch/json.h"
#include "openvswitch/util.h"
#include "util.h"

/* The tables as JSON Schema, for editors.  What JSON Schema cannot say (names
 * that must be there, overlaps) is `socknet check`'s. */

static struct json *schema_value_to_json(const struct schema *);

static struct json *
json_typed(const char *type, const char *pattern)
{
    struct json *json = json_object_create();

    json_object_put_string(json, "type", type);
    if (pattern) {
        json_object_put_string(json, "pattern", pattern);
    }
    return json;
}

static struct json *
json_number(long long int min, long long int max)
{
    struct json *json = json_typed("integer", NULL);

    json_object_put(json, "minimum", json_integer_create(min));
    json_object_put(json, "maximum", json_integer_create(max));
    return json;
}

static const char *
schema_pattern(enum schema_type type)
{
    switch (type) {
    case SCHEMA_NAME:
        return "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$";
    case SCHEMA_INTERFACE:
        return "^[A-Za-z0-9._][A-Za-z0-9._-]{0,14}$";
    case SCHEMA_DOMAIN:
        return "^[A-Za-z0-9_-]{1,63}(\\.[A-Za-z0-9_-]{1,63})*$";
    case SCHEMA_ADDRESS:
        return "^[0-9A-Fa-f.:]+$";
    case SCHEMA_NETWORK:
        return "^[0-9A-Fa-f.:]+/[0-9]{1,3}$";
    case SCHEMA_IPV4:
        return "^[0-9.]+/[0-9]{1,2}$";
    case SCHEMA_IPV6:
        return "^[0-9A-Fa-f:.]+/[0-9]{1,3}$";
    case SCHEMA_MAC:
        return "^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$";
    case SCHEMA_TIME:
        return "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?Z)?"
               "$";
    case SCHEMA_PUBLIC_KEY:
        return "^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$";
    case SCHEMA_RATE:
        return "^[0-9]+(\\.[0-9]+)?([kKmMgG]bit|pps)$";
    case SCHEMA_BITS:
        return "^[0-9]+(\\.[0-9]+)?[kKmMgG]bit$";
    default:
        return ".";
    }
}

static struct json *
schema_map_to_json(const struct schema *schema)
{
    struct json *json = json_typed("object", NULL);
    struct json *properties = json_object_create();
    struct json *required = json_array_create_empty();
    const struct schema_key *key;

    for (size_t i = 0; (key = schema_get_key(schema, i)) != NULL; i++) {
        struct json *value = schema_value_to_json(key->schema);
        json_object_put_string(value, "description", key->doc);
        json_object_put(properties, key->name, value);
        if (key->flags & SCHEMA_REQUIRED) {
            json_array_add(required, json_string_create(key->name));
        }
    }
    json_object_put(json, "properties", properties);
    json_object_put(json, "required", required);
    json_object_put(json, "additionalProperties", json_boolean_create(false));
    if (schema->suffix) {
        struct json *patterns = json_object_create();
        json_object_put_nocopy(patterns, xasprintf(".%s$", schema->suffix),
                               schema_value_to_json(schema->item));
        json_object_put(json, "patternProperties", patterns);
    }
    return json;
}

static struct json *
schema_list_to_json(const struct schema *schema)
{
    struct json *list = json_typed("array", NULL);
    struct json *any_of = json_array_create_1(list);
    struct json *json = json_object_create();

    json_object_put(list, "items", schema_value_to_json(schema->item));
    if (schema->or_single) {
        json_array_add(any_of, schema_value_to_json(schema->item));
    }
    if (schema->or_map) {
        json_array_add(any_of, schema_value_to_json(schema->or_map));
    }
    json_object_put(json, "anyOf", any_of);
    return json;
}

static struct json *
schema_value_to_json(const struct schema *schema)
{
    struct json *json, *words;

    switch (schema->type) {
    case SCHEMA_ANY:
        return json_object_create();
    case SCHEMA_MAP:
        return schema_map_to_json(schema);
    case SCHEMA_LIST:
        return schema_list_to_json(schema);
    case SCHEMA_MAP_OF:
        json = json_typed("object", NULL);
        json_object_put(json, "propertyNames",
                        json_typed("string",
                                   schema_pattern(schema->key_type)));
        json_object_put(json, "additionalProperties",
                        schema_value_to_json(schema->item));
        return json;
    case SCHEMA_BOOL:
        return json_typed("boolean", NULL);
    case SCHEMA_UINT:
        return json_number(0, UINT32_MAX);
    case SCHEMA_PORT:
        return json_number(1, UINT16_MAX);
    case SCHEMA_ENUM:
        words = json_array_create_empty();
        for (size_t i = 0; schema->words[i]; i++) {
            json_array_add(words, json_string_create(schema->words[i]));
        }
        json = json_object_create();
        json_object_put(json, "enum", words);
        return json;
    case SCHEMA_STRING:
        /* Plain numbers are taken as their text: id: 102. */
        json = json_object_create();
        json_object_put(json, "type",
                        json_array_create_2(json_string_create("string"),
                                            json_string_create("number")));
        return json;
    case SCHEMA_NAME:
    case SCHEMA_INTERFACE:
    case SCHEMA_DOMAIN:
    case SCHEMA_ADDRESS:
    case SCHEMA_NETWORK:
    case SCHEMA_IPV4:
    case SCHEMA_IPV6:
    case SCHEMA_MAC:
    case SCHEMA_TIME:
    case SCHEMA_PUBLIC_KEY:
    case SCHEMA_RATE:
    case SCHEMA_BITS:
    case SCHEMA_ENDPOINT:
    case SCHEMA_SELECTOR:
        return json_typed("string", schema_pattern(schema->type));
    }
    OVS_NOT_REACHED();
}

struct json *
schema_to_json(void)
{
    struct json *json = json_object_create();

    json_object_put_string(json, "$schema",
                           "https://json-schema.org/draft/2020-12/schema");
    json_object_put_string(json, "title", "socknet state file");
    json_object_put(json, "anyOf", json_array_create_2(
                        schema_value_to_json(&schema_fleet),
                        schema_value_to_json(&schema_host)));
    return json;
}
