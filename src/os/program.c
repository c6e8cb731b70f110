/*
** program.c: the program that runs us, its directory and environment
** MIT licence, see LICENSE
*/

#include "os/program.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_target;

/* Its file was replaced, by an upgrade for example: the kernel then says "PATH
** (deleted)".  The link itself still leads to the program that runs. */
static int is_gone(const char *path, size_t n, size_t room) {
  static const char mark[] = " (deleted)";
  size_t len = sizeof mark - 1;
  return n > len && strcmp(path + n - len, mark) == 0 &&
         room > sizeof "/proc/self/exe" && access(path, F_OK) != 0;
}

int mp_self_program(char *out, size_t room) {
  ssize_t n = readlink("/proc/self/exe", out, room - 1);
  if (n < 0)
    return -errno;
  out[n] = '\0';
  if (is_gone(out, (size_t)n, room))
    strcpy(out, "/proc/self/exe");
  return 0;
}

int mp_self_library(char *out, size_t room) {
  Dl_info info;
  char program[4096];
  if (mp_self_program(program, sizeof program) < 0 ||
      dladdr((void *)&is_target, &info) == 0)
    return 0;
  char *path = realpath(info.dli_fname, NULL);
  if (path == NULL)
    return 0;
  int other = strcmp(path, program) != 0 && strlen(path) < room;
  if (other)
    strcpy(out, path);
  free(path);
  return other;
}

void mp_program_set_target(void) {
  is_target = 1;
}

int mp_program_is_target(void) {
  return is_target;
}

int mp_self_cwd(char *out, size_t room) {
  return getcwd(out, room) != NULL ? 0 : -errno;
}

int mp_self_chdir(const char *path) {
  return chdir(path) == 0 ? 0 : -errno;
}

const char *mp_self_environment(int i) {
  return environ == NULL ? NULL : environ[i];
}

void mp_self_clear_environment(void) {
  clearenv();
}

int mp_self_add_environment(const char *entry) {
  const char *eq = strchr(entry, '=');
  if (eq == NULL || eq == entry)
    return -EINVAL;
  char *name = strndup(entry, (size_t)(eq - entry));
  if (name == NULL)
    return -ENOMEM;
  int rc = setenv(name, eq + 1, 1) == 0 ? 0 : -errno;
  free(name);
  return rc;
}
