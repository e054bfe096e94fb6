#include <config.h>
#include "agent/install.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/plan.h"
#include "openvswitch/dynamic-string.h"
#include "svec.h"
#include "util.h"

#define CONDONE_REGEX "^(veth|fwln|tap|x-|xr-)"

/* What ovs_extra has to set, as its words. */
static const struct { const char *key, *value; } settings[] = {
    { "fail_mode=", "secure" },
    { "other_config:disable-in-band=", "true" },
    { "protocols=", "OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,"
      "OpenFlow14,OpenFlow15" },
};

/* Its value is to be what the bridge has. */
#define HWADDR_KEY "other_config:hwaddr="

/* Exit code of `socknet plan` and the like. */
#define EXIT_PENDING 2

/* The stanza of the bridge; numbers of lines, SIZE_MAX: none. */
struct stanza {
    size_t iface;
    size_t type;                /* ovs_type */
    size_t extra;               /* The last line of the last ovs_extra. */
    size_t condone;             /* ovs_ports_condone_regex */
    struct ds extras;           /* What all of ovs_extra says. */
    char *regex;
};

static void
stanza_init(struct stanza *s)
{
    *s = (struct stanza) { SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX,
                           DS_EMPTY_INITIALIZER, NULL };
}

static void
stanza_destroy(struct stanza *s)
{
    ds_destroy(&s->extras);
    free(s->regex);
}

static void
split_lines(const char *text, struct svec *lines)
{
    while (*text) {
        size_t len = strcspn(text, "\n");

        svec_add_nocopy(lines, xmemdup0(text, len));
        text += len + (text[len] == '\n');
    }
}

/* The 'i'th word of a line, to free; NULL if it has not as many. */
static char *
get_word(const char *line, int i)
{
    for (;; i--) {
        line += strspn(line, " \t\r");
        size_t len = strcspn(line, " \t\r");
        if (!len) {
            return NULL;
        } else if (!i) {
            return xmemdup0(line, len);
        }
        line += len;
    }
}

static bool
word_is(const char *line, int i, const char *expected)
{
    char *word = get_word(line, i);
    bool is = word && !strcmp(word, expected);

    free(word);
    return is;
}

/* An option's name; ifupdown2 takes "-" and "_" alike.  To free. */
static char *
get_option(const char *line)
{
    char *name = get_word(line, 0);

    for (char *p = name; p && *p; p++) {
        *p = *p == '-' ? '_' : *p;
    }
    return name;
}

static bool
begins_stanza(const char *line)
{
    static const char *const words[] = {
        "iface", "auto", "mapping", "source", "source-directory", "vlan",
        "template", "rename", "no-auto-down", "no-scripts",
    };
    char *word = get_word(line, 0);
    bool begins = word && !strncmp(word, "allow-", 6);

    for (size_t i = 0; word && i < ARRAY_SIZE(words); i++) {
        begins |= !strcmp(word, words[i]);
    }
    free(word);
    return begins;
}

static bool
is_continued(const char *line)
{
    size_t len = strlen(line);

    return len && line[len - 1] == '\\';
}

/* Returns the number of the last line of the option that begins at 'i', and
 * adds its value to 'value'. */
static size_t
read_option(const struct svec *lines, size_t i, struct ds *value)
{
    const char *line = lines->names[i];

    line += strspn(line, " \t");
    line += strcspn(line, " \t");
    ds_put_format(value, " %s", line);
    while (is_continued(lines->names[i]) && i + 1 < lines->n) {
        ds_chomp(value, '\\');
        ds_put_format(value, " %s", lines->names[++i]);
    }
    return i;
}

static size_t
take_option(const struct svec *lines, size_t i, struct stanza *s)
{
    char *name = get_option(lines->names[i]);
    struct ds value = DS_EMPTY_INITIALIZER;
    size_t first = i;

    i = read_option(lines, i, &value);
    if (!name || name[0] == '#') {
        i = first;              /* Comments have no continuation. */
    } else if (!strcmp(name, "ovs_type")
               && word_is(ds_cstr(&value), 0, "OVSBridge")) {
        s->type = i;
    } else if (!strcmp(name, "ovs_extra")) {
        ds_put_cstr(&s->extras, ds_cstr(&value));
        s->extra = i;
    } else if (!strcmp(name, "ovs_ports_condone_regex")) {
        free(s->regex);
        s->regex = get_word(ds_cstr(&value), 0);
        s->condone = first;
    }
    ds_destroy(&value);
    free(name);
    return i;
}

