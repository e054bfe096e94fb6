#include <config.h>
#include "agent/ct-configs.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/ct-config.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "socket-util.h"
#include "sset.h"
#include "state/name.h"
#include "state/port-name.h"
#include "svec.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(ct_configs);

/* How often /etc/pve/.version is looked at, and the files themselves: it does
 * not tell of every change. */
#define VERSION_INTERVAL_MS 1000
#define FILES_INTERVAL_MS 3000
/* Between two looks that events ask for. */
#define MIN_INTERVAL_MS 200

#define MAX_FILE_SIZE (1 << 20)
#define MAX_INCLUDE_DEPTH 8

struct stamp {
    struct timespec mtime;
    ino_t ino;
    off_t size;
};

/* A container's file. */
struct ct_file {
    struct ct_config *config;
    bool is_pve;
    bool seen;                  /* In this look. */
    struct shash parts;         /* Path, and those included: struct stamp. */
};

struct ct_configs {
    char *pve_dir, *lxc_dir;
    struct shash files;         /* Of struct ct_file, by id. */
    struct sset problems;
    char *version;
    bool is_pve;
    bool stale;
    long long int last_ms;      /* Of the last look at the files. */
    long long int next_version_ms, next_files_ms;
};

struct ct_configs *
ct_configs_create(const char *pve_dir, const char *lxc_dir)
{
    struct ct_configs *c = xzalloc(sizeof *c);

    c->pve_dir = xstrdup(pve_dir);
    c->lxc_dir = xstrdup(lxc_dir);
    shash_init(&c->files);
    sset_init(&c->problems);
    c->stale = true;
    c->last_ms = LLONG_MIN / 2;
    return c;
}

static void
ct_file_destroy(struct ct_file *file)
{
    ct_config_destroy(file->config);
    shash_destroy_free_data(&file->parts);
    free(file);
}

void
ct_configs_destroy(struct ct_configs *c)
{
    if (c) {
        struct shash_node *node;

        SHASH_FOR_EACH (node, &c->files) {
            ct_file_destroy(node->data);
        }
        shash_destroy(&c->files);
        sset_destroy(&c->problems);
        free(c->version);
        free(c->pve_dir);
        free(c->lxc_dir);
        free(c);
    }
}

void
ct_configs_set_stale(struct ct_configs *c)
{
    c->stale = true;
}

/* Zero for a file that is not there, which differs from any other. */
static struct stamp
read_stamp(const char *path)
{
    struct stamp stamp;
    struct stat st;

    memset(&stamp, 0, sizeof stamp);
    if (!stat(path, &st)) {
        stamp.mtime = st.st_mtim;
        stamp.ino = st.st_ino;
        stamp.size = st.st_size;
    }
    return stamp;
}

static bool
stamp_equals(const struct stamp *a, const struct stamp *b)
{
    return (a->mtime.tv_sec == b->mtime.tv_sec
            && a->mtime.tv_nsec == b->mtime.tv_nsec
            && a->ino == b->ino && a->size == b->size);
}

/* NULL if it cannot be read. */
static char *
read_text(const char *path)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    FILE *stream = fopen(path, "re");
    char buffer[4096];
    size_t n;

    if (!stream) {
        return NULL;
    }
    while (ds.length < MAX_FILE_SIZE
           && (n = fread(buffer, 1, sizeof buffer, stream)) > 0) {
        ds_put_buffer(&ds, buffer, n);
    }
    bool ok = !ferror(stream);
    fclose(stream);
    if (!ok) {
        ds_destroy(&ds);
        return NULL;
    }
    return ds_steal_cstr(&ds);
}

static void
note_part(struct ct_file *file, const char *path)
{
    if (!shash_find(&file->parts, path)) {
        struct stamp stamp = read_stamp(path);

        shash_add(&file->parts, path, xmemdup(&stamp, sizeof stamp));
    }
}

static void include_lxc(const char *path, struct ct_config *, void *file);

static void
include_lxc_file(const char *path, struct ct_config *config,
                 struct ct_file *file)
{
    char *text = read_text(path);

    if (text) {
        lxc_conf_parse(text, config, include_lxc, file);
        free(text);
    }
}

/* lxc.include: "a file, or a folder, of which all files that end in .conf are
 * read".  One that includes itself ends where it would come again. */
