#ifndef SN_ASK_H
#define SN_ASK_H 1

/* Asking agents, on whatever host, by way of the central database
 * (ovsdb-sync/request.h). */

#include <stdbool.h>
#include <stddef.h>
#include "smap.h"

struct session;

struct ask {
    const char *node;
    const char *kind;
    struct smap arguments;

    bool answered;
    bool failed;                /* 'text' says why. */
    char *text;
};

/* How long an agent that lives is given. */
#define ASK_TIMEOUT_MS 6000

void ask_init(struct ask *, const char *node, const char *kind);
void ask_destroy(struct ask *);

/* Asks all at once, and waits for their answers as long as that; then nothing
 * is left of it in the database.  Returns NULL, or an error that the caller
 * frees; that an agent does not answer is none. */
char *ask_agents(struct session *, struct ask *, size_t n, int timeout_ms);

/* "the agent of node2 did not answer (it was last heard 95 s ago)", to
 * free. */
char *ask_explain_silence(const struct session *, const char *node);

#endif /* cli/ask.h */
