/*
** auth.c: the handshake of a listener and its client
** MIT licence, see LICENSE
*/

#include "chan/auth.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/code.h"
#include "chan/stream.h"
#include "os/address.h"
#include "os/poll.h"

enum { PROOF = 64 };

static const char *format_of(const struct mp_terms *t) {
  return t->json ? "json" : "frames";
}

int mp_terms_set_key(struct mp_terms *t, const void *key,
                     unsigned long long n) {
  if (sodium_init() < 0)
    return -EIO;
  t->has_key = 1;
  return crypto_hash_sha256(t->key, key, n);
}

/* --- proofs --------------------------------------------------------------- */

static int make_nonce(char *hex) {
  unsigned char bytes[MP_NONCE / 2];
  if (sodium_init() < 0)
    return -EIO;
  randombytes_buf(bytes, sizeof(bytes));
  sodium_bin2hex(hex, MP_NONCE + 1, bytes, sizeof(bytes));
  return 0;
}

static void prove(const struct mp_terms *t, const char *who, const char *x,
                  const char *y, char *hex) {
  crypto_auth_hmacsha256_state state;
  unsigned char mac[crypto_auth_hmacsha256_BYTES];
  crypto_auth_hmacsha256_init(&state, t->key, sizeof(t->key));
  crypto_auth_hmacsha256_update(&state, (const void *)who, strlen(who));
  crypto_auth_hmacsha256_update(&state, (const void *)x, strlen(x));
  crypto_auth_hmacsha256_update(&state, (const void *)y, strlen(y));
  crypto_auth_hmacsha256_final(&state, mac);
  sodium_bin2hex(hex, PROOF + 1, mac, sizeof(mac));
}

static int proves(const struct mp_terms *t, const char *who, const char *x,
                  const char *y, const char *given) {
  char hex[PROOF + 1];
  prove(t, who, x, y, hex);
  return strlen(given) == PROOF && sodium_memcmp(hex, given, PROOF) == 0;
}

/* --- sending and receiving ------------------------------------------------ */

static int say(struct mp_peer *p, const char *line) {
  int n = snprintf(p->out, sizeof(p->out), "%s", line);
  p->out_len = (uint32_t)n;
  p->out_sent = 0;
  return 0;
}

/* 1: all is sent */
static int send_out(struct mp_peer *p) {
  while (p->out_sent < p->out_len) {
    ssize_t n = mp_sock_send(p->fd, p->out + p->out_sent,
                             p->out_len - p->out_sent);
    if (n < 0)
      return n == -EAGAIN ? 0 : MP_EEOF;
    p->out_sent += (uint32_t)n;
  }
  return 1;
}

/* 1: a line without its newline; no NUL in it */
static int hear(struct mp_peer *p, char *line) {
  int n = mp_line_recv(p->fd, p->in, MP_LINE - 1, &p->in_len);
  if (n <= 0)
    return n;
  p->in[n - 1] = '\0';
  p->in_len = 0;
  memcpy(line, p->in, (size_t)n);
  return strlen(line) == (size_t)n - 1 ? 1 : MP_ECORRUPT;
}

/* --- the listener --------------------------------------------------------- */

int mp_peer_greet(struct mp_peer *p, const struct mp_terms *t, int fd,
                  int64_t deadline) {
  int rc = make_nonce(p->nonce);
  if (rc < 0)
    return rc;
  p->fd = fd;
  p->deadline = deadline;
  p->code = t->code;
  p->in_len = 0;
  p->state = MP_PEER_ANSWER;
  snprintf(p->first, sizeof(p->first), "mplua 1 %s %s %s %s", format_of(t),
           t->has_key ? "key" : "open", t->code ? "code" : "data", p->nonce);
  p->out_len = (uint32_t)snprintf(p->out, sizeof(p->out), "%s\n", p->first);
  p->out_sent = 0;
  return 0;
}

static int refuse(struct mp_peer *p, const char *reason) {
  p->state = MP_PEER_REFUSED;
  return say(p, reason);
}

/* The client's line against ours. */
static int judge(struct mp_peer *p, const struct mp_terms *t) {
  char format[16], nonce[MP_NONCE + 2], proof[PROOF + 2], line[MP_LINE];
  if (sscanf(p->second, "mplua 1 %15s %65s %65s", format, nonce, proof) != 3 ||
      strlen(nonce) != MP_NONCE)
    return MP_ECORRUPT;
  if (strcmp(format, format_of(t)) != 0)
    return MP_ECORRUPT;
  if (t->has_key && !proves(t, "client", p->first, nonce, proof))
    return refuse(p, "no the key is wrong or missing\n");
  if (!t->has_key && strcmp(proof, "-") != 0)
    return refuse(p, "no this listener has no key\n");
  strcpy(proof, "-");
  if (t->has_key)
    prove(t, "listener", p->first, p->second, proof);
  snprintf(line, sizeof(line), "ok %s\n", proof);
  p->state = MP_PEER_DONE;
  return say(p, line);
}

