/*
** host.h: the standalone interpreter
** MIT licence, see LICENSE
**
** Behaves as PUC-Rio's `lua` 5.4 does; where it differs it says so here:
**   - an uncaught Ctrl-C ends it with exit code 130;
**   - Ctrl-C at the prompt gives a fresh prompt instead of ending it;
**   - uncaught conditions of multiprocessing are shown with a traceback;
**   - messages begin with the program's name without its folder;
**   - readline serves terminals only; elsewhere lines are read as they come.
*/

#ifndef MP_HOST_HOST_H
#define MP_HOST_HOST_H

/* Runs the interpreter as the command line says; returns the exit code. */
int mp_host_main(int argc, char **argv);

#endif
