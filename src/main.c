/*
** main.c: the program `mplua`, a standalone Lua 5.4 with multiprocessing
** MIT licence, see LICENSE
*/

#include "host/host.h"
#include "host/memory.h"
#include "mplua.h"

int main(int argc, char **argv) {
  mp_memory_tune(); /* children that are started afresh profit, too */
  mplua_child_entry(argc, argv);
  return mp_host_main(argc, argv);
}
