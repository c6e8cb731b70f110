/*
** stats.c: how much of the arena is in use
** MIT licence, see LICENSE
*/

#include "os/map.h"
#include "shm/inner.h"

static void add_classes(struct mp_arena *a, struct mp_arena_stats *out) {
  for (uint32_t kind = 0; kind < MP_KINDS; kind++) {
    for (uint32_t i = 0; i < MP_CLASSES; i++) {
      uint64_t counts = mp_head(a)->classes[kind][i].counts;
      uint64_t n = counts & ((UINT64_C(1) << 48) - 1);
      out->blocks += n;
      out->used += n * mp_class_size(i);
    }
  }
}

static void subtract_tables(struct mp_arena *a, struct mp_arena_stats *out) {
  for (uint32_t i = 0; i < mp_head(a)->slot_top; i++) {
    const struct mp_slot *s = mp_slot_at(a, i);
    for (int k = 0; s->state != MP_FREE && k < MP_SEGS; k++) {
      if (s->seg[k] == 0)
        continue;
      out->blocks--;
      out->used -= mp_block_size(a, s->seg[k]);
    }
  }
}

void mp_arena_stats(struct mp_arena *a, struct mp_arena_stats *out) {
  const struct mp_head *h = mp_head(a);
  struct mp_arena_stats st = {0, 0, 0, 0};
  st.range = a->size;
  st.committed = mp_map_committed(a->fd);
  if (mp_enter(a) == 0) {
    st.blocks = h->run_blocks;
    st.used = h->run_chunks * MP_CHUNK;
    add_classes(a, &st);
    subtract_tables(a, &st);
    mp_leave(a);
  }
  *out = st;
}
