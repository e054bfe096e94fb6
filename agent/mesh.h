#ifndef SN_MESH_H
#define SN_MESH_H 1

/* The mesh interface: its device, key, peers, MTU and address. */

#include <stdbool.h>
#include "agent/wg.h"

struct keyring;
struct links;
struct mesh;
struct nlk;
struct paths;
struct plan;
struct sset;

/* The device carries this alias (`ip link`), so that nothing but what the
 * agent made is ever configured or removed. */
#define MESH_LINK_ALIAS "socknet mesh"

struct mesh *mesh_create(const char *state_dir, struct paths *);
void mesh_destroy(struct mesh *);

/* Brings the interface to what 'plan' says.  May read 'links' anew, if it
 * made the device.  Returns true when nothing is left to do: false while the
 * device is being made, or after an error (in 'problems'). */
bool mesh_run(struct mesh *, struct nlk *, struct links *,
              const struct plan *, struct sset *problems);
/* Whether mesh_run() waits for something that no event tells. */
bool mesh_is_starting(const struct mesh *);

/* NULL until there is a key. */
const struct wg_key *mesh_public_key(const struct mesh *);
const struct wg_key *mesh_private_key(const struct mesh *);
/* For rotation.h, which loads it. */
struct keyring *mesh_keyring(struct mesh *);
enum wg_backend mesh_backend(const struct mesh *);
/* The device as read last; its peers are empty until then. */
const struct wg_device *mesh_device(const struct mesh *);

/* Removes the device that an agent made. */
int mesh_cleanup(struct nlk *, const struct links *);

#endif /* agent/mesh.h */
