/*
** cells.c: Value and Array: numbers of a C type in the arena, with a lock
** MIT licence, see LICENSE
*/

#include "store/cells.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "sync/keep.h"

/* --- types ---------------------------------------------------------------- */

#define SIGNED(code, type, lo, hi) {code, sizeof(type), MP_INT, lo, hi}
#define UNSIGNED(code, type, hi) {code, sizeof(type), MP_UINT, 0, hi}

/* What a Lua integer cannot hold, L and Q do not hold. */
const struct mp_type mp_types[MP_TYPES] = {
    {'c', 1, MP_CHAR, 0, 255},
    SIGNED('b', int8_t, INT8_MIN, INT8_MAX),
    UNSIGNED('B', uint8_t, UINT8_MAX),
    SIGNED('h', int16_t, INT16_MIN, INT16_MAX),
    UNSIGNED('H', uint16_t, UINT16_MAX),
    SIGNED('i', int32_t, INT32_MIN, INT32_MAX),
    UNSIGNED('I', uint32_t, UINT32_MAX),
    SIGNED('l', int64_t, INT64_MIN, INT64_MAX),
    UNSIGNED('L', uint64_t, INT64_MAX),
    SIGNED('q', int64_t, INT64_MIN, INT64_MAX),
    UNSIGNED('Q', uint64_t, INT64_MAX),
    {'f', sizeof(float), MP_FLOAT, 0, 0},
    {'d', sizeof(double), MP_FLOAT, 0, 0},
};

int mp_type_index(char code) {
  for (int i = 0; i < MP_TYPES; i++) {
    if (mp_types[i].code == code)
      return i;
  }
  return -1;
}

/* --- birth and death ------------------------------------------------------ */

struct kept {
  mp_off lock; /* a message that refers to it */
  struct mp_guard guard;
};

static size_t data_size(const struct mp_type *t, uint64_t length) {
  return (size_t)((length * t->width + 7) / 8 * 8);
}

static struct kept *kept_of(struct mp_cells *c) {
  void *end = c->data + data_size(mp_cells_type(c), c->length);
  return end;
}

size_t mp_cells_size(int type, uint64_t length, int with_other) {
  if (length > UINT64_C(1) << 48)
    return 0;
  return offsetof(struct mp_cells, data) +
         data_size(mp_type_at(type), length) +
         (with_other ? sizeof(struct kept) : 0);
}

static void cells_destroy(struct mp_arena *a, mp_off off) {
  struct mp_cells *c = mp_at(a, off);
  if (c->other != 0)
    mp_keep_drop(a, &kept_of(c)->guard, &kept_of(c)->lock);
}

void mp_cells_setup(void) {
  mp_object_set_destroy(MP_T_VALUE, cells_destroy);
  mp_object_set_destroy(MP_T_ARRAY, cells_destroy);
}

int mp_cells_init(struct mp_arena *a, struct mp_cells *c, int type,
                  uint64_t length, int flags, mp_off other) {
  c->type = (uint8_t)type;
  c->flags = (uint8_t)flags;
  c->length = length;
  if (other == 0)
    return 0;
  struct kept *k = kept_of(c);
  int rc = mp_guard_init(&k->guard);
  c->other = other; /* from here on destroy looks at what is kept */
  return rc < 0 ? rc : mp_keep_set(a, &k->guard, &k->lock, other);
}

/* --- one cell ------------------------------------------------------------- */

#define LOAD(type, p) \
  atomic_load_explicit((const _Atomic type *)(p), memory_order_relaxed)

static uint64_t load_bits(const struct mp_type *t, const void *p) {
  switch (t->width) {
  case 1:
    return LOAD(uint8_t, p);
  case 2:
    return LOAD(uint16_t, p);
  case 4:
    return LOAD(uint32_t, p);
  default:
    return LOAD(uint64_t, p);
  }
}

static union mp_cell cell_of(const struct mp_type *t, uint64_t bits) {
  union mp_cell v = {.i = 0};
  if (t->class == MP_FLOAT && t->width == 4) {
    uint32_t half = (uint32_t)bits;
    float f;
    memcpy(&f, &half, sizeof f);
    v.d = (double)f;
  } else if (t->class == MP_INT && t->width < 8) {
    int shift = 64 - 8 * t->width; /* sign extension */
    v.i = (int64_t)(bits << shift) >> shift;
  } else {
    v.i = (int64_t)bits; /* of a double: the same bits */
  }
  return v;
}

static uint64_t bits_of(const struct mp_type *t, union mp_cell v) {
  if (t->class != MP_FLOAT || t->width == 8)
    return (uint64_t)v.i;
  float f = (float)v.d;
  uint32_t half;
  memcpy(&half, &f, sizeof half);
  return half;
}

union mp_cell mp_cell_load_narrow(const struct mp_type *t, const void *place) {
  return cell_of(t, load_bits(t, place));
}

#define STORE(type, p, v)                                    \
  atomic_store_explicit((_Atomic type *)(p), (type)(v),      \
                        memory_order_relaxed)

void mp_cell_store_narrow(const struct mp_type *t, void *place,
                          union mp_cell v) {
  uint64_t bits = bits_of(t, v);
  switch (t->width) {
  case 1:
    STORE(uint8_t, place, bits);
    break;
  case 2:
    STORE(uint16_t, place, bits);
    break;
  case 4:
    STORE(uint32_t, place, bits);
    break;
  default:
    STORE(uint64_t, place, bits);
    break;
  }
}

#define SWAP(type, p, old, new)                                             \
  atomic_compare_exchange_strong((_Atomic type *)(p), &(type){(type)(old)}, \
                                 (type)(new))

static int swap_bits(const struct mp_type *t, void *p, uint64_t old,
                     uint64_t new) {
  switch (t->width) {
  case 1:
    return SWAP(uint8_t, p, old, new);
  case 2:
    return SWAP(uint16_t, p, old, new);
  case 4:
    return SWAP(uint32_t, p, old, new);
  default:
    return SWAP(uint64_t, p, old, new);
  }
}

/* --- arithmetic ----------------------------------------------------------- */

int mp_cell_sum(const struct mp_type *t, union mp_cell v, union mp_cell n,
                union mp_cell *sum) {
  if (t->class == MP_FLOAT) {
    double d = v.d + n.d;
    if (t->width == 4 && isfinite(d) && !isfinite((float)d))
      return -ERANGE;
    sum->d = t->width == 4 ? (double)(float)d : d;
    return 0;
  }
  int64_t i;
  if (__builtin_add_overflow(v.i, n.i, &i) || !mp_cell_fits(t, i))
    return -ERANGE;
  sum->i = i;
  return 0;
}

int mp_cell_equal(const struct mp_type *t, union mp_cell x, union mp_cell y) {
  return t->class == MP_FLOAT ? x.d == y.d : x.i == y.i;
}

int mp_cell_add(const struct mp_type *t, void *place, union mp_cell n,
                union mp_cell *sum) {
  for (;;) {
    uint64_t bits = load_bits(t, place);
    int rc = mp_cell_sum(t, cell_of(t, bits), n, sum);
    if (rc < 0 || swap_bits(t, place, bits, bits_of(t, *sum)))
      return rc;
  }
}

/* Equal as numbers: 0.0 and -0.0 are two patterns of bits. */
int mp_cell_cas(const struct mp_type *t, void *place, union mp_cell old,
                union mp_cell new) {
  for (;;) {
    uint64_t bits = load_bits(t, place);
    if (!mp_cell_equal(t, cell_of(t, bits), old))
      return 0;
    if (swap_bits(t, place, bits, bits_of(t, new)))
      return 1;
  }
}
