/*
** address.c: where a listener is
** MIT licence, see LICENSE
*/

#include "os/address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/fd.h"

enum { KIND = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC };

/* --- text ----------------------------------------------------------------- */

/* The colon before the port, or NULL. */
static const char *port_of(const char *address) {
  const char *colon = strrchr(address, ':');
  if (colon == NULL || strchr(address, '/') != NULL || colon[1] == '\0')
    return NULL;
  return strspn(colon + 1, "0123456789") == strlen(colon + 1) ? colon : NULL;
}

int mp_address_is_tcp(const char *address) {
  return port_of(address) != NULL;
}

/* "host:port", "[::1]:port" -> host, port */
static int split(const char *address, char *host, size_t room,
                 const char **port) {
  const char *colon = port_of(address);
  size_t n = (size_t)(colon - address);
  if (n >= 2 && address[0] == '[' && address[n - 1] == ']') {
    address++;
    n -= 2;
  }
  if (n >= room)
    return -ENAMETOOLONG;
  memcpy(host, address, n);
  host[n] = '\0';
  *port = colon + 1;
  return 0;
}

static int lookup(const char *address, struct addrinfo **out) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                           .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};
  char host[256];
  const char *port;
  int rc = split(address, host, sizeof(host), &port);
  if (rc < 0)
    return rc;
  if (strlen(port) > 5 || atoi(port) > UINT16_MAX)
    return -EINVAL; /* getaddrinfo would take its lower bits */
  if (host[0] == '\0')
    hints.ai_flags |= AI_PASSIVE;
  rc = getaddrinfo(host[0] ? host : NULL, port, &hints, out);
  return rc != 0 ? -EINVAL : 0;
}

static int path_address(const char *path, struct sockaddr_un *sa) {
  size_t n = strlen(path);
  memset(sa, 0, sizeof(*sa));
  sa->sun_family = AF_UNIX;
  if (n == 0)
    return -EINVAL;
  if (strchr(path, ':') != NULL && strchr(path, '/') == NULL)
    return -EINVAL; /* "localhost:-1" is no file that anybody means */
  if (n >= sizeof(sa->sun_path))
    return -ENAMETOOLONG;
  memcpy(sa->sun_path, path, n);
  return 0;
}

static int open_socket(int family) {
  int fd = socket(family, KIND, 0);
  if (fd < 0)
    fd = -errno;
  return mp_fd_lift(fd);
}

static void set_option(int fd, int level, int name) {
  int on = 1;
  setsockopt(fd, level, name, &on, sizeof(on));
}

static int fail(int fd, int err) {
  mp_fd_close(fd);
  return -err;
}

static void set_number(int fd, int name, int n) {
  setsockopt(fd, IPPROTO_TCP, name, &n, sizeof(n));
}

/* A machine that is gone says nothing: after half a minute it is an error. */
static void keep_alive(int fd) {
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE);
  set_number(fd, TCP_KEEPIDLE, 15);
  set_number(fd, TCP_KEEPINTVL, 5);
  set_number(fd, TCP_KEEPCNT, 3);
}

/* --- listening ------------------------------------------------------------ */

static int listen_tcp(const char *address, int backlog) {
  struct addrinfo *ai;
  int rc = lookup(address, &ai);
  if (rc < 0)
    return rc;
  int fd = open_socket(ai->ai_family);
  if (fd >= 0) {
    set_option(fd, SOL_SOCKET, SO_REUSEADDR);
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, backlog) < 0)
      fd = fail(fd, errno);
  }
  freeaddrinfo(ai);
  return fd;
}

/* A socket file on which nobody listens, left behind by the dead. */
static int is_stale(const char *path, const struct sockaddr_un *sa) {
  struct stat st;
  if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
    return 0;
  int fd = open_socket(AF_UNIX);
  if (fd < 0)
    return 0;
  int refused = connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0 &&
                errno == ECONNREFUSED;
  mp_fd_close(fd);
  return refused;
}

/* The mode that a socket has before bind is the file's mode. */
static int bind_path(int fd, const char *path) {
  struct sockaddr_un sa;
  int rc = path_address(path, &sa);
  if (rc < 0)
    return rc;
  if (fchmod(fd, S_IRUSR | S_IWUSR) < 0)
    return -errno;
  for (int tries = 0; tries < 2; tries++) {
    if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0)
      return 0;
    rc = -errno;
    if (rc != -EADDRINUSE || !is_stale(path, &sa))
      return rc;
    unlink(path);
  }
  return rc;
}

static int listen_path(const char *path, int backlog) {
  int fd = open_socket(AF_UNIX);
  if (fd < 0)
    return fd;
  int rc = bind_path(fd, path);
  if (rc < 0)
    return fail(fd, -rc);
  return listen(fd, backlog) < 0 ? fail(fd, errno) : fd;
}

