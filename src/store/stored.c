/*
** stored.c: what a dict and a list keep: keys and values as bytes
** MIT licence, see LICENSE
*/

#include "store/stored.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/code.h"
#include "shm/object.h"
#include "shm/slot.h"

#define MIX UINT64_C(0x9E3779B97F4A7C15)

struct blob {
  struct mp_object head;
  uint64_t type;
  uint64_t size;
  uint32_t nrefs; /* words that may name an object */
  uint32_t at;    /* where the bytes begin, from refs on */
  mp_off refs[];
};

/* --- blobs ---------------------------------------------------------------- */

/* Repeatable: each reference goes in one step with its word. */
static void blob_destroy(struct mp_arena *a, mp_off off) {
  struct blob *b = mp_at(a, off);
  for (uint32_t i = 0; i < b->nrefs; i++)
    mp_object_drop_at(a, &b->refs[i]);
}

void mp_stored_setup(void) {
  mp_object_set_destroy(MP_T_BLOB, blob_destroy);
}

static void *blob_bytes(struct blob *b) {
  return (unsigned char *)b->refs + b->at;
}

/* With one handle, which is this process's. */
static int blob_new(struct mp_arena *a, const struct mp_value *v, mp_off *out,
                    uint32_t *handle) {
  uint64_t refs = (uint64_t)v->p.nrefs * sizeof(mp_off);
  if (v->p.size > a->size)
    return MP_ENOARENA;
  uint64_t size = sizeof(struct blob) + refs + v->p.size;
  int rc = mp_object_create(a, MP_T_BLOB, size, out, handle);
  if (rc < 0)
    return rc;
  struct blob *b = mp_at(a, *out);
  b->type = v->type;
  b->size = v->p.size;
  b->nrefs = v->p.nrefs;
  b->at = (uint32_t)refs;
  for (uint32_t i = 0; i < v->p.nrefs; i++)
    mp_object_take_at(a, &b->refs[i], v->p.refs[i]);
  v->p.fill(v->p.source, blob_bytes(b));
  return 0;
}

/* --- keys ----------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t w) {
  h = (h ^ w) * MIX;
  return h ^ h >> 29;
}

static uint64_t last_bytes(const unsigned char *p, size_t n) {
  uint64_t w = 0;
  memcpy(&w, p, n);
  return w;
}

uint32_t mp_key_hash(const struct mp_key *k) {
  const unsigned char *p = k->data;
  uint64_t w, h = mix(k->type, k->size);
  uint64_t n = k->size;
  for (; n >= sizeof w; n -= sizeof w, p += sizeof w) {
    memcpy(&w, p, sizeof w);
    h = mix(h, w);
  }
  if (n > 0)
    h = mix(h, last_bytes(p, n));
  h *= MIX;
  return (uint32_t)(h >> 32);
}

void mp_key_int(struct mp_key *k, int64_t i) {
  k->type = MP_S_INT;
  k->number.i = i;
  k->data = &k->number;
  k->size = sizeof i;
  k->hash = mp_key_hash(k);
}

void mp_key_string(struct mp_key *k, const void *s, size_t size) {
  k->type = MP_S_STRING;
  k->data = s;
  k->size = size;
  k->hash = mp_key_hash(k);
}

int mp_entry_has_key(const struct mp_entry *e, const struct mp_key *k) {
  return e->hash == k->hash && e->klen == k->size &&
         mp_shape_ktype(e->shape) == k->type &&
         memcmp(e->data, k->data, k->size) == 0;
}

/* --- values --------------------------------------------------------------- */

static void fill_plain(const void *source, void *dst) {
  const struct mp_value *v = source;
  memcpy(dst, v->data, v->p.size);
}

static void plain(struct mp_value *v, unsigned type, const void *data,
                  uint64_t size) {
  v->type = (uint8_t)type;
  v->data = data;
  v->p = (struct mp_parcel){.size = size, .fill = fill_plain, .source = v};
}

void mp_value_int(struct mp_value *v, int64_t i) {
  v->number.i = i;
  plain(v, MP_S_INT, &v->number, sizeof i);
}

void mp_value_float(struct mp_value *v, double d) {
  v->number.d = d;
  plain(v, MP_S_FLOAT, &v->number, sizeof d);
}

