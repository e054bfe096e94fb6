#ifndef SN_ADOPT_H
#define SN_ADOPT_H 1

/* Containers that nobody declared, where the mesh says "undeclared: adopt".
 *
 * Agents report them as they find them (Found_Container); whoever reads the
 * database makes containers of the model out of them.  Both ask here, so that
 * they agree on who can be one. */

struct model;
struct model_container;
struct model_mesh;

/* NULL, or why 'candidate' cannot be part of the network, to free. */
char *adopt_check(const struct model *, const struct model_container *);

/* Gives it the tags of the mesh's patterns that match its name or number. */
void adopt_set_tags(const struct model_mesh *, struct model_container *);

#endif /* state/adopt.h */