/* Finds the stanza that makes the bridge; its 'type' is SIZE_MAX if there is
 * one of another kind only. */
static void
find_stanza(const struct svec *lines, struct stanza *s)
{
    for (size_t i = 0; i < lines->n && s->type == SIZE_MAX; i++) {
        if (!word_is(lines->names[i], 0, "iface")
            || !word_is(lines->names[i], 1, SN_BRIDGE)) {
            continue;
        }
        stanza_destroy(s);
        stanza_init(s);
        s->iface = i;
        while (i + 1 < lines->n && !begins_stanza(lines->names[i + 1])) {
            i = take_option(lines, i + 1, s);
        }
    }
}

/* What 'word' sets 'key' to; NULL if it sets another.  "-" is as good as "_"
 * here as well. */
static const char *
get_setting(const char *word, const char *key)
{
    for (; *key; word++, key++) {
        if ((*word == '-' ? '_' : *word) != (*key == '-' ? '_' : *key)) {
            return NULL;
        }
    }
    return word;
}

/* Whether the last word in 'extras' that sets 'key' sets it to 'value': any if
 * that is NULL; of a list, its last member suffices. */
static bool
has_setting(const char *extras, const char *key, const char *value)
{
    const char *comma = value ? strrchr(value, ',') : NULL;
    bool found = false;
    char *word;

    for (int i = 0; (word = get_word(extras, i)) != NULL; i++) {
        const char *is = get_setting(word, key);

        if (is) {
            found = (!value ? is[0] != '\0'
                     : comma ? strstr(is, comma + 1) != NULL
                     : !strcmp(is, value));
        }
        free(word);
    }
    return found;
}

/* What ovs_extra has to set and does not. */
static void
find_missing(const char *extras, const char *mac, struct ds *missing)
{
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        if (!has_setting(extras, settings[i].key, settings[i].value)) {
            ds_put_format(missing, " %s%s", settings[i].key,
                          settings[i].value);
        }
    }
    if (mac && !has_setting(extras, HWADDR_KEY, NULL)) {
        ds_put_format(missing, " "HWADDR_KEY"\"%s\"", mac);
    }
}

/* glibc copies what is repeated: "((x+)+)+..." takes all memory. */
#define MAX_REPEATS 12

static bool
regex_is_harmless(const char *text)
{
    size_t n = 0;

    for (const char *p = text; *p; p++) {
        n += strchr("*+?", *p) != NULL;
    }
    return n <= MAX_REPEATS && !strchr(text, '{');
}

static bool
regex_condones(const char *text)
{
    static const char *const ports[] = {
        "veth102i0", "fwln102o0", "tap100i0", "x-warp0", "xr-node2",
    };
    bool all = true;
    regex_t regex;

    if (strstr(text, CONDONE_REGEX)) {
        return true;            /* What else there is may be Python's. */
    }
    if (!regex_is_harmless(text) || regcomp(&regex, text, REG_EXTENDED)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
        regmatch_t match;

        /* From the beginning, as Python's match() does. */
        all &= !regexec(&regex, ports[i], 1, &match, 0) && !match.rm_so;
    }
    regfree(&regex);
    return all;
}

static void
replace_line(struct svec *lines, size_t i, char *text, struct ds *diff)
{
    ds_put_format(diff, "%5"PRIuSIZE" - %s\n%5"PRIuSIZE" + %s\n", i + 1,
                  lines->names[i], i + 1, text);
    free(lines->names[i]);
    lines->names[i] = text;
}

/* Text that is to come after line 'i' becomes part of that line, so that the
 * numbers of others stay. */
