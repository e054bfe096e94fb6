#include <config.h>

#include "cli/revisions.h"

#include <inttypes.h>

#include "cli/command.h"
#include "cli/session.h"
#include "util.h"
#include "ovsdb-sync/revision.h"

bool
revisions_parse(const char *command, const char *text, int64_t *ret_number)
{
    int number;

    if (!str_to_int(text, 10, &number) || number < 1) {
        command_misused(command, "\"%s\" is not the number of a revision",
                        text);
        return false;
    }
    *ret_number = number;
    return true;
}

const struct sndb_revision *
revisions_find(const struct session *session, int64_t number)
{
    const struct sndb_revision *row = revision_find(session_idl(session),
                                                    number);
    if (!row) {
        command_fail("there is no revision %"PRId64": `socknet history` lists "
                     "those that are kept", number);
    }
    return row;
}
