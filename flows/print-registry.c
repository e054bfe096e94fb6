#include <config.h>

/* print-registry: the tables of docs/pipeline.md, out of the X-macros that the
 * pipeline is made of.  docs/update-pipeline puts them into the page. */

#include <stdio.h>
#include <string.h>
#include "flows/cookie.h"
#include "flows/reasons.h"
#include "flows/regs.h"
#include "flows/tables.h"

static void
print_tables(void)
{
    printf("| table | name | what it does |\n|---|---|---|\n");
#define SN_TABLE(ID, ENUM, NAME, PURPOSE)                                    \
    printf("| %d | `%s` | %s |\n", ID, NAME, PURPOSE);
    SN_TABLES
#undef SN_TABLE
}

static void
print_registers(void)
{
    printf("| register | holds |\n|---|---|\n");
#define SN_REG(NUMBER, NAME, PURPOSE)                                        \
    printf("| reg%d | %s |\n", NUMBER, PURPOSE);
    SN_REGS
#undef SN_REG
}

static void
print_flags(void)
{
    printf("| reg3 | means |\n|---|---|\n");
#define SN_FLAG(BIT, NAME, PURPOSE) printf("| 0x%x | %s |\n", BIT, PURPOSE);
    SN_FLAGS
#undef SN_FLAG
}

static void
print_outs(void)
{
    printf("| reg5 | leaves by |\n|---|---|\n");
#define SN_OUT(VALUE, NAME, PURPOSE) printf("| %d | %s |\n", VALUE, PURPOSE);
    SN_OUTS
#undef SN_OUT
}

static void
print_cookies(void)
{
    static const struct {
        enum cookie_kind kind;
        const char *text;
    } kinds[] = {
        { COOKIE_BASE, "the pipeline itself; the object is the table" },
        { COOKIE_CONTAINER, "a container; its VMID, or a hash of its id" },
        { COOKIE_NODE, "another node" },
        { COOKIE_EXIT, "an exit" },
        { COOKIE_IDENTITY, "an identity" },
        { COOKIE_SEGMENT, "a rule that follows from a segment" },
        { COOKIE_ACL, "an acl" },
        { COOKIE_DEFAULT, "a built-in rule" },
        { COOKIE_RAW_FLOW, "a raw flow" },
        { COOKIE_UPLINK, "an uplink" },
    };

    printf("| cookie | whose flow |\n|---|---|\n");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        printf("| 0x53%02x... | %s |\n", kinds[i].kind, kinds[i].text);
    }
}

static void
print_reasons(void)
{
    printf("| detail | why |\n|---|---|\n");
#define SN_REASON(VALUE, NAME, TEXT)                                         \
    if (VALUE >= SN_REASON_DROPS) {                                          \
        printf("| 0x%04x | %s |\n", VALUE, TEXT);                            \
    }
    SN_REASONS
#undef SN_REASON
}

int
main(int argc, char *argv[])
{
    static const struct { const char *name; void (*print)(void); } parts[] = {
        { "tables", print_tables }, { "registers", print_registers },
        { "flags", print_flags }, { "outs", print_outs },
        { "cookies", print_cookies }, { "reasons", print_reasons },
    };

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (argc == 2 && !strcmp(argv[1], parts[i].name)) {
            parts[i].print();
            return 0;
        }
    }
    fprintf(stderr, "usage: print-registry tables|registers|flags|outs|"
            "cookies|reasons\n");
    return 1;
}
