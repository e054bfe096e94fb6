#ifndef SN_POLICY_TESTS_H
#define SN_POLICY_TESTS_H 1

/* The "tests:" of a state file, run on the compiled flows of all its hosts. */

struct diags;
struct model;

/* Reports each test that fails as an error at its place, with the way of the
 * first packet that went otherwise.  Gives containers stand-in MAC
 * addresses. */
void policy_tests_run(struct model *, struct diags *);

#endif /* cli/policy-tests.h */
