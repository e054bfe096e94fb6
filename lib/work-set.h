#ifndef SN_WORK_SET_H
#define SN_WORK_SET_H 1

/* Sets of what is to be done, emptied when it is.  A set that was cleared goes
 * on to take as long to walk as it once was large; one that was reset does
 * not, so that a change costs no more because everything changed before. */

#include "hmapx.h"
#include "sset.h"

static inline void
work_set_reset(struct sset *set)
{
    sset_destroy(set);
    sset_init(set);
}

static inline void
work_ptrs_reset(struct hmapx *set)
{
    hmapx_destroy(set);
    hmapx_init(set);
}

#endif /* lib/work-set.h */