static void
insert_after(struct svec *lines, size_t i, const char *option, struct ds *diff)
{
    char *line = lines->names[i];
    int indent = strspn(line, " \t");

    ds_put_format(diff, "%5"PRIuSIZE" + %.*s%s\n", i + 1, indent, line,
                  option);
    lines->names[i] = xasprintf("%s\n%.*s%s", line, indent, line, option);
    free(line);
}

static void
edit_extra(struct svec *lines, const struct stanza *s, const char *mac,
           struct ds *diff)
{
    struct ds missing = DS_EMPTY_INITIALIZER;

    find_missing(ds_cstr_ro(&s->extras), mac, &missing);
    if (missing.length && s->extra != SIZE_MAX) {
        const char *line = lines->names[s->extra];
        size_t len = strlen(line);

        while (len && strchr(" \t\r\\", line[len - 1])) {
            len--;
        }
        replace_line(lines, s->extra,
                     xasprintf("%.*s -- set bridge " SN_BRIDGE "%s",
                               (int) len, line, ds_cstr(&missing)), diff);
    } else if (missing.length) {
        char *option = xasprintf("ovs_extra set bridge " SN_BRIDGE "%s",
                                 ds_cstr(&missing));

        insert_after(lines, s->type, option, diff);
        free(option);
    }
    ds_destroy(&missing);
}

static void
edit_condone(struct svec *lines, const struct stanza *s, struct ds *diff)
{
    if (s->condone == SIZE_MAX) {
        insert_after(lines, s->type,
                     "ovs_ports_condone_regex " CONDONE_REGEX, diff);
    } else if (!s->regex || !regex_condones(s->regex)) {
        const char *line = lines->names[s->condone];
        int indent = strspn(line, " \t");
        bool keep = s->regex && s->regex[0];

        replace_line(lines, s->condone, xasprintf(
            "%.*sovs_ports_condone_regex %s%s%s", indent, line,
            keep ? s->regex : "", keep ? "|" : "", CONDONE_REGEX), diff);
    }
}

static bool
sources_others(const struct svec *lines)
{
    for (size_t i = 0; i < lines->n; i++) {
        if (word_is(lines->names[i], 0, "source")
            || word_is(lines->names[i], 0, "source-directory")) {
            return true;
        }
    }
    return false;
}

static char *
check_stanza(const struct svec *lines, const struct stanza *s,
             const char *file)
{
    if (s->iface == SIZE_MAX && sources_others(lines)) {
        return xasprintf("%s has no \"iface " SN_BRIDGE "\"; if a file that "
                         "it sources has one, name that with --interfaces",
                         file);
    } else if (s->iface == SIZE_MAX) {
        return xasprintf("%s has no \"iface " SN_BRIDGE "\"; add one:\n\n"
                         "auto " SN_BRIDGE "\n"
                         "iface " SN_BRIDGE " inet manual\n"
                         "    ovs_type OVSBridge\n\n"
                         "and run this command again", file);
    } else if (s->type == SIZE_MAX) {
        return xasprintf("%s:%"PRIuSIZE": " SN_BRIDGE " is no bridge of Open "
                         "vSwitch here (\"ovs_type OVSBridge\")", file,
                         s->iface + 1);
    } else if (s->condone != SIZE_MAX
               && is_continued(lines->names[s->condone])) {
        return xasprintf("%s:%"PRIuSIZE": ovs_ports_condone_regex goes on in "
                         "the next line; write it in one", file,
                         s->condone + 1);
    } else if (is_continued(lines->names[s->type])) {
        return xasprintf("%s: the file ends within an option", file);
    }
    return NULL;
}

char *
install_compute(const char *text, const char *file, const char *mac,
                struct ds *ret_text, struct ds *ret_diff)
{
    struct svec lines = SVEC_EMPTY_INITIALIZER;
    struct stanza s;

    stanza_init(&s);
    split_lines(text, &lines);
    find_stanza(&lines, &s);
    char *error = check_stanza(&lines, &s, file);
    if (!error) {
        edit_extra(&lines, &s, mac, ret_diff);
        edit_condone(&lines, &s, ret_diff);
        if (ret_diff->length) {
            for (size_t i = 0; i < lines.n; i++) {
                ds_put_format(ret_text, "%s\n", lines.names[i]);
            }
        } else {
            ds_put_cstr(ret_text, text);
        }
    }
    stanza_destroy(&s);
    svec_destroy(&lines);
    return error;
}

