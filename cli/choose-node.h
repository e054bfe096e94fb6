#ifndef SN_CHOOSE_NODE_H
#define SN_CHOOSE_NODE_H 1

struct model;

/* 'name', or, if that is NULL, this host's name, or else the only node there
 * is; as the model spells it.  Returns NULL after having said why: no such
 * node. */
const char *choose_node(const struct model *, const char *name);

#endif /* cli/choose-node.h */
