/*
** nursery.c: where a newborn's first objects lie
** MIT licence, see LICENSE
**
** The free blocks of a heap that has lived for a while are strewn over all its
** pages, and each page that a forked child writes to is first copied: a dozen
** of them before the target has run.  A few fresh pages of the stack, which
** nobody else has seen, hold the same objects side by side.
**
**   room  [ block | block | freed, lost | block |      next -> free      ]
**
** Only the last block can grow or be given back; the others' room is lost, for
** the whole of it is worth four pages.
*/

#include "bind/nursery.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static size_t rounded(size_t size) {
  return (size + 15) & ~(size_t)15;
}

static int is_inside(const struct mp_nursery *n, const void *block) {
  return (uintptr_t)block - (uintptr_t)n->room < sizeof n->room;
}

static int has_room(const struct mp_nursery *n, const char *at, size_t size) {
  return size <= sizeof n->room - (size_t)(at - n->room);
}

static int is_last(const struct mp_nursery *n, const char *block, size_t size) {
  return block + rounded(size) == n->next;
}

static void *take(struct mp_nursery *n, size_t size) {
  char *block = n->next;
  if (!has_room(n, block, size))
    return n->alloc(n->ud, NULL, 0, size);
  n->next = block + rounded(size);
  return block;
}

/* Shrinking never moves: Lua relies on it not to fail. */
static void *resize(struct mp_nursery *n, char *block, size_t old,
                    size_t size) {
  if (is_last(n, block, old) && has_room(n, block, size)) {
    n->next = block + rounded(size);
    return size == 0 ? NULL : block;
  }
  if (size <= old)
    return size == 0 ? NULL : block;
  void *moved = take(n, size);
  if (moved != NULL)
    memcpy(moved, block, old);
  return moved;
}

static void *allocate(void *ud, void *block, size_t old, size_t size) {
  struct mp_nursery *n = ud;
  if (block == NULL)
    return size == 0 ? NULL : take(n, size);
  if (is_inside(n, block))
    return resize(n, block, old, size);
  return n->alloc(n->ud, block, old, size);
}

void mp_nursery_open(struct mp_nursery *n, lua_State *L) {
  n->alloc = lua_getallocf(L, &n->ud);
  n->next = n->room;
  lua_setallocf(L, allocate, n);
}
