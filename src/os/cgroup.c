/*
** cgroup.c: the control group of this process, version 1 or 2
** MIT licence, see LICENSE
**
** The path comes from /proc/self/cgroup, the mount point from
** /proc/self/mountinfo: both differ between machines and containers.  In a
** container the path may lie outside of what is mounted; then the mount point
** itself is the group.
*/

#include "os/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TEXT = 65536 };

/* Is word one of the comma-separated words of list (up to `end`)? */
static int has_word(const char *list, const char *end, const char *word) {
  size_t n = strlen(word);
  for (const char *p = list; p + n <= end; p++) {
    if (strncmp(p, word, n) == 0 && (p == list || p[-1] == ',') &&
        (p + n == end || p[n] == ','))
      return 1;
  }
  return 0;
}

static const char *line_end(const char *p) {
  const char *end = strchr(p, '\n');
  return end ? end : p + strlen(p);
}

/* A line is "id:controllers:path"; version 2 has id 0 and no controllers. */
static int path_in(const char *text, const char *controller, int version,
                   char *out, size_t room) {
  for (const char *p = text; *p != '\0';) {
    const char *end = line_end(p);
    const char *c = memchr(p, ':', (size_t)(end - p));
    const char *d = c ? memchr(c + 1, ':', (size_t)(end - c - 1)) : NULL;
    if (d == NULL)
      return 0;
    int match = version == 2 ? d == c + 1 : has_word(c + 1, d, controller);
    if (match && (size_t)(end - d) <= room) {
      memcpy(out, d + 1, (size_t)(end - d - 1));
      out[end - d - 1] = '\0';
      return 1;
    }
    p = *end ? end + 1 : end;
  }
  return 0;
}

/* A line is "id parent dev root point options - type source superoptions". */
static int mount_in(char *text, const char *controller, int version,
                    char *root, char *point) {
  char type[64], super[512];
  for (char *p = text; *p != '\0';) {
    char *end = p + (line_end(p) - p);
    char last = *end;
    *end = '\0';
    char *dash = strstr(p, " - ");
    int good = dash != NULL &&
               sscanf(p, "%*s %*s %*s %511s %511s", root, point) == 2 &&
               sscanf(dash, " - %63s %*s %511s", type, super) == 2;
    if (good && version == 2 && strcmp(type, "cgroup2") == 0)
      return 1;
    if (good && version == 1 && strcmp(type, "cgroup") == 0 &&
        has_word(super, super + strlen(super), controller))
      return 1;
    *end = last;
    p = last ? end + 1 : end;
  }
  return 0;
}

static int join(struct mp_cgroup *g, const char *root, const char *point,
                const char *path) {
  size_t n = strlen(root);
  if (strcmp(root, "/") == 0)
    n = 0;
  const char *below = strncmp(path, root, n) == 0 ? path + n : "";
  if (strcmp(below, "/") == 0 || strstr(below, "..") != NULL)
    below = "";
  int len = snprintf(g->dir, sizeof g->dir, "%s%s", point, below);
  if (len < 0 || (size_t)len >= sizeof g->dir)
    return -ENAMETOOLONG;
  g->root = strlen(point);
  if (access(g->dir, F_OK) != 0)
    g->dir[g->root] = '\0';
  return 0;
}

static int find(const char *controller, int version, struct mp_cgroup *out) {
  static const char *const own = "/proc/self/cgroup";
  char text[TEXT], path[512], root[512], point[512];
  if (mp_text_read(own, text, sizeof text) < 0 ||
      !path_in(text, controller, version, path, sizeof path))
    return -ENOENT;
  if (mp_text_read("/proc/self/mountinfo", text, sizeof text) < 0 ||
      !mount_in(text, controller, version, root, point))
    return -ENOENT;
  out->version = version;
  return join(out, root, point, path);
}

int mp_cgroup_find(const char *controller, struct mp_cgroup *out) {
  int rc = find(controller, 1, out);
  return rc < 0 ? find(controller, 2, out) : rc;
}

int mp_cgroup_up(struct mp_cgroup *g) {
  size_t len = strlen(g->dir);
  if (len <= g->root)
    return 0;
  char *slash = strrchr(g->dir + g->root, '/');
  if (slash == NULL)
    return 0;
  *slash = '\0';
  return 1;
}

int mp_cgroup_read(const struct mp_cgroup *g, const char *name, char *buf,
                   size_t room) {
  char path[1200];
  snprintf(path, sizeof path, "%s/%s", g->dir, name);
  return mp_text_read(path, buf, room);
}
