#ifndef SN_REACH_OUTPUT_H
#define SN_REACH_OUTPUT_H 1

/* Who could newly reach whom, who no longer, and who by another exit
 * (reach.h), as lists of a command's output. */

struct model;
struct output;

void reach_output(struct model *old, struct model *new, struct output *);

#endif /* cli/reach-output.h */
