#ifndef TESTS_UNIT_SAMPLE_MODEL_H
#define TESTS_UNIT_SAMPLE_MODEL_H 1

/* A model with an object of each kind, and every member of it in use. */

struct model;

struct model *sample_model_create(void);
/* On node "n1"; 'number' makes it differ from others. */
void sample_model_add_container(struct model *, const char *name, int number);

#endif /* tests/unit/sample-model.h */
