#ifndef SN_OBJECT_SWITCH_H
#define SN_OBJECT_SWITCH_H 1

/* The groups and meters of a switch, with their counters. */

struct object_list;
struct vconn;

/* Returns 0 or an errno or OpenFlow error.  Blocks. */
int object_list_read(struct object_list *, struct vconn *);

#endif /* cli/object-switch.h */
