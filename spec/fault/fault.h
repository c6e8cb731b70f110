/*
** fault.h: what the failing calls and those who order them have in common
** MIT licence, see LICENSE
**
** One block of memory, mapped by every process of the family under test and
** by who drives it: the order (which kinds of calls are counted, in whom,
** which one fails), the count, and what has failed last.  Its file is named
** by MPLUA_FAULT in the environment.
*/

#ifndef MP_SPEC_FAULT_H
#define MP_SPEC_FAULT_H

#include <stdatomic.h>
#include <stdint.h>

/* kinds of calls */
enum { FAULT_MEMORY = 1, FAULT_SYSTEM = 2 };
/* whose calls are counted */
enum { FAULT_ALL, FAULT_OWNER, FAULT_OTHERS };

struct fault_control {
  _Atomic uint32_t kinds; /* 0: nothing is counted, nothing fails */
  _Atomic uint32_t who;
  _Atomic int32_t owner; /* a pid */
  _Atomic uint32_t trace; /* print the stack of what fails */
  _Atomic uint64_t first; /* calls first to last fail, counted from 1 */
  _Atomic uint64_t last;
  _Atomic uint64_t seen;
  _Atomic uint64_t failed;
  char what[32]; /* the call that failed last */
};

/* NULL where MPLUA_FAULT names no such file. */
struct fault_control *fault_attach(void);

/* Blocks of malloc that this process has; 0 when it is not preloaded. */
long fault_live(void);

/* Prints where Lua is to stderr, without taking memory; NULL: cannot. */
extern void (*fault_show_lua)(void);

#endif
