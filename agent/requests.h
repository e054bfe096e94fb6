#ifndef SN_REQUESTS_H
#define SN_REQUESTS_H 1

/* What operators ask this host, by way of the central database
 * (ovsdb-sync/request.h): begins, waits for and answers it. */

struct agent;
struct requests;

struct requests *requests_create(void);
void requests_destroy(struct requests *);

/* Once per iteration, with the central database's transaction open. */
void requests_run(struct requests *, struct agent *);
void requests_wait(const struct requests *);

#endif /* agent/requests.h */