/* Returns 0 or errno. */
static int
read_file(const char *file, struct ds *text, struct stat *st)
{
    FILE *stream = fopen(file, "re");
    char buffer[4096];
    int error = 0;
    size_t n;

    if (!stream) {
        return errno;
    }
    if (fstat(fileno(stream), st)) {
        error = errno;
    }
    while ((n = fread(buffer, 1, sizeof buffer, stream)) > 0) {
        ds_put_buffer(text, buffer, n);
    }
    if (ferror(stream)) {
        error = EIO;
    }
    fclose(stream);
    return error;
}

/* A new file with 'text' and what 'st' says of the old one.  0 or errno. */
static int
write_new(const char *file, const struct ds *text, const struct stat *st)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int error = 0;

    if (fd < 0) {
        return errno;
    }
    if (write(fd, text->string, text->length) != text->length
        || fchown(fd, st->st_uid, st->st_gid)
        || fchmod(fd, st->st_mode & 07777) || fsync(fd)) {
        error = errno ? errno : ENOSPC;
    }
    close(fd);
    if (error) {
        unlink(file);
    }
    return error;
}

/* Keeps the old text under the first name that is free. */
static char *
write_backup(const char *file, const struct ds *old, const struct stat *st,
             int *ret_error)
{
    for (int i = 0; ; i++) {
        char *backup = (i ? xasprintf("%s.before-socknet.%d", file, i)
                        : xasprintf("%s.before-socknet", file));

        *ret_error = write_new(backup, old, st);
        if (*ret_error != EEXIST) {
            return backup;
        }
        free(backup);
    }
}

static int
write_file(const char *file, const struct ds *old, const struct ds *new,
           const struct stat *st)
{
    char *temporary = xasprintf("%s.socknet-new", file);
    int error;
    char *backup = write_backup(file, old, st, &error);

    if (!error) {
        unlink(temporary);
        error = write_new(temporary, new, st);
        if (!error && rename(temporary, file)) {
            error = errno;
        }
    }
    if (error) {
        fprintf(stderr, "%s: %s: %s\n", program_name, file,
                ovs_strerror(error));
    } else {
        printf("%s: written; the old one is %s.\n"
               "It takes effect with `ifreload -a`, or at the next start.\n",
               file, backup);
    }
    free(temporary);
    free(backup);
    return error ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* To free; NULL if there is no bridge. */
static char *
read_bridge_mac(void)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    struct stat st;
    char *mac = NULL;

    if (!read_file("/sys/class/net/" SN_BRIDGE "/address", &text, &st)) {
        ds_chomp(&text, '\n');
        mac = get_word(ds_cstr(&text), 0);
    }
    ds_destroy(&text);
    return mac;
}

int
install_run(const char *file, bool write)
{
    char *mac = read_bridge_mac();
    struct ds old = DS_EMPTY_INITIALIZER, new = DS_EMPTY_INITIALIZER;
    struct ds diff = DS_EMPTY_INITIALIZER;
    int status = EXIT_SUCCESS;
    struct stat st;
    int errnum = read_file(file, &old, &st);
    char *error = (errnum ? xasprintf("%s: %s", file, ovs_strerror(errnum))
                   : install_compute(ds_cstr(&old), file, mac, &new,
                                     &diff));

    if (error) {
        fprintf(stderr, "%s: %s\n", program_name, error);
        status = EXIT_FAILURE;
    } else if (!diff.length) {
        printf("%s: has all that " SN_BRIDGE " needs.\n", file);
    } else {
        printf("%s:\n%s", file, ds_cstr(&diff));
        status = EXIT_PENDING;
        if (write) {
            status = write_file(file, &old, &new, &st);
        } else {
            printf("Not written: add --write.\n");
        }
    }
    free(error);
    free(mac);
    ds_destroy(&old);
    ds_destroy(&new);
    ds_destroy(&diff);
    return status;
}
