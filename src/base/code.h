/*
** code.h: result codes
** MIT licence, see LICENSE
**
** A C function of mplua returns >= 0 on success or a negative code: either
** a negative errno, or one of the names below, which lie beyond any errno.
** Out-parameters are written on success only.
*/

#ifndef MP_BASE_CODE_H
#define MP_BASE_CODE_H

enum mp_code {
  MP_EEMPTY = -5001,     /* nothing to get */
  MP_EFULL = -5002,      /* no room to put */
  MP_ESHUTDOWN = -5003,  /* the queue was shut down */
  MP_EEOF = -5004,       /* the other end is closed everywhere */
  MP_ECLOSED = -5005,    /* this handle is closed */
  MP_ECORRUPT = -5006,   /* bytes or memory that no version of us wrote */
  MP_ETOOSHORT = -5007,  /* the message is longer than the caller allows */
  MP_EAUTH = -5008,      /* the peer does not know the key */
  MP_EBROKEN = -5009,    /* a broken barrier */
  MP_ENOTOWNER = -5010,  /* released by one who does not hold it */
  MP_ENOARENA = -5011,   /* the arena is full, or the machine is */
  MP_ENOSLOT = -5012,    /* too many processes in this family */
  MP_EPOISONED = -5013,  /* shared memory is damaged beyond repair */
  MP_ELOST = -5014       /* the process that should have answered is dead */
};

/* What a code means, for messages: never NULL, storage is static. */
const char *mp_code_text(int code);

#endif
