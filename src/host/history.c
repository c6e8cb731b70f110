/*
** history.c: what was typed at the prompt, kept in a file
** MIT licence, see LICENSE
**
** Each entry is appended at once: neither a crash nor a second interpreter at
** the same file loses any.  A file that cannot be used is no error: there
** is history then for this session only.
*/

#include "host/history.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <readline/history.h>

enum { KEPT = 1000 }; /* entries */

static char *path; /* NULL: nothing is kept */

static char *find_path(void) {
  const char *own = getenv("MPLUA_HISTORY");
  const char *home = getenv("HOME");
  char *found = NULL;
  if (own != NULL)
    return own[0] != '\0' ? strdup(own) : NULL;
  if (home == NULL || home[0] == '\0' ||
      asprintf(&found, "%s/.mplua_history", home) < 0)
    return NULL;
  return found;
}

/* Nobody else is to read what was typed. */
static int create_file(void) {
  int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  return fd < 0 ? -1 : close(fd);
}

void mp_history_init(void) {
  path = find_path();
  using_history();
  stifle_history(KEPT);
  history_comment_char = '#'; /* "#TIME" lines part entries of many lines */
  history_write_timestamps = 1;
  if (path != NULL)
    read_history(path);
}

static int is_blank(const char *text) {
  return text[strspn(text, " \t\n")] == '\0';
}

static int is_repeated(const char *text) {
  HIST_ENTRY *last =
    history_length > 0 ? history_get(history_base + history_length - 1) : NULL;
  return last != NULL && strcmp(last->line, text) == 0;
}

void mp_history_add(const char *text) {
  char when[32];
  if (is_blank(text) || is_repeated(text))
    return;
  snprintf(when, sizeof when, "#%lld", (long long)time(NULL));
  add_history(text);
  add_history_time(when);
  if (path != NULL && create_file() == 0)
    append_history(1, path);
}

void mp_history_fini(void) {
  if (path != NULL)
    history_truncate_file(path, KEPT);
  free(path);
  path = NULL;
}
