/*
** wire.h: numbers as bytes, little endian
** MIT licence, see LICENSE
**
** Room is the caller's business.  On the machines that mplua runs on these
** compile to plain loads and stores.
*/

#ifndef MP_CODEC_WIRE_H
#define MP_CODEC_WIRE_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the wire format is little endian; byte swaps are not written yet"
#endif

enum { MP_VARINT_LONGEST = 10 };

static inline unsigned char *mp_put16(unsigned char *p, uint16_t v) {
  memcpy(p, &v, sizeof v);
  return p + sizeof v;
}

static inline unsigned char *mp_put32(unsigned char *p, uint32_t v) {
  memcpy(p, &v, sizeof v);
  return p + sizeof v;
}

static inline unsigned char *mp_put64(unsigned char *p, uint64_t v) {
  memcpy(p, &v, sizeof v);
  return p + sizeof v;
}

static inline uint16_t mp_get16(const unsigned char *p) {
  uint16_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

static inline uint32_t mp_get32(const unsigned char *p) {
  uint32_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

static inline uint64_t mp_get64(const unsigned char *p) {
  uint64_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

/* Seven bits a byte, the lowest first; the last byte has no high bit. */
static inline unsigned char *mp_put_varint(unsigned char *p, uint64_t v) {
  while (v >= 0x80) {
    *p++ = (unsigned char)(v | 0x80);
    v >>= 7;
  }
  *p++ = (unsigned char)v;
  return p;
}

/* The byte after the number, or NULL when it does not end before `end`. */
static inline const unsigned char *
mp_get_varint(const unsigned char *p, const unsigned char *end, uint64_t *out) {
  uint64_t v = 0;
  for (unsigned shift = 0; p < end && shift < 64; shift += 7) {
    unsigned char c = *p++;
    v |= (uint64_t)(c & 0x7F) << shift;
    if (c < 0x80) {
      *out = v;
      return p;
    }
  }
  return NULL;
}

#endif
