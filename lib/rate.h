#ifndef SN_RATE_H
#define SN_RATE_H 1

/* Rates as people write them: "100Mbit", "512kbit", "1.5Gbit", "2000pps".
 * Per second; prefixes are decimal, and their case does not count. */

#include <stdint.h>

/* One of the two is not 0, or there is no rate. */
struct sn_rate {
    uint32_t kbps;              /* Kilobits per second. */
    uint32_t pps;               /* Packets per second. */
};

/* TCP reaches nine tenths of a rate whose burst is a fifth of it, and half of
 * one whose burst is a tenth. */
#define SN_RATE_PER_BURST 5

/* Returns NULL, or what follows "... must be "; caller frees. */
char *sn_rate_parse(const char *, struct sn_rate *ret_rate);
/* As sn_rate_parse() takes it; caller frees. */
char *sn_rate_to_string(struct sn_rate);

#endif /* lib/rate.h */
