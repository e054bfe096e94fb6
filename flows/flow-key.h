#ifndef SN_FLOW_KEY_H
#define SN_FLOW_KEY_H 1

/* The key of a flow: table, priority, match. */

#include <stdbool.h>
#include <stdint.h>

struct sn_flow;

uint32_t sn_flow_hash_key(const struct sn_flow *);
bool sn_flow_same_key(const struct sn_flow *, const struct sn_flow *);

#endif /* flows/flow-key.h */
