#include <config.h>

#include "flows/tables.h"

#include <string.h>
#include "flows/reasons.h"

const char *
sn_table_name(int table_id)
{
    switch (table_id) {
#define SN_TABLE(ID, ENUM, NAME, PURPOSE) case ID: return NAME;
    SN_TABLES
#undef SN_TABLE
    default:
        return NULL;
    }
}

int
sn_table_from_name(const char *name)
{
#define SN_TABLE(ID, ENUM, NAME, PURPOSE)                                    \
    if (!strcmp(name, NAME)) {                                               \
        return ID;                                                           \
    }
    SN_TABLES
#undef SN_TABLE
    return -1;
}

const char *
sn_reason_text(int reason)
{
    switch (reason) {
#define SN_REASON(VALUE, NAME, TEXT) case VALUE: return TEXT;
    SN_REASONS
#undef SN_REASON
    default:
        return NULL;
    }
}
