#ifndef SN_DB_SCHEMA_H
#define SN_DB_SCHEMA_H 1

/* schemas/socknet.ovsschema, as text: the build makes db-schema.c of it, so
 * that a program always has the schema it was built for. */

extern const char db_schema[];

#endif /* cli/db-schema.h */
