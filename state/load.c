#include <config.h>

#include "state/load.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/diag.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "state/build.h"
#include "state/document.h"
#include "state/lint.h"
#include "state/merge.h"
#include "state/model.h"
#include "state/name.h"
#include "svec.h"
#include "util.h"

/* Ten thousand containers fill 3 MB. */
enum { FILE_MAX_BYTES = 64 * 1024 * 1024 };

/* Reads a whole file.  Returns NULL, having reported why, on failure. */
static char *
file_read(const char *path, struct diags *diags)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    FILE *stream = fopen(path, "r");
    char buf[65536];
    size_t n;
    int error = stream ? 0 : errno;

    while (!error && (n = fread(buf, 1, sizeof buf, stream)) > 0) {
        ds_put_buffer(&text, buf, n);
        if (text.length > FILE_MAX_BYTES) {
            error = EFBIG;
        }
    }
    if (stream) {
        error = error ? error : ferror(stream) ? errno : 0;
        fclose(stream);
    }
    if (error) {
        diags_add(diags, DIAG_ERROR, NULL, NULL, "cannot read %s: %s", path,
                  ovs_strerror(error));
    } else if (strlen(ds_cstr(&text)) != text.length) {
        diags_add(diags, DIAG_ERROR, NULL, NULL,
                  "%s is not a text file: it has NUL bytes", path);
        error = EINVAL;
    }
    if (error) {
        ds_destroy(&text);
        return NULL;
    }
    return ds_steal_cstr(&text);
}

/* One host's file has no "nodes", and keys that belong to a node. */
static bool
doc_is_host(const struct doc_value *root)
{
    const struct schema_key *key;

    if (doc_get(root, "nodes")) {
        return false;
    }
    for (size_t i = 0; (key = schema_get_key(&schema_node, i)) != NULL; i++) {
        if (doc_get(root, key->name)) {
            return true;
        }
    }
    return false;
}

/* This host's name, without its domain. */
static char *
default_host_name(void)
{
    char name[256];

    if (gethostname(name, sizeof name)) {
        return xstrdup("localhost");
    }
    name[sizeof name - 1] = '\0';
    name[strcspn(name, ".")] = '\0';
    return xstrdup(name);
}

/* The document's last steps: check, build, lint. */
static struct model *
state_from_doc(const struct doc_value *root, const char *path,
               const char *node_name, size_t n_errors_before,
               struct diags *diags)
{
    bool is_host = doc_is_host(root);
    char *host_name = !is_host ? NULL
                      : node_name ? xstrdup(node_name)
                      : default_host_name();
    struct build build = { .model = model_create(), .diags = diags };

    if (!root->n_members && diags->n_errors == n_errors_before) {
        diags_add(diags, DIAG_ERROR, NULL, NULL, "%s says nothing", path);
    }
    char *error = is_host ? name_validate(host_name) : NULL;
    if (error) {
        diags_add(diags, DIAG_ERROR, NULL,
                  "name the host of this file with --node",
                  "\"%s\" cannot be the name of a node: %s", host_name,
                  error);
        free(error);
    }

    places_init(&build.places);
    schema_check(is_host ? &schema_host : &schema_fleet, root, diags);
    build_model(&build, root, host_name);
    lint_model(build.model, &build.places, diags);
    places_destroy(&build.places);
    free(host_name);

    if (diags->n_errors != n_errors_before) {
        model_destroy(build.model);
        return NULL;
    }
    return build.model;
}

struct model *
state_load_string(const char *text, const char *file_name,
                  const char *node_name, struct diags *diags)
{
    size_t n_errors = diags->n_errors;
    struct doc_value *root = doc_parse(text, file_name, diags);
    struct model *model = NULL;

    if (root && root->type != DOC_MAP) {
        diags_add(diags, DIAG_ERROR, &root->loc, NULL,
                  "a state file is a mapping of sections, not %s",
                  doc_type_to_string(root));
    } else if (root) {
        model = state_from_doc(root, file_name, node_name, n_errors, diags);
    }
    doc_destroy(root);
    return model;
}

