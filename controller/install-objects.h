#ifndef SN_INSTALL_OBJECTS_H
#define SN_INSTALL_OBJECTS_H 1

/* The part of install.h that is about groups and meters.
 *
 * They come before the flows that use them, a group in the same bundle, and go
 * after them, in a batch of their own.  There are few, so the two sides are
 * compared as a whole whenever they may differ.  A switch has no monitor for
 * them: it forwards others' requests, and then is read before anything is
 * changed. */

#include <stdbool.h>
#include <stddef.h>
#include "flows/objects.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/shash.h"

struct flow_set;
struct install_batch;
struct object_op;
struct sn_flow;
struct sset;

struct install_objects {
    const struct object_set *desired;   /* Of somebody else; NULL: none. */
    struct object_set installed;
    struct object_set reading;  /* The same, while it is being read. */
    struct shash refused;       /* "meter 5" -> struct object_refusal. */
    bool dirty;
    bool dirty_by_us;
    unsigned int suspicions;    /* Times that others changed something... */
    unsigned int reading_suspicions;    /* ...as the read began, ... */
    unsigned int read_suspicions;       /* ...or had, of a complete one. */
};

void install_objects_init(struct install_objects *);
void install_objects_destroy(struct install_objects *);
void install_objects_forget(struct install_objects *);

void install_objects_read_begin(struct install_objects *);
/* Takes ownership. */
void install_objects_read(struct install_objects *, struct sn_object *);
/* Returns the number of differences. */
size_t install_objects_read_end(struct install_objects *, bool by_us);

/* Adds what must be there before the flows; a refused object whose content is
 * another one now is tried again, and put into 'retried'. */
void install_objects_add(struct install_objects *, struct install_batch *,
                         struct object_set *retried);
/* Adds what has become superfluous, unless 'flows' use it. */
void install_objects_delete(struct install_objects *, struct install_batch *,
                            const struct flow_set *flows);
/* The outcome of the batch's operations on objects; 'bundle_done' is that of
 * the groups, as meters are in no bundle.  Returns true if one was refused. */
bool install_objects_confirm(struct install_objects *,
                             const struct install_batch *, bool bundle_done);

/* Whether a flow cannot be installed for want of an object. */
bool install_objects_block(const struct install_objects *,
                           const struct sn_flow *);
size_t install_objects_n_refused(const struct install_objects *);
void install_objects_retry_refused(struct install_objects *);
void install_objects_to_problems(const struct install_objects *,
                                 struct sset *problems);
bool install_objects_is_suspect(const struct install_objects *);

#endif /* controller/install-objects.h */
