#include <config.h>

#include "ovsdb-sync/request.h"

#include <string.h>

#include "ovsdb-idl.h"
#include "ovsdb-sync/socknet-idl.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

/* By another host's clock. */
#define STALE_S (10 * REQUEST_LIFETIME_S)

void
request_add_columns(struct ovsdb_idl *idl)
{
    for (size_t i = 0; i < SNDB_REQUEST_N_COLUMNS; i++) {
        ovsdb_idl_add_column(idl, &sndb_request_columns[i]);
    }
    for (size_t i = 0; i < SNDB_ANSWER_N_COLUMNS; i++) {
        ovsdb_idl_add_column(idl, &sndb_answer_columns[i]);
    }
}

void
request_limit_to_node(struct ovsdb_idl *idl, const char *node)
{
    struct ovsdb_idl_condition request = OVSDB_IDL_CONDITION_INIT(&request);
    struct ovsdb_idl_condition answer = OVSDB_IDL_CONDITION_INIT(&answer);

    sndb_request_add_clause_node(&request, OVSDB_F_EQ, node);
    sndb_request_set_condition(idl, &request);
    sndb_answer_add_clause_node(&answer, OVSDB_F_EQ, node);
    sndb_answer_set_condition(idl, &answer);
    ovsdb_idl_condition_destroy(&request);
    ovsdb_idl_condition_destroy(&answer);
}

void
request_limit_to_asker(struct ovsdb_idl *idl, const char *asker)
{
    struct ovsdb_idl_condition answer = OVSDB_IDL_CONDITION_INIT(&answer);

    sndb_answer_add_clause_asker(&answer, OVSDB_F_EQ, asker);
    sndb_answer_set_condition(idl, &answer);
    ovsdb_idl_condition_destroy(&answer);
}

void
request_insert(struct ovsdb_idl_txn *txn, const char *asker,
               const char *node, const char *kind,
               const struct smap *arguments)
{
    const struct sndb_request *row = sndb_request_insert(txn);

    sndb_request_set_asker(row, asker);
    sndb_request_set_node(row, node);
    sndb_request_set_kind(row, kind);
    sndb_request_set_arguments(row, arguments);
    sndb_request_set_created(row, time_wall());
}

void
request_delete(struct ovsdb_idl_txn *txn, const char *asker)
{
    struct ovsdb_idl *idl = ovsdb_idl_txn_get_idl(txn);
    const struct sndb_request *request, *next_request;
    const struct sndb_answer *answer, *next_answer;
    int64_t now = time_wall();

    SNDB_REQUEST_FOR_EACH_SAFE (request, next_request, idl) {
        if (!strcmp(request->asker, asker)
            || llabs((long long int) (now - request->created)) > STALE_S) {
            sndb_request_delete(request);
        }
    }
    SNDB_ANSWER_FOR_EACH_SAFE (answer, next_answer, idl) {
        if (!strcmp(answer->asker, asker)) {
            sndb_answer_delete(answer);
        }
    }
}

const struct sndb_answer *
request_find_answer_to(const struct ovsdb_idl *idl, const char *asker,
                       const char *node)
{
    const struct sndb_answer *row;

    SNDB_ANSWER_FOR_EACH (row, idl) {
        const struct sndb_request *request = row->request;

        if (request && !strcmp(request->asker, asker)
            && !strcmp(row->node, node) && !strcmp(request->node, node)) {
            return row;
        }
    }
    return NULL;
}

const struct sndb_answer *
request_find_answer(const struct ovsdb_idl *idl, const char *node,
                    const struct uuid *request)
{
    const struct sndb_answer *row;

    SNDB_ANSWER_FOR_EACH (row, idl) {
        if (row->request && uuid_equals(&row->request->header_.uuid, request)
            && !strcmp(row->node, node)) {
            return row;
        }
    }
    return NULL;
}

void
request_answer(struct ovsdb_idl_txn *txn, const struct sndb_request *request,
               bool failed, const char *text)
{
    const struct sndb_answer *row = sndb_answer_insert(txn);
    bool fits = strlen(text) <= REQUEST_MAX_TEXT;

    sndb_answer_set_node(row, request->node);
    sndb_answer_set_request(row, request);
    sndb_answer_set_asker(row, request->asker);
    sndb_answer_set_failed(row, failed || !fits);
    sndb_answer_set_text(row, fits ? text : "the answer is too long");
}

void
request_forget_answers(struct ovsdb_idl_txn *txn, const char *node)
{
    struct ovsdb_idl *idl = ovsdb_idl_txn_get_idl(txn);
    const struct sndb_answer *answer, *next;

    SNDB_ANSWER_FOR_EACH_SAFE (answer, next, idl) {
        if (!strcmp(answer->node, node) && !answer->request) {
            sndb_answer_delete(answer);
        }
    }
}
