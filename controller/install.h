#ifndef SN_INSTALL_H
#define SN_INSTALL_H 1

/* Installed flows of one bridge, and what separates them from the desired.
 *
 *     compiler_flows()      install             switch
 *     (desired)  ---------> dirty keys          (flow table)
 *                              |                   |
 *                  install_make_batch() --bundle-->|
 *                              |                   |
 *                         installed <--------------'
 *                            confirmed bundles, reads, monitor events
 *
 * 'Installed' is what the switch said, never what was sent.  Every message of
 * the switch is applied in the order of its arrival, so that it is the state
 * of the switch as of the last one.  A key is dirty when the two sides may
 * differ there; install_make_batch() looks again and makes an operation only
 * where they really do.  No I/O happens here. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flow_set;
struct install_batch;
struct object_set;
struct ofputil_flow_stats;
struct ofputil_flow_update;
struct ofputil_group_desc;
struct ofputil_meter_config;
struct refusals;
struct sn_flow;
struct sset;

struct install;
struct install *install_create(void);
void install_destroy(struct install *);

/* Connection lost: nothing is known of the switch any more. */
void install_forget(struct install *);
/* True once the switch has been read after the last install_forget(). */
bool install_is_read(const struct install *);

/* Reading the switch: begin, a call per flow, end.  install_read_end() takes
 * what was read as installed and makes each key dirty in which it differs from
 * 'desired'; returns their number. */
void install_read_begin(struct install *);
void install_read_flow(struct install *, const struct ofputil_flow_stats *);
size_t install_read_end(struct install *, const struct flow_set *desired);

/* The same of groups and meters, before install_read_end(). */
void install_read_group(struct install *, const struct ofputil_group_desc *);
void install_read_meter(struct install *,
                        const struct ofputil_meter_config *);

/* A change by somebody else.  Returns true if it touched our flows, that is,
 * if there is something to repair. */
bool install_update(struct install *, const struct flow_set *desired,
                    const struct ofputil_flow_update *);

/* Desired flows that changed; the keys become dirty. */
void install_touch(struct install *, const struct flow_set *keys);
/* The groups and meters that should be there: the caller's, looked at whenever
 * they may differ from what is, and what is to be called when they changed. */
void install_set_objects(struct install *, const struct object_set *desired);
void install_touch_objects(struct install *);
/* Somebody else changed groups or meters: until a read that begins after this
 * has ended, it is not known what is there. */
void install_suspect_objects(struct install *);
bool install_is_suspect(const struct install *);

/* Grows with each change that is ours; a read that began at another value may
 * show differences that are none. */
unsigned int install_seqno(const struct install *);

bool install_is_dirty(const struct install *);
/* Dirty only by what others did. */
bool install_is_repair(const struct install *);
/* Empties the dirty keys into operations that make installed equal desired. */
void install_make_batch(struct install *, const struct flow_set *desired,
                        struct install_batch *);
/* The switch did the batch, except for operations with an 'error'; those are
 * refused from now on. */
void install_confirm(struct install *, const struct install_batch *);
/* The switch did none of the batch: its keys are dirty again, and the
 * operations with an 'error' are refused from now on. */
void install_fail(struct install *, const struct install_batch *);

/* Refused flows are treated as not desired until their content changes. */
void install_retry_refused(struct install *);
/* Flows, groups and meters. */
size_t install_n_refused(const struct install *);
void install_to_problems(const struct install *, struct sset *problems);

const struct flow_set *install_flows(const struct install *);
size_t install_n_ours(const struct install *);
size_t install_n_foreign(const struct install *);   /* Other cookies. */
const struct sn_flow *install_a_foreign(const struct install *);

#endif /* controller/install.h */
