#ifndef SN_PROBLEMS_H
#define SN_PROBLEMS_H 1

/* What is wrong in the network, as far as the central database knows, and what
 * to do about it. */

#include <stdbool.h>
#include <stddef.h>

struct output;
struct session;

struct problem {
    char *node;
    char *text;
    char *remedy;               /* Or NULL. */
};

struct problems {
    struct problem *items;
    size_t n, allocated;
};

/* Those of 'node', or of every node if it is NULL. */
void problems_find(const struct session *, const char *node,
                   struct problems *);
/* One more, of this host's server of the database. */
void problems_add_database(struct problems *, const char *text);
void problems_destroy(struct problems *);
bool problems_has_node(const struct problems *, const char *node);
/* As the list "problems"; for people, a problem of many nodes is one line. */
void problems_output(const struct problems *, struct output *);

#endif /* cli/problems.h */
