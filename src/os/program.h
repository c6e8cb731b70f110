/*
** program.h: the program that runs us, its directory and environment
** MIT licence, see LICENSE
*/

#ifndef MP_OS_PROGRAM_H
#define MP_OS_PROGRAM_H

#include <stddef.h>

/* The program that this process runs: absolute path into out, "/proc/self/exe"
** when its file is gone. 0 or -errno. */
int mp_self_program(char *out, size_t room);

/* The file that this code was loaded from: 1 with its absolute path when it is
** a library or a module, 0 when it is the program itself. */
int mp_self_library(char *out, size_t room);

/* Has the program's main said that it can be started as a child? */
void mp_program_set_target(void);
int mp_program_is_target(void);

int mp_self_cwd(char *out, size_t room); /* 0 or -errno */
int mp_self_chdir(const char *path);

const char *mp_self_environment(int i); /* "NAME=value", NULL past the end */
void mp_self_clear_environment(void);
int mp_self_add_environment(const char *entry); /* copies; 0 or -errno */

#endif
