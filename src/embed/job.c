/*
** job.c: what the newborn of a run is told
** MIT licence, see LICENSE
*/

#include "embed/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NO_STRING UINT64_MAX

struct head {
  uint32_t magic;
  uint32_t size; /* of this head */
  uint32_t flags;
  uint32_t nenvironment, nsyscalls; /* NO_LIST: none */
  double wall;
  uint64_t lua_memory;
  struct mp_limits limits;
};

enum { TEXTS = 6 };
#define NO_LIST UINT32_MAX

/* --- writing -------------------------------------------------------------- */

static int put_text(struct mp_buf *b, struct mp_text t) {
  uint64_t size = t.s != NULL ? t.size : NO_STRING;
  int rc = mp_buf_put(b, &size, sizeof size);
  if (rc < 0 || t.s == NULL)
    return rc;
  rc = mp_buf_put(b, t.s, t.size);
  return rc < 0 ? rc : mp_buf_put(b, "", 1);
}

static struct mp_text text(const char *s) {
  return (struct mp_text){s, s != NULL ? strlen(s) : 0};
}

static uint32_t length(const char *const *list) {
  uint32_t n = 0;
  if (list == NULL)
    return NO_LIST;
  while (list[n] != NULL)
    n++;
  return n;
}

static int put_list(struct mp_buf *b, const char *const *list) {
  int rc = 0;
  for (; rc >= 0 && list != NULL && *list != NULL; list++)
    rc = put_text(b, text(*list));
  return rc;
}

static int put_head(struct mp_buf *b, const mplua_run_options *o) {
  struct head h;
  memset(&h, 0, sizeof h);
  h.magic = MP_RUN_MAGIC;
  h.size = sizeof h;
  h.flags = o->flags;
  h.nenvironment = length(o->environment);
  h.nsyscalls = length(o->syscalls);
  h.wall = o->wall_seconds;
  h.lua_memory = o->lua_memory;
  h.limits.cpu = o->cpu_seconds;
  h.limits.address_space = o->address_space;
  h.limits.file_size = o->file_size;
  h.limits.fds = o->fds;
  h.limits.processes = o->processes;
  return mp_buf_put(b, &h, sizeof h);
}

int mp_job_write(const mplua_run_options *o, struct mp_text source,
                 struct mp_text args, struct mp_buf *b) {
  const struct mp_text texts[TEXTS] = {
      source, args, text(o->chunkname != NULL ? o->chunkname : "=script"),
      text(o->directory), text(o->path), text(o->cpath)};
  int rc = put_head(b, o);
  for (int i = 0; i < TEXTS && rc >= 0; i++)
    rc = put_text(b, texts[i]);
  if (rc >= 0)
    rc = put_list(b, o->environment);
  return rc < 0 ? rc : put_list(b, o->syscalls);
}

/* --- reading -------------------------------------------------------------- */

struct reader {
  const char *p, *end;
};

static int get_text(struct reader *r, struct mp_text *t) {
  uint64_t size;
  if ((size_t)(r->end - r->p) < sizeof size)
    return MPLUA_ECORRUPT;
  memcpy(&size, r->p, sizeof size);
  r->p += sizeof size;
  t->s = NULL;
  t->size = 0;
  if (size == NO_STRING)
    return 0;
  if (size >= (size_t)(r->end - r->p) || r->p[size] != '\0')
    return MPLUA_ECORRUPT;
  t->s = r->p;
  t->size = (size_t)size;
  r->p += size + 1;
  return 0;
}

static int get_list(struct reader *r, uint32_t n, const char ***out) {
  struct mp_text t;
  *out = NULL;
  if (n == NO_LIST)
    return 0;
  if (n > (size_t)(r->end - r->p) / sizeof(uint64_t))
    return MPLUA_ECORRUPT;
  *out = calloc((size_t)n + 1, sizeof **out);
  if (*out == NULL)
    return -ENOMEM;
  for (uint32_t i = 0; i < n; i++) {
    int rc = get_text(r, &t);
    if (rc < 0)
      return rc;
    (*out)[i] = t.s;
  }
  return 0;
}

int mp_job_read(struct mp_job *j, const void *data, size_t size) {
  struct head h;
  struct reader r = {data, (const char *)data + size};
  struct mp_text *texts[TEXTS] = {&j->source,    &j->args, &j->chunkname,
                                  &j->directory, &j->path, &j->cpath};
  if (size < sizeof h)
    return MPLUA_ECORRUPT;
  memcpy(&h, data, sizeof h);
  r.p += sizeof h;
  if (h.magic != MP_RUN_MAGIC || h.size != sizeof h)
    return MPLUA_ECORRUPT;
  j->flags = h.flags;
  j->wall = h.wall;
  j->lua_memory = h.lua_memory;
  j->limits = h.limits;
  int rc = 0;
  for (int i = 0; i < TEXTS && rc >= 0; i++)
    rc = get_text(&r, texts[i]);
  if (rc >= 0)
    rc = get_list(&r, h.nenvironment, &j->environment);
  return rc < 0 ? rc : get_list(&r, h.nsyscalls, &j->syscalls);
}
