#include <config.h>

#include "flows/objects.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "flows/cookie.h"
#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/util.h"
#include "util.h"

/* Numbers of ours. */
#define OBJECT_ID_BASE UINT32_C(0x50000000)
#define OBJECT_ID_MASK UINT32_C(0xf0000000)

uint32_t
sn_object_preferred_id(const char *name)
{
    /* One bit less than there is room for, so that numbers that give way to
     * others stay ours. */
    return OBJECT_ID_BASE | (cookie_name_id(name) & 0x7ffffff);
}

bool
sn_object_id_is_ours(uint32_t id)
{
    return (id & OBJECT_ID_MASK) == OBJECT_ID_BASE;
}

const char *
sn_object_kind_name(enum sn_object_kind kind)
{
    return kind == SN_GROUP ? "group" : "meter";
}

/* Groups. */

static void
object_to_group_mod(const struct sn_object *obj, int command,
                    struct ofputil_group_mod *gm)
{
    enum ofputil_protocol usable;
    char *text = xasprintf("group_id=%"PRIu32",%s", obj->id, obj->spec);
    char *error = parse_ofp_group_mod_str(gm, command, text, NULL, NULL,
                                          &usable);

    if (error) {
        ovs_fatal(0, "group %s: %s: %s", obj->name, text, error);
    }
    free(text);
}

static struct ofpbuf *
encode_group(const struct sn_object *obj, int command)
{
    struct ofputil_group_mod gm;
    struct ofpbuf *msg;

    if (command == OFPGC11_DELETE) {
        gm = (struct ofputil_group_mod) {
            .command = command,
            .group_id = obj->id,
            .command_bucket_id = OFPG15_BUCKET_ALL,
        };
        ovs_list_init(&gm.buckets);
    } else {
        object_to_group_mod(obj, command, &gm);
    }
    msg = ofputil_encode_group_mod(OFP15_VERSION, &gm, NULL, -1);
    ofputil_uninit_group_mod(&gm);
    ofpmsg_update_length(msg);
    return msg;
}

/* "type=select,bucket=...": what follows the number. */
static char *
format_group(const struct ofputil_group_mod *gm)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ofputil_group_mod_format__(&s, OFP15_VERSION, gm, NULL, NULL);
    const char *comma = strchr(ds_cstr(&s), ',');
    char *spec = xstrdup(comma ? comma + 1 : "");
    ds_destroy(&s);
    return spec;
}

struct sn_object *
sn_object_from_group(const struct ofputil_group_desc *gd)
{
    struct sn_object *obj = xzalloc(sizeof *obj);
    struct ofputil_group_mod gm = {
        .command = OFPGC11_ADD,
        .type = gd->type,
        .group_id = gd->group_id,
        .props = gd->props,
    };

    ovs_list_init(&gm.buckets);
    ovs_list_push_back_all(&gm.buckets,
                           CONST_CAST(struct ovs_list *, &gd->buckets));
    obj->kind = SN_GROUP;
    obj->id = gd->group_id;
    obj->spec = format_group(&gm);
    ovs_list_push_back_all(CONST_CAST(struct ovs_list *, &gd->buckets),
                           &gm.buckets);
    return obj;
}

/* Through the wire format, which gives each bucket what it did not say. */
static char *
canonical_group(const struct sn_object *obj)
{
    struct ofpbuf *msg = encode_group(obj, OFPGC11_ADD);
    struct ofputil_group_mod gm;
    enum ofperr error = ofputil_decode_group_mod(msg->data, &gm);

    ovs_assert(!error);
    char *spec = format_group(&gm);
    ofputil_uninit_group_mod(&gm);
    ofpbuf_delete(msg);
    return spec;
}

/* Meters. */

static void
object_to_meter_mod(const struct sn_object *obj, int command,
                    struct ofputil_meter_mod *mm)
{
    enum ofputil_protocol usable;
    char *text = xasprintf("meter=%"PRIu32" %s", obj->id, obj->spec);
    char *error = parse_ofp_meter_mod_str(mm, text, command, &usable);

