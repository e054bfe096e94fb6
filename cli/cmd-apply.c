#include <config.h>

#include <getopt.h>
#include <stdlib.h>

#include "cli/apply-run.h"
#include "cli/command.h"
#include "cli/plan-file.h"
#include "cli/proposal.h"
#include "cli/session.h"
#include "util.h"

static const char verdict[] = "; nothing was changed";

/* The state that 'p' holds. */
static int
apply_proposal(const struct command_context *ctx, struct session *session,
               struct proposal *p, struct apply_job *job)
{
    job->files = &p->files;
    job->node = p->node;
    return apply_run(ctx, session, p->model, job);
}

/* The plan that is the text of a file. */
static int
apply_plan(const struct command_context *ctx, struct session *session,
           const char *path, const char *text, struct apply_job *job)
{
    int status = EXIT_ERROR;
    struct plan_file plan;

    char *error = plan_file_parse(text, &plan);
    if (error) {
        command_fail("%s cannot be applied: %s", path, error);
        free(error);
        return EXIT_ERROR;
    }
    error = plan_file_check_base(&plan, session);
    if (error) {
        command_fail("%s", error);
        free(error);
    } else if (proposal_load(&plan.proposal, session_model(session),
                             verdict)) {
        status = plan_file_is_same_state(&plan, plan.proposal.model)
                 ? apply_proposal(ctx, session, &plan.proposal, job)
                 : command_fail("this version of socknet makes another state "
                                "of it than the one that planned; nothing "
                                "was changed: plan again");
    }
    plan_file_destroy(&plan);
    return status;
}

static int
apply_path(const struct command_context *ctx, const char *path,
           struct apply_job *job)
{
    int status = EXIT_ERROR;
    struct proposal p;

    if (proposal_read(&p, path, job->node)) {
        bool is_plan = plan_file_is_plan(&p.files);
        struct session *session;

        if (is_plan && job->node) {
            command_misused("apply", "a plan names its node itself");
        } else if ((session = session_open(ctx)) != NULL) {
            if (is_plan) {
                status = apply_plan(ctx, session, path,
                                    p.files.files[0].text, job);
            } else if (proposal_load(&p, session_model(session), verdict)) {
                status = apply_proposal(ctx, session, &p, job);
            }
            session_close(session);
        }
    }
    proposal_destroy(&p);
    return status;
}

int
cmd_apply(struct command_context *ctx, int argc, char *argv[])
{
    enum { OPT_NODE = 256 };
    static const struct option options[] = {
        {"node", required_argument, NULL, OPT_NODE},
        APPLY_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    struct apply_job job = { .action = "apply" };
    int c;

    while ((c = command_getopt(argc, argv, options)) != -1) {
        if (c == OPT_NODE) {
            job.node = optarg;
        } else if (!apply_parse_option(argv[0], c, &job)) {
            return EXIT_ERROR;
        }
    }
    if (argc - optind != 1) {
        return command_misused(argv[0], "apply takes one PATH or PLAN");
    }
    return apply_check_options(argv[0], &job)
           ? apply_path(ctx, argv[optind], &job) : EXIT_ERROR;
}
