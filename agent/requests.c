#include <config.h>
#include "agent/requests.h"

#include <stdlib.h>
#include <string.h>

#include "agent/agent-private.h"
#include "agent/central.h"
#include "agent/request-private.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-sync/request.h"
#include "ovsdb-sync/socknet-idl.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(requests);

/* The others wait their turn. */
#define MAX_JOBS 16

static const struct request_class *const classes[] = {
    &request_trace, &request_connections, &request_exit,
};

struct job {
    struct hmap_node node;      /* In requests->jobs, by request. */
    struct uuid request;
    const struct request_class *class;
    void *data;                 /* NULL: it has ended. */
    struct ds text;
    bool failed;
    bool wanted;
};

struct requests {
    struct hmap jobs;           /* struct job. */
};

struct requests *
requests_create(void)
{
    struct requests *r = xmalloc(sizeof *r);

    hmap_init(&r->jobs);
    return r;
}

static void
job_stop(struct job *job)
{
    if (job->data) {
        job->class->destroy(job->data);
        job->data = NULL;
    }
}

static void
job_free(struct job *job)
{
    job_stop(job);
    ds_destroy(&job->text);
    free(job);
}

void
requests_destroy(struct requests *r)
{
    if (r) {
        struct job *job;

        HMAP_FOR_EACH_POP (job, node, &r->jobs) {
            job_free(job);
        }
        hmap_destroy(&r->jobs);
        free(r);
    }
}

static struct job *
find_job(const struct requests *r, const struct uuid *uuid)
{
    struct job *job;

    HMAP_FOR_EACH_WITH_HASH (job, node, uuid_hash(uuid), &r->jobs) {
        if (uuid_equals(&job->request, uuid)) {
            return job;
        }
    }
    return NULL;
}

/* Takes 'error'. */
static void
job_fail(struct job *job, char *error)
{
    job_stop(job);
    job->failed = true;
    ds_clear(&job->text);
    ds_put_cstr(&job->text, error);
    free(error);
}

static struct job *
job_start(struct requests *r, struct agent *a, const struct sndb_request *row)
{
    const struct uuid *uuid = &row->header_.uuid;
    struct job *job = xzalloc(sizeof *job);
    char *error = NULL;

    job->request = *uuid;
    ds_init(&job->text);
    hmap_insert(&r->jobs, &job->node, uuid_hash(uuid));
    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        if (!strcmp(classes[i]->kind, row->kind)) {
            job->class = classes[i];
        }
    }
    VLOG_DBG("asked for: %s", row->kind);
    if (job->class) {
        job->data = job->class->start(a, &row->arguments, &error);
    } else {
        error = xasprintf("this agent knows no request \"%s\"", row->kind);
    }
    if (!job->data) {
        job_fail(job, error);
    }
    return job;
}

/* What is under way ends in time also without the database; nobody is told
 * then. */
static void
run_jobs(struct requests *r)
{
    struct job *job;

    HMAP_FOR_EACH (job, node, &r->jobs) {
        char *error = NULL;

        if (job->data && job->class->run(job->data, &job->text, &error)) {
            job_stop(job);
            if (error) {
                job_fail(job, error);
            }
        }
    }
}

static void
take_requests(struct requests *r, struct agent *a, struct ovsdb_idl_txn *txn)
{
    struct ovsdb_idl *idl = ovsdb_idl_txn_get_idl(txn);
    const struct sndb_request *row;
    struct job *job;

    HMAP_FOR_EACH (job, node, &r->jobs) {
        job->wanted = false;
    }
    SNDB_REQUEST_FOR_EACH (row, idl) {
        if (strcmp(row->node, a->node)
            || request_find_answer(idl, a->node, &row->header_.uuid)) {
            continue;
        }
        job = find_job(r, &row->header_.uuid);
        if (!job && hmap_count(&r->jobs) < MAX_JOBS) {
            job = job_start(r, a, row);
        }
        if (job) {
            job->wanted = true;
            if (!job->data) {
                request_answer(txn, row, job->failed, ds_cstr(&job->text));
            }
        }
    }
    HMAP_FOR_EACH_SAFE (job, node, &r->jobs) {
        if (!job->wanted) {
            hmap_remove(&r->jobs, &job->node);
            job_free(job);
        }
    }
    request_forget_answers(txn, a->node);
}

void
requests_run(struct requests *r, struct agent *a)
{
    struct ovsdb_idl_txn *txn = central_txn(a->central);

    run_jobs(r);
    if (txn && a->plan) {
        take_requests(r, a, txn);
    }
}

void
requests_wait(const struct requests *r)
{
    const struct job *job;

    HMAP_FOR_EACH (job, node, &r->jobs) {
        if (job->data) {
            job->class->wait(job->data);
        }
    }
}