void mp_value_bool(struct mp_value *v, int yes) {
  plain(v, yes ? MP_S_TRUE : MP_S_FALSE, &v->number, 0);
}

void mp_value_string(struct mp_value *v, const void *s, size_t size) {
  plain(v, MP_S_STRING, s, size);
}

/* --- entries -------------------------------------------------------------- */

struct mp_entry *mp_entry_at(const struct mp_arena *a, uint64_t word) {
  mp_off block = mp_entry_block(word);
  return word & 1 ? mp_message_data(a, block) : mp_at(a, block);
}

static void set_key(struct mp_entry *e, const struct mp_key *k) {
  e->hash = k != NULL ? k->hash : 0;
  e->klen = k != NULL ? (uint32_t)k->size : 0;
  if (k != NULL && k->size > 0)
    memcpy(e->data, k->data, k->size);
}

static size_t head_size(const struct mp_key *k) {
  return sizeof(struct mp_entry) + (k != NULL ? mp_pad8(k->size) : 0);
}

static unsigned type_of(const struct mp_key *k) {
  return k != NULL ? k->type : 0;
}

static int short_entry(struct mp_arena *a, const struct mp_key *k,
                       const struct mp_value *v, uint64_t *word) {
  uint64_t room = v->p.size > 8 ? mp_pad8(v->p.size) : 8;
  mp_off off;
  int rc = mp_alloc(a, head_size(k) + room, &off);
  if (rc < 0)
    return rc;
  struct mp_entry *e = mp_at(a, off);
  set_key(e, k);
  e->shape = mp_shape(v->type, type_of(k), room / 8, v->p.size);
  v->p.fill(v->p.source, mp_entry_value(e));
  *word = off;
  return 0;
}

static int entry_of_blob(struct mp_arena *a, const struct mp_key *k,
                         mp_off blob, uint64_t *word) {
  mp_off off;
  int rc = mp_message_alloc(a, head_size(k) + sizeof blob, &blob, 1, &off);
  if (rc < 0)
    return rc;
  struct mp_entry *e = mp_message_data(a, off);
  set_key(e, k);
  e->shape = mp_shape(MP_S_BLOB, type_of(k), 1, sizeof blob);
  memcpy(mp_entry_value(e), &blob, sizeof blob);
  *word = off | 1;
  return 0;
}

static int long_entry(struct mp_arena *a, const struct mp_key *k,
                      const struct mp_value *v, uint64_t *word) {
  mp_off blob;
  uint32_t handle;
  int rc = blob_new(a, v, &blob, &handle);
  if (rc < 0)
    return rc;
  rc = entry_of_blob(a, k, blob, word);
  mp_object_detach(a, handle);
  return rc;
}

int mp_entry_new(struct mp_arena *a, const struct mp_key *k,
                 const struct mp_value *v, uint64_t *word) {
  return mp_value_is_long(v) ? long_entry(a, k, v, word)
                             : short_entry(a, k, v, word);
}

int mp_entry_overwrite(struct mp_arena *a, struct mp_guard *g,
                       struct mp_entry *e, const struct mp_value *v) {
  uint64_t room = mp_shape_room(e->shape), words = mp_pad8(v->p.size) / 8;
  uint64_t new[MP_S_IN_PLACE / 8];
  if (mp_value_is_long(v) || mp_shape_type(e->shape) == MP_S_BLOB ||
      v->p.size > MP_S_IN_PLACE || words > room || room > 2 * words + 4)
    return 0;
  if (words > 0)
    new[words - 1] = 0;
  v->p.fill(v->p.source, new);
  uint64_t *old = mp_entry_value(e);
  for (uint64_t i = 0; i < words; i++)
    if (old[i] != new[i])
      mp_set64(a, g, &old[i], new[i]);
  uint64_t shape =
      mp_shape(v->type, mp_shape_ktype(e->shape), room, v->p.size);
  if (e->shape != shape)
    mp_set64(a, g, &e->shape, shape);
  return 1;
}

/* --- reading -------------------------------------------------------------- */

static void see_blob(struct mp_arena *a, mp_off off, struct mp_got *got) {
  struct blob *b = mp_at(a, off);
  got->type = (uint8_t)b->type;
  got->size = b->size;
  got->bytes = blob_bytes(b);
}

