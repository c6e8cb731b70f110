/*
** auth.h: the handshake of a listener and its client
** MIT licence, see LICENSE
**
** Lines of text, so that a client in any language can write them:
**
**   listener   mplua 1 FORMAT WANTS CODE NONCE
**   client     mplua 1 FORMAT NONCE PROOF
**   listener   ok PROOF         or:   no REASON
**
** FORMAT is "frames" or "json", WANTS "key" or "open", CODE "code" or "data", a
** NONCE 64 hexadecimal digits of randomness.  With key K = SHA-256(authkey) the
** client's PROOF is HMAC-SHA256(K, "client" + the listener's line + its own
** NONCE), the listener's is HMAC-SHA256(K, "listener" + both first lines), both
** in hexadecimal, compared in constant time; without a key they are "-".  A
** client that has a key where the listener wants none says "?": both refuse.
**
** A peer never waits: it is a state machine that is stepped when its socket
** is ready, so that a listener serves any number of them at once.
*/

#ifndef MP_CHAN_AUTH_H
#define MP_CHAN_AUTH_H

#include <stddef.h>
#include <stdint.h>

enum { MP_LINE = 320, MP_NONCE = 64, MP_PEER_NAME = 128 };

/* What one side is and demands. */
struct mp_terms {
  int json;    /* lines instead of frames */
  int has_key;
  int code;    /* listener: code may pass */
  unsigned char key[32]; /* SHA-256 of the authkey */
};

int mp_terms_set_key(struct mp_terms *t, const void *key, unsigned long long n);

enum mp_peer_state {
  MP_PEER_NONE,       /* a free place */
  MP_PEER_CONNECTING, /* client */
  MP_PEER_HELLO,      /* client: waits for the first line */
  MP_PEER_ANSWER,     /* listener: waits for the client's line */
  MP_PEER_VERDICT,    /* client: waits for ok or no */
  MP_PEER_REFUSED,    /* listener: has the refusal to send */
  MP_PEER_DONE
};

struct mp_peer {
  enum mp_peer_state state;
  int fd;
  int64_t deadline;
  int code; /* agreed */
  char name[MP_PEER_NAME];
  char nonce[MP_NONCE + 1];
  char first[MP_LINE];  /* the listener's first line */
  char second[MP_LINE]; /* the client's */
  char out[MP_LINE];    /* being sent */
  uint32_t out_len, out_sent;
  char in[MP_LINE]; /* a line that is being received */
  size_t in_len;
};

/* Begins with a connected (listener) or connecting (client) socket. */
int mp_peer_greet(struct mp_peer *p, const struct mp_terms *t, int fd,
                  int64_t deadline);
void mp_peer_call(struct mp_peer *p, int fd, int64_t deadline);

/* What poll(2) is to wait for. */
short mp_peer_events(const struct mp_peer *p);

/*
** Does what can be done without waiting.  1: done, the fd is free to be used.
** 0: later.  MP_EAUTH: the other one does not know the key; MP_ECORRUPT: it
** does not speak this protocol or another format; MP_EEOF; a negative errno.
** After an error the fd is the caller's to close.
*/
int mp_peer_step(struct mp_peer *p, const struct mp_terms *t);

#endif
