#include <config.h>

#include "cli/object-switch.h"

#include <stdlib.h>
#include "cli/object-list.h"
#include "flows/objects.h"
#include "openvswitch/list.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vconn.h"
#include "util.h"

static struct object_line *
find_line(struct object_list *list, enum sn_object_kind kind, uint32_t id)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct sn_object *object = list->lines[i].object;

        if (object->kind == kind && object->id == id) {
            return &list->lines[i];
        }
    }
    return NULL;
}

/* Each of these takes in one reply. */

static void
put_groups(struct ofpbuf *msg, struct object_list *list)
{
    struct ofputil_group_desc gd;

    while (!ofputil_decode_group_desc_reply(&gd, msg, OFP15_VERSION)) {
        object_list_add(list, sn_object_from_group(&gd));
        ofputil_uninit_group_desc(&gd);
    }
}

static void
put_group_stats(struct ofpbuf *msg, struct object_list *list)
{
    struct ofputil_group_stats gs;

    while (!ofputil_decode_group_stats_reply(msg, &gs)) {
        struct object_line *line = find_line(list, SN_GROUP, gs.group_id);

        if (line) {
            line->n_packets = gs.packet_count;
            line->n_bytes = gs.byte_count;
        }
        free(gs.bucket_stats);
    }
}

static void
put_meters(struct ofpbuf *msg, struct object_list *list)
{
    struct ofputil_meter_config mc;
    struct ofpbuf bands;

    ofpbuf_init(&bands, 256);
    while (!ofputil_decode_meter_config(msg, &mc, &bands)) {
        object_list_add(list, sn_object_from_meter(&mc));
    }
    ofpbuf_uninit(&bands);
}

static void
put_meter_stats(struct ofpbuf *msg, struct object_list *list)
{
    struct ofputil_meter_stats ms;
    struct ofpbuf bands;

    ofpbuf_init(&bands, 256);
    while (!ofputil_decode_meter_stats(msg, &ms, &bands)) {
        struct object_line *line = find_line(list, SN_METER, ms.meter_id);

        if (line) {
            line->n_packets = ms.packet_in_count;
            line->n_bytes = ms.byte_in_count;
            for (size_t i = 0; i < ms.n_bands; i++) {
                line->n_dropped += ms.bands[i].packet_count;
            }
        }
    }
    ofpbuf_uninit(&bands);
}

static int
transact(struct vconn *vconn, struct ofpbuf *request,
         void (*put)(struct ofpbuf *, struct object_list *),
         struct object_list *list)
{
    struct ovs_list requests = OVS_LIST_INITIALIZER(&requests);
    struct ovs_list replies = OVS_LIST_INITIALIZER(&replies);
    struct ofpbuf *reply;

    ovs_list_push_back(&requests, &request->list_node);
    int error = vconn_transact_multipart(vconn, &requests, &replies);
    LIST_FOR_EACH_POP (reply, list_node, &replies) {
        struct ofpbuf b = ofpbuf_const_initializer(reply->data, reply->size);

        put(&b, list);
        ofpbuf_delete(reply);
    }
    return error;
}

int
object_list_read(struct object_list *list, struct vconn *vconn)
{
    int error = transact(vconn,
                         ofputil_encode_group_desc_request(OFP15_VERSION,
                                                           OFPG_ALL),
                         put_groups, list);

    if (!error) {
        error = transact(vconn, ofputil_encode_group_stats_request(
                                    OFP15_VERSION, OFPG_ALL),
                         put_group_stats, list);
    }
    if (!error) {
        error = transact(vconn, ofputil_encode_meter_request(
                                    OFP15_VERSION, OFPUTIL_METER_CONFIG,
                                    OFPM13_ALL),
                         put_meters, list);
    }
    if (!error) {
        error = transact(vconn, ofputil_encode_meter_request(
                                    OFP15_VERSION, OFPUTIL_METER_STATS,
                                    OFPM13_ALL),
                         put_meter_stats, list);
    }
    list->has_counters = true;
    return error;
}
