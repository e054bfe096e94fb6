#ifndef SN_TESTS_DNS_TEXT_H
#define SN_TESTS_DNS_TEXT_H 1

/* Replies as text, as test-dns.c compares them. */

#include <stddef.h>
#include <stdint.h>

/* Names of records only where they are not the question's; caller frees. */
char *dns_text_of_reply(const uint8_t *msg, size_t n);

#endif /* tests/unit/dns-text.h */
