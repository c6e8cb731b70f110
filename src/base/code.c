/*
** code.c: result codes in words
** MIT licence, see LICENSE
*/

#include "base/code.h"

#include <string.h>

static const char *own_text(int code) {
  switch (code) {
  case MP_EEMPTY:
    return "empty";
  case MP_EFULL:
    return "full";
  case MP_ESHUTDOWN:
    return "shut down";
  case MP_EEOF:
    return "end of file";
  case MP_ECLOSED:
    return "closed";
  case MP_ECORRUPT:
    return "damaged data";
  case MP_ETOOSHORT:
    return "message too long";
  case MP_EAUTH:
    return "authentication failed";
  case MP_EBROKEN:
    return "broken";
  case MP_ENOTOWNER:
    return "not the owner";
  case MP_ENOARENA:
    return "not enough shared memory";
  case MP_ENOSLOT:
    return "too many processes in this family";
  case MP_EPOISONED:
    return "shared memory is damaged";
  case MP_ELOST:
    return "the process is dead";
  default:
    return "unknown error";
  }
}

const char *mp_code_text(int code) {
  if (code >= 0)
    return "success";
  if (code > -4096)
    return strerrordesc_np(-code) ? strerrordesc_np(-code) : "unknown error";
  return own_text(code);
}
