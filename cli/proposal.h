#ifndef SN_PROPOSAL_H
#define SN_PROPOSAL_H 1

/* A desired state that is proposed: its text, and the model that it makes
 * beside what is in force. */

#include <stdbool.h>
#include "state/load.h"

struct model;

struct proposal {
    struct state_files files;
    char *node;                 /* Of a single host's file, or NULL. */
    struct model *model;        /* NULL: there were errors. */
};

/* Reads 'path'.  Initialises the proposal in any case; returns false, having
 * said why, if something cannot be read. */
bool proposal_read(struct proposal *, const char *path, const char *node);
/* Makes the model of the files.  Returns false, having printed every error and
 * 'verdict', if it is not to be applied. */
bool proposal_load(struct proposal *, const struct model *base,
                   const char *verdict);
void proposal_destroy(struct proposal *);

#endif /* cli/proposal.h */