    if (error) {
        ovs_fatal(0, "meter %s: %s: %s", obj->name, text, error);
    }
    free(text);
}

static struct ofpbuf *
encode_meter(const struct sn_object *obj, int command)
{
    struct ofputil_meter_mod mm = {
        .command = command, .meter = { .meter_id = obj->id },
    };

    if (command != OFPMC13_DELETE) {
        object_to_meter_mod(obj, command, &mm);
    }
    struct ofpbuf *msg = ofputil_encode_meter_mod(OFP15_VERSION, &mm);
    free(mm.meter.bands);
    ofpmsg_update_length(msg);
    return msg;
}

/* "kbps burst bands=type=drop rate=1000 burst_size=100": what follows the
 * number, in one line. */
static char *
format_meter(const struct ofputil_meter_config *mc)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ofputil_format_meter_config(&s, mc);
    ds_chomp(&s, '\n');
    char *text = ds_steal_cstr(&s);
    char *spec = strchr(text, ' ') + 1;
    char *band = strstr(spec, "bands=\n");
    if (band) {
        band += strlen("bands=");
        memmove(band, band + 1, strlen(band));
    }
    for (char *p = spec; *p; p++) {
        *p = *p == '\n' ? ' ' : *p;
    }
    spec = xstrdup(spec);
    free(text);
    return spec;
}

struct sn_object *
sn_object_from_meter(const struct ofputil_meter_config *mc)
{
    struct sn_object *obj = xzalloc(sizeof *obj);

    obj->kind = SN_METER;
    obj->id = mc->meter_id;
    obj->spec = format_meter(mc);
    return obj;
}

static char *
canonical_meter(const struct sn_object *obj)
{
    struct ofputil_meter_mod mm;

    object_to_meter_mod(obj, OFPMC13_ADD, &mm);
    char *spec = format_meter(&mm.meter);
    free(mm.meter.bands);
    return spec;
}

/* Either. */

struct sn_object *
sn_object_create(enum sn_object_kind kind, uint32_t id, const char *name,
                 uint64_t cookie, const char *spec)
{
    struct sn_object *obj = xzalloc(sizeof *obj);

    obj->kind = kind;
    obj->id = id;
    obj->name = xstrdup(name);
    obj->cookie = cookie;
    obj->spec = CONST_CAST(char *, spec);
    obj->spec = kind == SN_GROUP ? canonical_group(obj)
                                 : canonical_meter(obj);
    return obj;
}

struct sn_object *
sn_object_clone(const struct sn_object *obj)
{
    struct sn_object *copy = xmemdup(obj, sizeof *obj);

    copy->name = nullable_xstrdup(obj->name);
    copy->spec = xstrdup(obj->spec);
    return copy;
}

void
sn_object_free(struct sn_object *obj)
{
    if (obj) {
        free(obj->name);
        free(obj->spec);
        free(obj);
    }
}

bool
sn_object_same_content(const struct sn_object *a, const struct sn_object *b)
{
    return !strcmp(a->spec, b->spec);
}

void
sn_object_format(const struct sn_object *obj, struct ds *s)
{
    if (obj->kind == SN_GROUP) {
        ds_put_format(s, "group_id=%"PRIu32",%s", obj->id, obj->spec);
    } else {
        ds_put_format(s, "meter=%"PRIu32" %s", obj->id, obj->spec);
    }
}

struct ofpbuf *
sn_object_encode_add(const struct sn_object *obj, bool exists)
{
    return (obj->kind == SN_GROUP
            ? encode_group(obj, OFPGC11_ADD_OR_MOD)
            : encode_meter(obj, exists ? OFPMC13_MODIFY : OFPMC13_ADD));
}

struct ofpbuf *
sn_object_encode_delete(const struct sn_object *obj)
{
    return (obj->kind == SN_GROUP ? encode_group(obj, OFPGC11_DELETE)
                                  : encode_meter(obj, OFPMC13_DELETE));
}

