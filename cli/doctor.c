#include <config.h>

#include "cli/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/run-program.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "svec.h"
#include "util.h"

/* How the checks look at the host. */

static char *
run_argv(const struct svec *args, char **ret_error)
{
    char *program = program_find(args->names[0]);
    char *output = NULL, *error;

    if (!program) {
        error = xasprintf("%s is not installed", args->names[0]);
    } else {
        struct svec argv = SVEC_EMPTY_INITIALIZER;

        svec_add(&argv, "/usr/bin/timeout");
        svec_add(&argv, "5");
        svec_add(&argv, program);
        for (size_t i = 1; i < args->n; i++) {
            svec_add(&argv, args->names[i]);
        }
        svec_terminate(&argv);
        error = program_run((const char *const *) argv.names, NULL, &output);
        svec_destroy(&argv);
        free(program);
    }
    if (error) {
        free(output);
        output = NULL;
    }
    if (ret_error) {
        *ret_error = error;
    } else {
        free(error);
    }
    return output;
}

static void
collect(struct svec *args, const char *program, va_list list)
{
    for (const char *arg = program; arg; arg = va_arg(list, const char *)) {
        svec_add(args, arg);
    }
}

char *
doctor_run(char **ret_error, const char *program, ...)
{
    struct svec args = SVEC_EMPTY_INITIALIZER;
    va_list list;

    va_start(list, program);
    collect(&args, program, list);
    va_end(list);

    char *output = run_argv(&args, ret_error);
    svec_destroy(&args);
    return output;
}

struct json *
doctor_run_json(char **ret_error, const char *program, ...)
{
    struct svec args = SVEC_EMPTY_INITIALIZER;
    va_list list;

    va_start(list, program);
    collect(&args, program, list);
    va_end(list);

    char *output = run_argv(&args, ret_error);
    svec_destroy(&args);
    if (!output) {
        return NULL;
    }

    /* ip(8) prints nothing where it has nothing. */
    struct json *json = json_from_string(output[0] ? output : "[]");
    free(output);
    if (json->type == JSON_STRING) {
        if (ret_error) {
            *ret_error = xasprintf("%s: %s", program, json_string(json));
        }
        json_destroy(json);
        return NULL;
    }
    return json;
}

static char *
read_path(const char *path)
{
    FILE *f = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;

    if (f) {
        if (getline(&line, &size, f) < 0) {
            free(line);
            line = NULL;
        } else {
            line[strcspn(line, "\n")] = '\0';
        }
        fclose(f);
    }
    return line;
}

char *
doctor_read(const char *path_format, ...)
{
    va_list args;

    va_start(args, path_format);
    char *path = xvasprintf(path_format, args);
    va_end(args);

    char *line = read_path(path);
    free(path);
    return line;
}

int64_t
doctor_read_int(const char *path_format, ...)
{
    va_list args;

    va_start(args, path_format);
    char *path = xvasprintf(path_format, args);
    va_end(args);

    char *line = read_path(path);
    char *end;
    int64_t value = line ? strtoll(line, &end, 10) : -1;
    if (line && end == line) {
        value = -1;
    }
    free(line);
    free(path);
    return value;
}

bool
doctor_link_exists(const char *name)
{
    return doctor_read_int("/sys/class/net/%s/ifindex", name) > 0;
}

const char *
doctor_json_string(const struct json *json, const char *key)
{
    const struct json *value = json->type == JSON_OBJECT
                               ? shash_find_data(json_object(json), key)
                               : NULL;

    return value && value->type == JSON_STRING ? json_string(value) : "";
}

int64_t
doctor_json_int(const struct json *json, const char *key, int64_t otherwise)
{
    const struct json *value = json->type == JSON_OBJECT
                               ? shash_find_data(json_object(json), key)
                               : NULL;

    return value && value->type == JSON_INTEGER ? json_integer(value)
           : otherwise;
}
