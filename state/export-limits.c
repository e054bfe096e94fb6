#include <config.h>

#include "state/export-limits.h"

#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "util.h"

void
export_put_rate(struct json *object, const char *key, struct sn_rate rate)
{
    if (rate.kbps || rate.pps) {
        json_object_put(object, key, json_string_create_nocopy(
                            sn_rate_to_string(rate)));
    }
}

void
export_put_class(struct json *object, enum model_class class)
{
    if (class != CLASS_NONE) {
        json_object_put_string(object, "class", model_class_to_string(class));
    }
}

void
export_put_limits(struct json *object, const struct model_container *ct)
{
    const struct model_limits *limits = &ct->limits;
    struct json *rate = json_object_create();

    export_put_rate(rate, "egress",
                    (struct sn_rate) { .kbps = limits->egress_kbps });
    export_put_rate(rate, "ingress",
                    (struct sn_rate) { .kbps = limits->ingress_kbps });
    if (limits->egress_pps) {
        json_object_put(rate, "pps", json_integer_create(limits->egress_pps));
    }
    export_put_rate(rate, "burst",
                    (struct sn_rate) { .kbps = limits->burst_kbit });
    if (shash_is_empty(json_object(rate))) {
        json_destroy(rate);
    } else {
        json_object_put(object, "rate", rate);
    }
    export_put_class(object, ct->class);
}