static mp_off blob_of(struct mp_entry *e) {
  mp_off off;
  memcpy(&off, mp_entry_value(e), sizeof off);
  return off;
}

int mp_entry_get(struct mp_arena *a, struct mp_entry *e, struct mp_got *got) {
  got->attached = 0;
  got->type = (uint8_t)mp_shape_type(e->shape);
  if (got->type == MP_S_BLOB) {
    int rc = mp_object_attach(a, blob_of(e), &got->handle);
    got->attached = rc == 0;
    if (rc == 0)
      see_blob(a, blob_of(e), got);
    return rc;
  }
  got->size = mp_shape_size(e->shape);
  assert(got->size <= MP_S_SHORT);
  got->bytes = got->small;
  memcpy(got->small, mp_entry_value(e), got->size);
  return 0;
}

void mp_entry_peek(struct mp_arena *a, struct mp_entry *e,
                   struct mp_got *got) {
  got->type = (uint8_t)mp_shape_type(e->shape);
  got->size = mp_shape_size(e->shape);
  got->bytes = mp_entry_value(e);
  if (got->type == MP_S_BLOB)
    see_blob(a, blob_of(e), got);
  got->attached = 0;
}

void mp_got_done(struct mp_arena *a, struct mp_got *got) {
  if (got->attached)
    mp_object_detach(a, got->handle);
  got->attached = 0;
}

/* --- snapshots ------------------------------------------------------------ */

int mp_snapshot_add(struct mp_arena *a, struct mp_buf *b,
                    struct mp_entry *e) {
  size_t n = mp_snapshot_size(e);
  int rc = mp_buf_reserve(b, n);
  if (rc < 0)
    return rc;
  struct mp_entry *to = (struct mp_entry *)(void *)(b->data + b->len);
  memcpy(to, e, n);
  if (mp_shape_type(e->shape) == MP_S_BLOB)
    rc = mp_object_attach(a, blob_of(e), &to->hash);
  if (rc == 0)
    b->len += n;
  return rc;
}

int mp_snapshot_plain(struct mp_buf *b, unsigned type, const void *data,
                      uint64_t size) {
  struct mp_entry head = {.shape = mp_shape(type, 0, 0, size)};
  uint64_t pad = 0;
  int rc = mp_buf_reserve(b, mp_snapshot_size(&head));
  if (rc < 0)
    return rc;
  mp_buf_put(b, &head, sizeof head);
  mp_buf_put(b, data, size);
  return mp_buf_put(b, &pad, mp_pad8(size) - size);
}

void mp_snapshot_get(struct mp_arena *a, struct mp_entry *e,
                     struct mp_got *got) {
  int blob = mp_shape_type(e->shape) == MP_S_BLOB;
  mp_entry_peek(a, e, got);
  if (!blob)
    return;
  got->handle = e->hash;
  got->attached = 1;
  e->shape = mp_shape(MP_S_FALSE, mp_shape_ktype(e->shape), 0, sizeof(mp_off));
}

void mp_snapshot_free(struct mp_arena *a, struct mp_buf *b) {
  for (size_t at = 0; at < b->len;) {
    struct mp_entry *e = (struct mp_entry *)(void *)(b->data + at);
    if (mp_shape_type(e->shape) == MP_S_BLOB)
      mp_object_detach(a, e->hash);
    at += mp_snapshot_size(e);
  }
  mp_buf_fini(b);
}

/* --- changing ------------------------------------------------------------- */

int mp_change_enter(struct mp_arena *a, struct mp_lock *l,
                    struct mp_guard *g) {
  int rc = mp_guard_enter(a, g);
  if (rc < 0)
    return rc;
  if (!mp_lock_is_held(l) || mp_lock_is_mine(a, l))
    return 0;
  mp_guard_leave(a, g);
  return -EAGAIN;
}

int mp_trash_add(struct mp_arena *a, struct mp_guard *g, struct mp_trash *t,
                 mp_off block) {
  int rc = mp_hand_set(a, g, block);
  if (rc == 0) {
    assert(t->n < 4);
    t->block[t->n++] = block;
  }
  return rc;
}

void mp_trash_free(struct mp_arena *a, struct mp_trash *t) {
  for (int i = 0; i < t->n; i++)
    mp_free(a, t->block[i]);
  t->n = 0;
}
