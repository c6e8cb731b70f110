/*
** event_loop.c: a pool in a program with threads and an event loop of its own
** MIT licence, see LICENSE
**
** cc event_loop.c -o event_loop $(pkg-config --cflags --libs mplua) -pthread
**
** A thread produces requests and writes them into a pipe, as a network would.
** The main thread waits for requests and for results in one poll(2), and is
** never blocked by either.
*/

#include <mplua.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { REQUESTS = 40 };

/* What the workers begin with: a function that is called by its name. */
static const char initializer[] =
    "function largest_prime_below(n)\n"
    "  for p = n - 1, 2, -1 do\n"
    "    local prime = true\n"
    "    for d = 2, math.floor(math.sqrt(p)) do\n"
    "      if p % d == 0 then prime = false break end\n"
    "    end\n"
    "    if prime then return p end\n"
    "  end\n"
    "end";

struct state {
  mplua_pool *pool;
  int answered;
  int64_t sum;
};

static void *produce(void *arg) {
  int fd = *(int *)arg;
  for (int i = 1; i <= REQUESTS; i++) {
    int64_t n = 100000 + 1000 * i;
    if (write(fd, &n, sizeof n) != sizeof n)
      break;
  }
  close(fd);
  return NULL;
}

static void answered(void *data, const mplua_result *r) {
  struct state *s = data;
  int64_t prime = 0;
  if (r->code < 0)
    fprintf(stderr, "call %lld: %s\n", (long long)r->task, r->error);
  else if (mplua_get_integer(r->values, 1, &prime) == 0)
    s->sum += prime;
  s->answered++;
}

static void late(void *data, const mplua_result *r) {
  (void)data;
  printf("the endless call: %s\n", mplua_strerror(r->code));
}

static void submit(struct state *s, int64_t n) {
  struct mplua_error e;
  mplua_task task = {.callback = answered, .data = s};
  mplua_values *args = mplua_values_new();
  if (args == NULL || mplua_push_integer(args, n) < 0)
    return;
  if (mplua_pool_submit(s->pool, "largest_prime_below", args, &task, &e) < 0)
    fprintf(stderr, "%s\n", e.message);
  mplua_values_free(args);
}

/* The end of the pipe makes its descriptor -1, which poll(2) passes over. */
static void take_request(struct state *s, struct pollfd *p) {
  int64_t n;
  if (read(p->fd, &n, sizeof n) == sizeof n)
    submit(s, n);
  else
    p->fd = -1;
}

static void loop(struct state *s, int requests) {
  struct pollfd fds[2] = {
      {.fd = requests, .events = POLLIN},
      {.fd = mplua_pool_fileno(s->pool), .events = POLLIN}};
  while (fds[0].fd >= 0 || mplua_pool_pending(s->pool) > 0) {
    if (poll(fds, 2, -1) < 0)
      break;
    if (fds[0].revents != 0)
      take_request(s, &fds[0]);
    if (fds[1].revents != 0)
      mplua_pool_poll(s->pool, 0);
  }
}

int main(int argc, char **argv) {
  struct state s = {0};
  struct mplua_error e;
  int ends[2];
  pthread_t thread;
  mplua_pool_options o;
  mplua_child_entry(argc, argv);
  mplua_pool_options_init(&o);
  o.processes = 2;
  o.initializer = initializer;
  if (pipe(ends) != 0 ||
      pthread_create(&thread, NULL, produce, &ends[1]) != 0)
    return 1;
  if (mplua_pool_new(&s.pool, &o, &e) < 0) {
    fprintf(stderr, "%s\n", e.message);
    return 1;
  }
  mplua_task limited = {.callback = late, .timeout = 0.2};
  mplua_pool_submit_source(s.pool, "while true do end", NULL, &limited, &e);
  loop(&s, ends[0]);
  pthread_join(thread, NULL);
  close(ends[0]);
  mplua_pool_close(s.pool);
  mplua_pool_join(s.pool, -1);
  mplua_pool_free(s.pool);
  printf("%d answers, the sum is %lld\n", s.answered, (long long)s.sum);
  return s.answered == REQUESTS ? 0 : 1;
}