static void
include_lxc(const char *path, struct ct_config *config, void *file_)
{
    struct ct_file *file = file_;
    struct dirent **names;
    int n;

    if (shash_find(&file->parts, path)
        || shash_count(&file->parts) >= 1u << MAX_INCLUDE_DEPTH) {
        return;
    }
    note_part(file, path);
    n = scandir(path, &names, NULL, alphasort);
    if (n < 0) {
        include_lxc_file(path, config, file);
        return;
    }
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;
        size_t len = strlen(name);

        if (len > 5 && !strcmp(name + len - 5, ".conf")) {
            char *inner = xasprintf("%s/%s", path, name);

            note_part(file, inner);
            include_lxc_file(inner, config, file);
            free(inner);
        }
        free(names[i]);
    }
    free(names);
}

static bool
file_is_current(const struct ct_file *file)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &file->parts) {
        struct stamp now = read_stamp(node->name);

        if (!stamp_equals(node->data, &now)) {
            return false;
        }
    }
    return true;
}

static struct ct_file *
read_file(const char *id, const char *path, bool is_pve)
{
    struct ct_file *file = xzalloc(sizeof *file);

    shash_init(&file->parts);
    note_part(file, path);      /* First: what changes meanwhile is seen. */

    char *text = read_text(path);
    if (!text) {
        ct_file_destroy(file);
        return NULL;
    }
    file->is_pve = is_pve;
    file->config = ct_config_create(id, path);
    if (is_pve) {
        pve_conf_parse(text, file->config);
    } else {
        lxc_conf_parse(text, file->config, include_lxc, file);
    }
    free(text);
    return file;
}

/* Returns true if it changed. */
static bool
look_at(struct ct_configs *c, const char *id, const char *path, bool is_pve)
{
    struct ct_file *old = shash_find_data(&c->files, id);

    if (old && old->is_pve == is_pve && file_is_current(old)) {
        old->seen = true;
        return false;
    } else if (old && old->seen) {
        return false;           /* Proxmox's word counts. */
    }

    struct ct_file *file = read_file(id, path, is_pve);
    if (!file) {
        /* Between two writes, or no right to: what was read before holds. */
        sset_add_and_free(&c->problems, xasprintf("%s: %s", path,
                                                  ovs_strerror(errno)));
        if (old) {
            old->seen = true;
        }
        return false;
    }
    file->seen = true;
    shash_replace(&c->files, id, file);
    if (old) {
        ct_file_destroy(old);
    }
    return true;
}

/* Marks those of the folder that cannot be read now as seen. */
static void
keep_all(struct ct_configs *c, bool is_pve)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &c->files) {
        struct ct_file *file = node->data;

        file->seen |= file->is_pve == is_pve;
    }
}

static bool
look_at_pve(struct ct_configs *c)
{
    char *folder = xasprintf("%s/lxc", c->pve_dir);
    DIR *dir = opendir(folder);
    struct dirent *entry;
    bool changed = false;

    if (!dir) {
        if (c->is_pve) {
            sset_add_and_free(&c->problems, xasprintf(
                "%s: %s; containers are known as they were before (is "
                "pve-cluster running?)", folder, ovs_strerror(errno)));
        }
        keep_all(c, true);
        free(folder);
        return false;
    }
    c->is_pve = true;
    while ((entry = readdir(dir)) != NULL) {
        char *id = xmemdup0(entry->d_name, strcspn(entry->d_name, "."));

        if (!strcmp(entry->d_name + strlen(id), ".conf")
            && str_is_decimal(id)) {
            char *path = xasprintf("%s/%s", folder, entry->d_name);

            changed |= look_at(c, id, path, true);
            free(path);
        }
        free(id);
    }
    closedir(dir);
    free(folder);
    return changed;
}

/* Proxmox writes files here too when it starts a container, and leaves them
 * when it goes: numbers are Proxmox's where there is Proxmox. */
static bool
look_at_lxc(struct ct_configs *c)
{
    DIR *dir = opendir(c->lxc_dir);
    struct dirent *entry;
    bool changed = false;

    if (!dir) {
        if (errno != ENOENT) {
            keep_all(c, false);
        }
        return false;
    }
    while ((entry = readdir(dir)) != NULL) {
        const char *id = entry->d_name;

        if (id[0] != '.' && !(c->is_pve && str_is_decimal(id))) {
            char *path = xasprintf("%s/%s/config", c->lxc_dir, id);

            if (!access(path, F_OK)) {
                changed |= look_at(c, id, path, false);
            }
            free(path);
        }
    }
    closedir(dir);
    return changed;
}