static int port_number(int fd) {
  struct sockaddr_storage sa;
  socklen_t len = sizeof(sa);
  if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
    return -errno;
  if (sa.ss_family == AF_INET6)
    return ntohs(((struct sockaddr_in6 *)&sa)->sin6_port);
  return ntohs(((struct sockaddr_in *)&sa)->sin_port);
}

int mp_address_listen(const char *address, int backlog, char *bound,
                      size_t room) {
  const char *port = port_of(address);
  int fd = port ? listen_tcp(address, backlog) : listen_path(address, backlog);
  if (fd < 0)
    return fd;
  if (port != NULL)
    snprintf(bound, room, "%.*s:%d", (int)(port - address), address,
             port_number(fd));
  else
    snprintf(bound, room, "%s", address);
  return fd;
}

/* --- accepting ------------------------------------------------------------ */

static void name_peer(const struct sockaddr_storage *sa, socklen_t len,
                      char *peer, size_t room) {
  char host[NI_MAXHOST], port[NI_MAXSERV];
  peer[0] = '\0';
  if (sa->ss_family == AF_UNIX ||
      getnameinfo((const struct sockaddr *)sa, len, host, sizeof(host), port,
                  sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return;
  const char *format = strchr(host, ':') ? "[%s]:%s" : "%s:%s";
  snprintf(peer, room, format, host, port);
}

int mp_address_accept(int fd, char *peer, size_t room) {
  struct sockaddr_storage sa;
  socklen_t len = sizeof(sa);
  int conn = accept4(fd, (struct sockaddr *)&sa, &len,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (conn < 0)
    return -errno;
  conn = mp_fd_lift(conn);
  if (conn >= 0) {
    name_peer(&sa, len, peer, room);
    set_option(conn, IPPROTO_TCP, TCP_NODELAY); /* no harm on a path */
    keep_alive(conn);
  }
  return conn;
}

int mp_address_is_own_user(int fd) {
  struct ucred who;
  socklen_t len = sizeof(who);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
    return 0;
  return who.uid == geteuid();
}

/* --- connecting ----------------------------------------------------------- */

static int start(int fd, const struct sockaddr *sa, socklen_t len) {
  if (connect(fd, sa, len) < 0 && errno != EINPROGRESS && errno != EINTR)
    return fail(fd, errno);
  return fd;
}

static int connect_tcp(const char *address) {
  struct addrinfo *ai;
  int rc = lookup(address, &ai);
  if (rc < 0)
    return rc;
  int fd = open_socket(ai->ai_family);
  if (fd >= 0) {
    set_option(fd, IPPROTO_TCP, TCP_NODELAY);
    keep_alive(fd);
    fd = start(fd, ai->ai_addr, ai->ai_addrlen);
  }
  freeaddrinfo(ai);
  return fd;
}

int mp_address_connect(const char *address) {
  struct sockaddr_un sa;
  if (mp_address_is_tcp(address))
    return connect_tcp(address);
  int rc = path_address(address, &sa);
  if (rc < 0)
    return rc;
  int fd = open_socket(AF_UNIX);
  return fd < 0 ? fd : start(fd, (struct sockaddr *)&sa, sizeof(sa));
}

int mp_address_connected(int fd) {
  int err = 0;
  socklen_t len = sizeof(err);
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
    return -errno;
  return -err;
}

/* --- the file of a path --------------------------------------------------- */

void mp_address_file(const char *path, struct mp_file_id *id) {
  struct stat st;
  id->dev = id->ino = 0;
  if (lstat(path, &st) < 0)
    return;
  id->dev = st.st_dev;
  id->ino = st.st_ino;
}

void mp_address_remove(const char *path, const struct mp_file_id *id) {
  struct mp_file_id now;
  mp_address_file(path, &now);
  if (id->ino != 0 && now.dev == id->dev && now.ino == id->ino)
    unlink(path);
}

/* --- bytes ---------------------------------------------------------------- */

ssize_t mp_sock_send(int fd, const void *p, size_t n) {
  ssize_t rc;
  do
    rc = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (rc < 0 && errno == EINTR);
  return rc < 0 ? -errno : rc;
}

ssize_t mp_sock_recv(int fd, void *p, size_t n, int peek) {
  ssize_t rc;
  do
    rc = recv(fd, p, n, MSG_DONTWAIT | (peek ? MSG_PEEK : 0));
  while (rc < 0 && errno == EINTR);
  return rc < 0 ? -errno : rc;
}

int mp_sock_is_stream(int fd) {
  int type;
  socklen_t size = sizeof(type);
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
    return -errno;
  return type == SOCK_STREAM ? 0 : -EPROTOTYPE;
}
