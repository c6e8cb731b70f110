/*
** seccomp.h: a list of the system calls that a process may still make
** MIT licence, see LICENSE
**
** Through libseccomp, which is loaded when it is first needed: a machine
** without it runs everything else.
*/

#ifndef MP_OS_SECCOMP_H
#define MP_OS_SECCOMP_H

/*
** From now on this process is killed (SIGSYS) by any system call but those
** that a Lua state without files needs (memory, time, descriptors that are
** open already, its own end) and those named in `more`, which ends with NULL
** and may be NULL.  Also sets no-new-privileges.
** 0; -ENOSYS: no libseccomp; -EINVAL: no such system call, *bad is its name;
** a negative errno.
*/
int mp_seccomp_allow_only(const char *const *more, const char **bad);

#endif