static bool
look(struct ct_configs *c)
{
    struct sset problems = SSET_INITIALIZER(&problems);
    struct shash_node *node;
    bool changed;

    SHASH_FOR_EACH (node, &c->files) {
        struct ct_file *file = node->data;

        file->seen = false;
    }
    sset_swap(&problems, &c->problems);
    changed = look_at_pve(c);
    changed |= look_at_lxc(c);
    SHASH_FOR_EACH_SAFE (node, &c->files) {
        struct ct_file *file = node->data;

        if (!file->seen) {
            shash_delete(&c->files, node);
            ct_file_destroy(file);
            changed = true;
        }
    }
    changed |= !sset_equals(&problems, &c->problems);
    sset_destroy(&problems);
    return changed;
}

static bool
version_changed(struct ct_configs *c)
{
    char *path = xasprintf("%s/.version", c->pve_dir);
    char *version = read_text(path);
    bool changed = !nullable_string_is_equal(version, c->version);

    free(path);
    free(c->version);
    c->version = version;
    return changed;
}

bool
ct_configs_run(struct ct_configs *c)
{
    long long int now = time_msec();

    if (now >= c->next_version_ms) {
        c->next_version_ms = now + VERSION_INTERVAL_MS;
        c->stale |= version_changed(c);
    }
    if (!(c->stale && now >= c->last_ms + MIN_INTERVAL_MS)
        && now < c->next_files_ms) {
        return false;
    }
    c->stale = false;
    c->last_ms = now;
    c->next_files_ms = now + FILES_INTERVAL_MS;
    return look(c);
}

void
ct_configs_wait(const struct ct_configs *c)
{
    poll_timer_wait_until(MIN(c->next_version_ms, c->next_files_ms));
    if (c->stale) {
        poll_timer_wait_until(c->last_ms + MIN_INTERVAL_MS);
    }
}

void
ct_configs_add_problems(const struct ct_configs *c, struct sset *problems)
{
    const char *text;

    SSET_FOR_EACH (text, &c->problems) {
        sset_add(problems, text);
    }
}

const struct ct_config *
ct_configs_find(const struct ct_configs *c, const char *id)
{
    const struct ct_file *file = shash_find_data(&c->files, id);

    return file ? file->config : NULL;
}

const struct ct_config *
ct_configs_find_veth(const struct ct_configs *c, const char *veth,
                     const struct ct_nic **ret_nic)
{
    const struct shash_node *node;
    unsigned int vmid, index;

    *ret_nic = NULL;
    if (c->is_pve && port_name_parse_veth(veth, &vmid, &index)) {
        char *id = xasprintf("%u", vmid);
        const struct ct_config *found = ct_configs_find(c, id);

        *ret_nic = found ? ct_config_find_nic(found, veth) : NULL;
        free(id);
        return *ret_nic ? found : NULL;
    }
    SHASH_FOR_EACH (node, &c->files) {
        const struct ct_file *file = node->data;

        *ret_nic = ct_config_find_nic(file->config, veth);
        if (*ret_nic) {
            return file->config;
        }
    }
    return NULL;
}

void
ct_configs_add_unnamed(const struct ct_configs *c, struct svec *ids)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &c->files) {
        const struct ct_config *config = ct_configs_find(c, node->name);

        for (size_t i = 0; i < config->n_nics; i++) {
            if (ct_nic_is_unnamed(&config->nics[i])) {
                svec_add(ids, node->name);
                break;
            }
        }
    }
}

bool
ct_configs_is_pve(const struct ct_configs *c)
{
    return c->is_pve;
}

char *
ct_configs_pve_file(const struct ct_configs *c, unsigned int vmid)
{
    return xasprintf("%s/lxc/%u.conf", c->pve_dir, vmid);
}

char *
ct_configs_pve_elsewhere(const struct ct_configs *c, unsigned int vmid)
{
    char *folder = xasprintf("%s/nodes", c->pve_dir);
    DIR *dir = opendir(folder);
    struct dirent *entry;
    char *found = NULL;

    while (dir && !found && (entry = readdir(dir)) != NULL) {
        char *path = xasprintf("%s/%s/lxc/%u.conf", folder, entry->d_name,
                               vmid);

        if (entry->d_name[0] != '.' && !access(path, F_OK)) {
            found = xstrdup(entry->d_name);
        }
        free(path);
    }
    if (dir) {
        closedir(dir);
    }
    free(folder);
    return found;
}

bool
ct_configs_is_vm(const struct ct_configs *c, unsigned int vmid)
{
    char *path = xasprintf("%s/qemu-server/%u.conf", c->pve_dir, vmid);
    bool found = !access(path, F_OK);

    free(path);
    return found;
}
