#include <config.h>

#include "state/export-private.h"

#include <stdlib.h>
#include "openvswitch/json.h"
#include "state/model.h"
#include "util.h"

/* Exits and proxies in the exported state. */

static void
put_number(struct json *object, const char *key, uint32_t number)
{
    if (number) {
        json_object_put(object, key, json_integer_create(number));
    }
}

static void
put_list(struct json *object, const char *key, const struct svec *list)
{
    struct json *array = json_array_create_empty();

    for (size_t i = 0; i < list->n; i++) {
        json_array_add(array, json_string_create(list->names[i]));
    }
    if (list->n) {
        json_object_put(object, key, array);
    } else {
        json_destroy(array);
    }
}

struct json *
export_probe(const struct model_probe *probe)
{
    struct json *object = json_object_create();

    if (probe->disabled) {
        json_object_put(object, "enabled", json_boolean_create(false));
    }
    put_list(object, "targets", &probe->targets);
    put_number(object, "interval", probe->interval_s);
    put_number(object, "down_after", probe->down_after);
    put_number(object, "up_after", probe->up_after);
    if (probe->seen_by) {
        json_object_put_string(object, "seen_by", probe->seen_by);
    }
    return object;
}

struct json *
export_socks(const struct model_socks *socks)
{
    struct json *object = json_object_create();

    if (socks->enabled) {
        if (socks->listen.plen) {
            json_object_put(object, "listen", json_string_create_nocopy(
                                sn_prefix_addr_to_string(&socks->listen)));
        }
        put_number(object, "port", socks->port);
        put_list(object, "exit", &socks->exits);
        put_list(object, "allow", &socks->allow);
    }
    return object;
}