/* The paths of the *.yaml and *.yml files of a folder, sorted. */
static int
folder_list(const char *path, struct svec *ret_files)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    size_t len = strlen(path);

    svec_init(ret_files);
    if (!dir) {
        return errno;
    }
    while ((entry = readdir(dir)) != NULL) {
        const char *name = entry->d_name;
        const char *dot = strrchr(name, '.');
        if (name[0] != '.' && dot
            && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml"))) {
            svec_add_nocopy(ret_files,
                            xasprintf("%s%s%s", path,
                                      len && path[len - 1] == '/' ? "" : "/",
                                      name));
        }
    }
    closedir(dir);
    svec_sort(ret_files);
    return 0;
}

/* Parses one file of a folder and merges it into 'root'. */
static void
folder_merge_file(struct doc_value *root, const struct state_file *file,
                  struct diags *diags)
{
    struct doc_value *doc = doc_parse(file->text, file->name, diags);

    if (doc && doc->type != DOC_MAP) {
        diags_add(diags, DIAG_ERROR, &doc->loc, NULL,
                  "a state file is a mapping of sections, not %s",
                  doc_type_to_string(doc));
    } else if (doc && doc_is_host(doc)) {
        diags_add(diags, DIAG_ERROR, &doc->members[0].key_loc,
                  "put it under \"nodes: {NAME: ...}\"",
                  "one host's file cannot be part of a folder");
    } else if (doc) {
        doc_merge(&schema_fleet, root, doc, diags);
    }
    doc_destroy(doc);
}

static struct model *
state_load_folder(const struct state_files *files, struct diags *diags)
{
    size_t n_errors = diags->n_errors;
    struct sn_loc loc = { sn_loc_intern(files->path), 1, 1, 1 };
    struct doc_value *root = doc_map_create(&loc);
    struct model *model = NULL;

    for (size_t i = 0; i < files->n; i++) {
        folder_merge_file(root, &files->files[i], diags);
    }
    if (diags->n_errors == n_errors) {
        model = state_from_doc(root, files->path, NULL, n_errors, diags);
    }
    doc_destroy(root);
    return model;
}

void
state_files_add(struct state_files *files, const char *name, char *text)
{
    files->files = xrealloc(files->files,
                            (files->n + 1) * sizeof *files->files);
    files->files[files->n++] = (struct state_file) { xstrdup(name), text };
}

void
state_files_destroy(struct state_files *files)
{
    for (size_t i = 0; i < files->n; i++) {
        free(files->files[i].name);
        free(files->files[i].text);
    }
    free(files->files);
    free(files->path);
}

static bool
folder_read(struct state_files *files, struct diags *diags)
{
    struct svec names;
    const char *name;
    bool ok = true;
    size_t i;

    int error = folder_list(files->path, &names);
    if (error) {
        diags_add(diags, DIAG_ERROR, NULL, NULL, "cannot read %s: %s",
                  files->path, ovs_strerror(error));
        ok = false;
    } else if (svec_is_empty(&names)) {
        diags_add(diags, DIAG_ERROR, NULL, NULL,
                  "folder %s has no *.yaml file", files->path);
        ok = false;
    }
    SVEC_FOR_EACH (i, name, &names) {
        char *text = file_read(name, diags);

        if (text) {
            state_files_add(files, name, text);
        }
        ok &= text != NULL;
    }
    svec_destroy(&names);
    return ok;
}

bool
state_files_read(const char *path, struct state_files *files,
                 struct diags *diags)
{
    struct stat st;

    *files = (struct state_files) { .path = xstrdup(path) };
    files->folder = !stat(path, &st) && S_ISDIR(st.st_mode);
    if (files->folder) {
        return folder_read(files, diags);
    }
    char *text = file_read(path, diags);
    if (text) {
        state_files_add(files, path, text);
    }
    return text != NULL;
}

struct model *
state_files_load(const struct state_files *files, const char *node_name,
                 struct diags *diags)
{
    return files->folder ? state_load_folder(files, diags)
           : state_load_string(files->files[0].text, files->files[0].name,
                               node_name, diags);
}

struct model *
state_load(const char *path, const char *node_name, struct diags *diags)
{
    struct state_files files;
    struct model *model = state_files_read(path, &files, diags)
                          ? state_files_load(&files, node_name, diags) : NULL;

    state_files_destroy(&files);
    return model;
}
