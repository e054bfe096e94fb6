#include <config.h>

#include "cli/db-relay-file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/db-file.h"
#include "cli/db-tool.h"
#include "cli/run-program.h"
#include "util.h"

static const char schema[] = "\
{\"name\": \"Socknet_Relay\", \"version\": \"1.0.0\", \"tables\": {\n\
  \"Config\": {\"isRoot\": true, \"maxRows\": 1, \"columns\": {\n\
    \"connections\": {\"type\": {\n\
      \"key\": {\"type\": \"uuid\", \"refTable\": \"Connection\"},\n\
      \"min\": 0, \"max\": \"unlimited\"}}}},\n\
  \"Connection\": {\"columns\": {\n\
    \"target\": {\"type\": \"string\"}, \"role\": {\"type\": \"string\"}}},\n\
  \"RBAC_Role\": {\"isRoot\": true, \"columns\": {\n\
    \"name\": {\"type\": \"string\"},\n\
    \"permissions\": {\"type\": {\"key\": \"string\",\n\
      \"value\": {\"type\": \"uuid\", \"refTable\": \"RBAC_Permission\"},\n\
      \"min\": 0, \"max\": \"unlimited\"}}}},\n\
  \"RBAC_Permission\": {\"columns\": {\n\
    \"table\": {\"type\": \"string\"},\n\
    \"authorization\": {\"type\": {\"key\": \"string\",\n\
      \"min\": 0, \"max\": \"unlimited\"}},\n\
    \"insert_delete\": {\"type\": \"boolean\"},\n\
    \"update\": {\"type\": {\"key\": \"string\",\n\
      \"min\": 0, \"max\": \"unlimited\"}}}}}}\n";

static char *
insert_connections(const char *file, const char *address)
{
    char *txn = xasprintf(
        "[\"Socknet_Relay\","
        "{\"op\":\"insert\",\"table\":\"Connection\",\"uuid-name\":\"a\","
        "\"row\":{\"target\":\"pssl:%d:%s\",\"role\":\"%s\"}},"
        "{\"op\":\"insert\",\"table\":\"Connection\",\"uuid-name\":\"b\","
        "\"row\":{\"target\":\"pssl:%d:%s\",\"role\":\"%s\"}},"
        "{\"op\":\"insert\",\"table\":\"Config\",\"row\":{\"connections\":"
        "[\"set\",[[\"named-uuid\",\"a\"],[\"named-uuid\",\"b\"]]]}}]",
        DB_AGENT_PORT, address, DB_AGENT_ROLE,
        DB_CONTROLLER_PORT, address, DB_CONTROLLER_ROLE);
    char *output;
    char *error = db_tool((const char *const[]) { "transact", file, txn,
                                                  NULL }, NULL, &output);

    if (!error && strstr(output, "\"error\"")) {
        error = xasprintf("%s: %s", file, output);
    }
    free(output);
    free(txn);
    return error;
}

char *
db_relay_file_create(const char *file, const char *address)
{
    char *output, *error;

    unlink(file);
    error = db_tool((const char *const[]) { "create", file, PROGRAM_INPUT,
                                            NULL }, schema, &output);
    free(output);
    return error ? error : insert_connections(file, address);
}
