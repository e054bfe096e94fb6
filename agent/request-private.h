#ifndef SN_REQUEST_PRIVATE_H
#define SN_REQUEST_PRIVATE_H 1

/* The kinds of requests, for requests.c. */

#include <stdbool.h>

struct agent;
struct ds;
struct smap;

struct request_class {
    const char *kind;
    /* NULL: it cannot be done, '*ret_error' to free says why. */
    void *(*start)(struct agent *, const struct smap *args,
                   char **ret_error);
    /* Returns true when the answer is in 'text', or '*ret_error'. */
    bool (*run)(void *, struct ds *text, char **ret_error);
    void (*wait)(const void *);
    void (*destroy)(void *);
};

extern const struct request_class request_trace;        /* trace.c */
extern const struct request_class request_connections;
extern const struct request_class request_exit;         /* agent-test.c */

#endif /* agent/request-private.h */