bool
sn_object_is_used_by(const struct sn_object *obj,
                     const struct ofpact *ofpacts, size_t ofpacts_len)
{
    const struct ofpact *a;

    OFPACT_FOR_EACH_FLATTENED (a, ofpacts, ofpacts_len) {
        if (obj->kind == SN_GROUP
            ? (a->type == OFPACT_GROUP
               && ofpact_get_GROUP(a)->group_id == obj->id)
            : (a->type == OFPACT_METER
               && ofpact_get_METER(a)->meter_id == obj->id)) {
            return true;
        }
    }
    return false;
}

/* Sets. */

static uint32_t
object_hash(enum sn_object_kind kind, uint32_t id)
{
    return hash_int(id, kind);
}

void
object_set_init(struct object_set *set)
{
    hmap_init(&set->map);
}

void
object_set_clear(struct object_set *set)
{
    struct sn_object *obj;

    HMAP_FOR_EACH_POP (obj, node, &set->map) {
        sn_object_free(obj);
    }
}

void
object_set_destroy(struct object_set *set)
{
    object_set_clear(set);
    hmap_destroy(&set->map);
}

struct sn_object *
object_set_find(const struct object_set *set, enum sn_object_kind kind,
                uint32_t id)
{
    struct sn_object *obj;

    HMAP_FOR_EACH_WITH_HASH (obj, node, object_hash(kind, id), &set->map) {
        if (obj->kind == kind && obj->id == id) {
            return obj;
        }
    }
    return NULL;
}

void
object_set_put(struct object_set *set, struct sn_object *obj)
{
    struct sn_object *old = object_set_find(set, obj->kind, obj->id);

    if (old) {
        object_set_remove(set, old);
    }
    hmap_insert(&set->map, &obj->node, object_hash(obj->kind, obj->id));
}

void
object_set_remove(struct object_set *set, struct sn_object *obj)
{
    hmap_remove(&set->map, &obj->node);
    sn_object_free(obj);
}

bool
object_set_serves(const struct object_set *set, const struct ofpact *ofpacts,
                  size_t ofpacts_len)
{
    const struct ofpact *a;

    OFPACT_FOR_EACH_FLATTENED (a, ofpacts, ofpacts_len) {
        if (a->type == OFPACT_GROUP
            ? object_set_find(set, SN_GROUP, ofpact_get_GROUP(a)->group_id)
            : a->type == OFPACT_METER
            ? object_set_find(set, SN_METER, ofpact_get_METER(a)->meter_id)
            : NULL) {
            return true;
        }
    }
    return false;
}

static int
compare_objects(const void *a_, const void *b_)
{
    const struct sn_object *a = *(const struct sn_object *const *) a_;
    const struct sn_object *b = *(const struct sn_object *const *) b_;
    int cmp = a->name && b->name ? strcmp(a->name, b->name) : 0;

    if (a->kind != b->kind) {
        return a->kind < b->kind ? -1 : 1;
    }
    return cmp ? cmp : a->id < b->id ? -1 : a->id > b->id;
}

const struct sn_object **
object_set_sort(const struct object_set *set)
{
    const struct sn_object **objects
        = xmalloc((hmap_count(&set->map) + 1) * sizeof *objects);
    const struct sn_object *obj;
    size_t n = 0;

    HMAP_FOR_EACH (obj, node, &set->map) {
        objects[n++] = obj;
    }
    qsort(objects, n, sizeof *objects, compare_objects);
    return objects;
}

bool
sn_object_parse_group(const struct object_set *set, uint32_t id,
                      struct ofputil_group_mod *gm)
{
    const struct sn_object *object = object_set_find(set, SN_GROUP, id);
    enum ofputil_protocol usable;

    if (!object) {
        return false;
    }
    char *text = xasprintf("group_id=%"PRIu32",%s", id, object->spec);
    char *error = parse_ofp_group_mod_str(gm, OFPGC11_ADD, text, NULL, NULL,
                                          &usable);
    bool ok = !error;

    free(text);
    free(error);
    return ok;
}
