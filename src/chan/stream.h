/*
** stream.h: whole messages over a byte stream
** MIT licence, see LICENSE
**
** Two framings: binary, a length of eight bytes (little endian) before each
** message; or lines, a message being what stands before a newline, for
** programs in other languages.
**
** The socket is nonblocking and is never read beyond the message, so that it
** is readable exactly while there is more to receive.  What an interrupted call
** had received or not yet sent is kept: the next call goes on from there.
** A length is checked against the limit before it is believed, and memory
** grows with what arrives, not with what is announced.
*/

#ifndef MP_CHAN_STREAM_H
#define MP_CHAN_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct mp_stream {
  int fd; /* -1: closed */
  int lines;
  uint64_t limit; /* bytes of one message */
  struct mp_buf in;  /* what has arrived of the message, length included */
  struct mp_buf out; /* what is being sent */
  size_t sent;       /* of out */
};

/* Takes the fd.  Zeroed memory is a closed stream. */
void mp_stream_open(struct mp_stream *s, int fd, int lines, uint64_t limit);
void mp_stream_close(struct mp_stream *s); /* idempotent */

/*
** Readies a message of `size` bytes: *room is where they are to be written.
** 0; -EMSGSIZE: longer than the limit; -ENOMEM; -EBUSY: an interrupted one is
** still being sent (mp_stream_flush).
*/
int mp_stream_ready(struct mp_stream *s, uint64_t size, unsigned char **room);

/* Sends what was readied.  0; MP_EEOF: nobody reads any more; -ETIMEDOUT;
** -EINTR; a negative errno. */
int mp_stream_flush(struct mp_stream *s, int64_t deadline);

/* Receives one message, which stays at *data until mp_stream_done.
** 0; MP_EEOF; -EMSGSIZE: announced longer than the limit (then the stream is
** of no use any more); -ETIMEDOUT; -EINTR; -ENOMEM... */
int mp_stream_recv(struct mp_stream *s, int64_t deadline, const void **data,
                   uint64_t *size);

void mp_stream_done(struct mp_stream *s);

/* Is there something to receive, or end of file?  1, 0, -EINTR. */
int mp_stream_poll(struct mp_stream *s, int64_t deadline);

/* Reads more of a line of at most `room` bytes, newline included, of which
** *have are there, without waiting and without reading beyond it.  Its
** length; 0: not there yet; MP_EEOF; MP_ECORRUPT: longer. */
int mp_line_recv(int fd, char *line, size_t room, size_t *have);

#endif