static int step_listener(struct mp_peer *p, const struct mp_terms *t) {
  int rc = send_out(p);
  if (rc > 0 && p->state == MP_PEER_ANSWER) {
    rc = hear(p, p->second);
    if (rc <= 0)
      return rc;
    rc = judge(p, t);
    if (rc < 0)
      return rc;
    rc = send_out(p);
  }
  if (rc <= 0)
    return rc;
  return p->state == MP_PEER_DONE ? 1 : MP_EAUTH;
}

/* --- the client ----------------------------------------------------------- */

void mp_peer_call(struct mp_peer *p, int fd, int64_t deadline) {
  p->fd = fd;
  p->deadline = deadline;
  p->state = MP_PEER_CONNECTING;
  p->out_len = p->out_sent = 0;
  p->in_len = 0;
}

static int connected(struct mp_peer *p) {
  if (p->state != MP_PEER_CONNECTING)
    return 1;
  int rc = mp_poll_one(p->fd, POLLOUT, 0);
  if (rc <= 0)
    return rc == -EINTR ? 0 : rc;
  rc = mp_address_connected(p->fd);
  if (rc < 0)
    return rc;
  p->state = MP_PEER_HELLO;
  return 1;
}

/* The listener's line -> ours.  A key on one side only: both refuse. */
static int reply(struct mp_peer *p, const struct mp_terms *t) {
  char format[16], wants[8], code[8], nonce[MP_NONCE + 2];
  char proof[PROOF + 1] = "-";
  if (sscanf(p->first, "mplua 1 %15s %7s %7s %65s", format, wants, code,
             nonce) != 4 ||
      strcmp(format, format_of(t)) != 0)
    return MP_ECORRUPT;
  int rc = make_nonce(p->nonce);
  if (rc < 0)
    return rc;
  int wanted = strcmp(wants, "key") == 0;
  p->code = strcmp(code, "code") == 0;
  if (wanted && t->has_key)
    prove(t, "client", p->first, p->nonce, proof);
  else if (t->has_key)
    strcpy(proof, "?");
  snprintf(p->second, sizeof(p->second), "mplua 1 %s %s %s", format_of(t),
           p->nonce, proof);
  p->out_len =
      (uint32_t)snprintf(p->out, sizeof(p->out), "%s\n", p->second);
  p->out_sent = 0;
  p->state = MP_PEER_VERDICT;
  return 0;
}

static int check_verdict(struct mp_peer *p, const struct mp_terms *t,
                         const char *line) {
  if (strncmp(line, "ok ", 3) != 0)
    return strncmp(line, "no ", 3) == 0 ? MP_EAUTH : MP_ECORRUPT;
  if (t->has_key && !proves(t, "listener", p->first, p->second, line + 3))
    return MP_EAUTH;
  p->state = MP_PEER_DONE;
  return 1;
}

static int step_client(struct mp_peer *p, const struct mp_terms *t) {
  char line[MP_LINE];
  int rc = connected(p);
  if (rc > 0 && p->state == MP_PEER_HELLO) {
    rc = hear(p, p->first);
    if (rc > 0 && (rc = reply(p, t)) == 0)
      rc = 1;
  }
  if (rc <= 0 || (rc = send_out(p)) <= 0)
    return rc;
  rc = hear(p, line);
  return rc <= 0 ? rc : check_verdict(p, t, line);
}

/* --- both ----------------------------------------------------------------- */

short mp_peer_events(const struct mp_peer *p) {
  if (p->state == MP_PEER_CONNECTING || p->out_sent < p->out_len)
    return POLLOUT;
  return POLLIN;
}

int mp_peer_step(struct mp_peer *p, const struct mp_terms *t) {
  switch (p->state) {
  case MP_PEER_ANSWER:
  case MP_PEER_REFUSED:
    return step_listener(p, t);
  case MP_PEER_CONNECTING:
  case MP_PEER_HELLO:
  case MP_PEER_VERDICT:
    return step_client(p, t);
  case MP_PEER_DONE:
    return send_out(p);
  default:
    return MP_ECORRUPT;
  }
}
