#ifndef SN_OBJECTS_H
#define SN_OBJECTS_H 1

/* Groups and meters: what flows of a bridge point at by number.
 *
 * A stage declares the object and uses its number in the same owner's flows:
 *
 *     uint32_t id = compiler_add_object(c, SN_GROUP, "service:web", cookie,
 *         "type=select,selection_method=dp_hash,"
 *         "bucket=bucket_id:1,weight:2,actions=ct(commit,...)");
 *     emit_flow(e, SN_TABLE_SERVICE, 100, cookie);
 *     ...
 *     emit_group(e, id);
 *
 * That is all: it goes to the switch before the flows that use it (a group in
 * the same atomic bundle), is compared after a reconnect, repaired, and taken
 * away when no owner declares it and no flow uses it any more.  Several owners
 * may declare the same name; if their texts differ, the lowest counts.  Write
 * bucket_id yourself, and keep it for a backend that stays: OVS hashes it.
 *
 * A number follows from the name, is the same on every host, and begins with a
 * 5 in hexadecimal: that is how ours are known in a switch, which has no
 * cookies for them.  Others are left alone. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "openvswitch/hmap.h"

struct ds;
struct ofpact;
struct ofpbuf;
struct ofputil_group_desc;
struct ofputil_group_mod;
struct ofputil_meter_config;

enum sn_object_kind { SN_GROUP, SN_METER, SN_N_OBJECT_KINDS };

struct sn_object {
    struct hmap_node node;      /* In a struct object_set. */
    enum sn_object_kind kind;
    uint32_t id;
    char *name;                 /* NULL: as read from a switch. */
    uint64_t cookie;            /* Whose it is; not compared. */
    char *spec;                 /* ovs-ofctl's syntax without the number,
                                 * in the form that a switch gives back. */
};

/* 'spec' must parse: it is a text of ours. */
struct sn_object *sn_object_create(enum sn_object_kind, uint32_t id,
                                   const char *name, uint64_t cookie,
                                   const char *spec);
struct sn_object *sn_object_from_group(const struct ofputil_group_desc *);
struct sn_object *sn_object_from_meter(const struct ofputil_meter_config *);
struct sn_object *sn_object_clone(const struct sn_object *);
void sn_object_free(struct sn_object *);
bool sn_object_same_content(const struct sn_object *,
                            const struct sn_object *);
/* As `ovs-ofctl add-group` and `add-meter` take it. */
void sn_object_format(const struct sn_object *, struct ds *);
const char *sn_object_kind_name(enum sn_object_kind);   /* "group". */

/* The number that 'name' would like to have. */
uint32_t sn_object_preferred_id(const char *name);
bool sn_object_id_is_ours(uint32_t id);

/* OpenFlow 1.5 messages. */
struct ofpbuf *sn_object_encode_add(const struct sn_object *, bool exists);
struct ofpbuf *sn_object_encode_delete(const struct sn_object *);

/* The group with number 'id' of a set.  False if there is none; else the
 * caller frees with ofputil_uninit_group_mod(). */
struct object_set;
bool sn_object_parse_group(const struct object_set *, uint32_t id,
                           struct ofputil_group_mod *);

/* Whether actions use the object. */
bool sn_object_is_used_by(const struct sn_object *, const struct ofpact *,
                          size_t ofpacts_len);

/* Key: kind and number. */
struct object_set {
    struct hmap map;            /* Of struct sn_object. */
};
void object_set_init(struct object_set *);
void object_set_destroy(struct object_set *);
void object_set_clear(struct object_set *);
struct sn_object *object_set_find(const struct object_set *,
                                  enum sn_object_kind, uint32_t id);
/* Takes ownership; replaces an equal key. */
void object_set_put(struct object_set *, struct sn_object *);
void object_set_remove(struct object_set *, struct sn_object *);  /* Frees. */
/* Whether actions use any of them. */
bool object_set_serves(const struct object_set *, const struct ofpact *,
                       size_t ofpacts_len);
/* By kind and name (else number): a malloc'd array. */
const struct sn_object **object_set_sort(const struct object_set *);

#endif /* flows/objects.h */
