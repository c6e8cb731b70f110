/*
** pool.h: what a pool and its workers share
** MIT licence, see LICENSE
**
** A pool has one owner, who submits batches of items and collects results,
** and a fixed number of seats, each with at most one worker process.  Workers
** cut slices off the first batch in line, as large as they see fit, so that
** the owner need not be there for the work to go on.
**
**   pool --> line: slice -> slice -> slice      (each a range of a batch)
**        --> seats[i]: batch, from, to          what worker i has taken
**                      block                    its results, not handed in yet
**        --> results: block -> block            handed in, for the owner
**        --> taken:   block -> block            the owner is reading them
**        --> staged:  slice -> slice            not submitted yet
**        --> functions: block -> block          code that the batches name
**        --> spares:  block -> block            small ones to use again
**
** All links change under the pool's guard.  One item is done without it: the
** worker appends the result to its block and publishes it with one store of
** `count`; before it runs the next it stores `running`.  So whoever finds the
** worker dead can tell the items that are finished (their results are in the
** block), the one that it ran, and those that were not begun.
**
** Who may call what: the owner and the workers as the headings say.  Nothing
** here knows Lua; an item's bytes are the caller's.
*/

#ifndef MP_STORE_POOL_H
#define MP_STORE_POOL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/arena.h"
#include "shm/guard.h"
#include "shm/object.h"

/* Items [from, to) of a batch, in line. */
struct mp_pool_slice {
  uint64_t next;  /* place of the slice behind, 0: none */
  uint64_t batch; /* message block */
  uint64_t self;  /* the block to free; 0: it is a part of the batch */
  uint32_t from, to;
};

enum mp_pool_batch_flags {
  MP_POOL_ALL_RESULTS = 1, /* all results of the function, not the first */
  MP_POOL_PLAIN = 2        /* MP_POOL_SMALL bytes, no references */
};

/* Small batches and small blocks of results have one size: a worker makes its
** next block out of a batch that is done, the owner its next batch out of a
** block that it has read. */
enum { MP_POOL_SMALL = 512 };

/* The data of a message block. */
struct mp_pool_batch {
  struct mp_pool_slice whole; /* the slice that it is put in line with */
  uint64_t job;               /* the owner's number for it */
  uint64_t first;             /* the job's number of item 0 */
  uint64_t number;            /* the pool's number of item 0, for seeds */
  uint64_t function;          /* message block */
  uint64_t timeout;           /* nanoseconds an item may run; 0: any time */
  uint32_t holders;           /* slices and seats that refer to it */
  uint32_t count;             /* items */
  uint32_t chunk;             /* size of a slice; 0: as the workers see fit */
  uint32_t flags;
  uint32_t place[];           /* count + 1 offsets of items, from the start */
};

/* Results of consecutive items: the data of a message block.  Where it was a
** batch, `count` lies on its whole.self, which is 0. */
struct mp_pool_block {
  uint64_t next;
  uint64_t first; /* the job's number of the first item */
  _Atomic uint32_t count; /* finished items: publishes what is behind */
  uint32_t seat;
  uint64_t job;
  uint64_t used; /* bytes, this head included; the worker's alone */
  uint64_t room;
  uint32_t pid;
  uint32_t plain; /* MP_POOL_SMALL bytes, no references */
};

_Static_assert(offsetof(struct mp_pool_block, count) ==
                   offsetof(struct mp_pool_slice, self),
               "a batch that becomes a block is an empty one");

/* The code of a function: the data of a message block. */
struct mp_pool_function {
  uint64_t next;
  uint64_t id;   /* never used again: what workers know it by */
  uint64_t size; /* bytes that follow */
  uint64_t sets_globals; /* decoding it does: others' may be in force */
};

struct mp_pool_seat {
  _Alignas(64) uint64_t batch; /* being worked on; 0: none */
  uint64_t block;              /* its results */
  uint32_t from, to;  /* from: the first item that was not handed in */
  uint32_t idle;      /* enum mp_pool_idle; counted in the pool */
  /* below: written by the worker alone, but for condemned */
  _Atomic uint32_t ready;     /* its initializer has returned */
  _Atomic uint32_t running;   /* item of the batch, + 1; 0: none */
  _Atomic uint32_t held;      /* it does not run it: it found itself condemned */
  _Atomic uint32_t condemned; /* the owner's: begin nothing more */
  _Atomic uint32_t leaving;   /* it has had its share of tasks */
  _Atomic int64_t since;      /* when it began the item; timed batches only */
  _Atomic uint64_t tasks;     /* items run */
  _Atomic uint64_t busy;      /* nanoseconds in slices that are finished */
  _Atomic int64_t busy_since; /* 0: idle */
  _Atomic uint64_t memory;    /* bytes of Lua memory after the last slice */
};

enum mp_pool_idle { MP_POOL_WORKING, MP_POOL_SPINNING, MP_POOL_SLEEPING };

enum mp_pool_state { MP_POOL_OPEN, MP_POOL_CLOSED, MP_POOL_STOPPED };

struct mp_pool {
  struct mp_object object;
  struct mp_guard guard;
  uint64_t first, last;     /* the line */
  uint64_t staged, staged_last;
  uint64_t taken;
  uint64_t functions;
  uint64_t spares;
  uint64_t staged_items;
  uint32_t nspares; /* the owner's count */
  _Atomic uint64_t spinners; /* idle workers that look for work */
  _Atomic uint64_t sleepers; /* idle workers that must be woken */
  uint32_t nseats;
  /* what the two sides look at without the guard; each its own line */
  _Alignas(64) _Atomic uint64_t pending; /* items in line */
  _Atomic uint32_t event;   /* workers sleep on it */
  _Atomic uint32_t state;   /* enum mp_pool_state */
  _Alignas(64) _Atomic uint64_t results; /* handed in */
  uint64_t results_last;
  _Atomic uint32_t armed;   /* the owner sleeps, or will: ring its bell */
  struct mp_pool_seat seats[];
};

/* --- both sides: looking for a while before sleeping ---------------------- */

/*
** Waking a sleeper takes about 25 us, so for about that long a waiter looks
** first.  A round trip is over within the first looks; then it yields in
** between, for the other side may need this very processor.  A yield costs half
** a microsecond, and a time slice where all processors are busy: hence the
** bound in time.
*/
struct mp_pool_patience {
  int left;      /* looks */
  int yields_in; /* looks until the next yield */
  int64_t end;   /* 0: not known yet */
};

void mp_pool_patience_init(struct mp_pool_patience *t);
int mp_pool_run_out(struct mp_pool_patience *t);

/* After a look that found nothing: 1: look again. */
static inline int mp_pool_patient(struct mp_pool_patience *t) {
#if defined __x86_64__ || defined __i386__
  __builtin_ia32_pause(); /* the other side may be this core's second thread */
#endif
  return --t->yields_in > 0 ? 1 : !mp_pool_run_out(t);
}

/* Must come before the first pool of a process: tells how one is destroyed. */
void mp_pool_setup(void);

static inline size_t mp_pool_size(uint32_t seats) {
  return sizeof(struct mp_pool) + seats * sizeof(struct mp_pool_seat);
}

/* In the zeroed memory of a new object. */
int mp_pool_init(struct mp_pool *p, uint32_t seats);

/* --- the owner: work ------------------------------------------------------ */

/*
** A batch in the making: a message block in this process's hand, or the first
** of the spares (it is only taken from them when it is staged or submitted:
** do that before the next one is made).  Everything but whole and flags is to
** be filled, and place[]; flags may be added to.
*/
int mp_pool_batch_new(struct mp_arena *a, struct mp_pool *p, size_t size,
                      const mp_off *refs, uint32_t nrefs, mp_off *out);

/* Puts a filled batch aside (mp_pool_submit sends it with all others that are
** staged, or mp_pool_unstage drops them). */
int mp_pool_stage(struct mp_arena *a, struct mp_pool *p, mp_off batch);
/* All that is staged goes in line, in one step.  Wakes workers. */
int mp_pool_submit(struct mp_arena *a, struct mp_pool *p);
/* A filled batch goes in line at once (what is staged stays so). */
int mp_pool_submit_one(struct mp_arena *a, struct mp_pool *p, mp_off batch);
void mp_pool_unstage(struct mp_arena *a, struct mp_pool *p);

/* Before the owner sleeps: is there work and a sleeping worker?  Who should
** have taken it may have been stopped or killed. */
void mp_pool_nudge(struct mp_pool *p);

/* Drops the items of a job that are in line: no worker will see them.
** Their number in *out. */
int mp_pool_withdraw(struct mp_arena *a, struct mp_pool *p, uint64_t job,
                     uint64_t *out);

int mp_pool_function_add(struct mp_arena *a, struct mp_pool *p, size_t size,
                         const mp_off *refs, uint32_t nrefs, uint64_t id,
                         mp_off *out);
/* Fill the bytes between add and the first batch that names it. */
void *mp_pool_function_bytes(const struct mp_arena *a, mp_off function);
/* No batch may name it any more. */
int mp_pool_function_drop(struct mp_arena *a, struct mp_pool *p,
                          mp_off function);

/* No more work will come (CLOSED), or what there is does not matter
** (STOPPED): wakes all workers. */
void mp_pool_set_state(struct mp_pool *p, enum mp_pool_state state);

/* --- the owner: results --------------------------------------------------- */

static inline int mp_pool_has_results(struct mp_pool *p) {
  return atomic_load_explicit(&p->results, memory_order_relaxed) != 0;
}

/* All that was handed in becomes the owner's, behind what it has.  The first
** block in *out, 0 when there is none. */
int mp_pool_collect(struct mp_arena *a, struct mp_pool *p, mp_off *out);
/* The owner has read the first block: frees it; *next is the one behind. */
int mp_pool_consume(struct mp_arena *a, struct mp_pool *p, mp_off *next);

/* --- the owner: deaths ---------------------------------------------------- */

/* What a dead worker left. */
struct mp_pool_wreck {
  uint64_t job;
  uint64_t first; /* the job's number of the first item that has no result */
  uint32_t left;  /* how many have none; 0: it had no work */
  uint32_t ran;   /* 1: it died while it ran `first` */
};

/* Hands in what the dead worker of that seat had finished and tells the rest,
** which stays in the seat until mp_pool_requeue. */
int mp_pool_recover(struct mp_arena *a, struct mp_pool *p, uint32_t seat,
                    struct mp_pool_wreck *out);
/* The rest of a dead worker's items goes first in line, without the first
** `skip` of them; the seat is empty then. */
int mp_pool_requeue(struct mp_arena *a, struct mp_pool *p, uint32_t seat,
                    uint32_t skip);

/* What the worker of a seat is at. */
struct mp_pool_running {
  uint64_t job;
  uint64_t item;    /* the job's number of it */
  int64_t since;    /* when it began the item; timed batches only */
  uint64_t timeout; /* what it may take; 0: any time */
};

/* 1: it runs that item; -EAGAIN: it has a slice of that job, and is between
** two items (condemned, it stays there); 0: neither. */
int mp_pool_running(struct mp_arena *a, struct mp_pool *p, uint32_t seat,
                    struct mp_pool_running *out);
/* From here on that worker begins no further item; 0 lifts it. */
void mp_pool_condemn(struct mp_pool *p, uint32_t seat, int yes);

/* --- the worker ----------------------------------------------------------- */

/* The worker's own view of its seat; lives in its private memory. */
struct mp_pool_worker {
  struct mp_arena *arena;
  struct mp_pool *pool;
  struct mp_pool_seat *seat;
  struct mp_pool_batch *batch;
  struct mp_pool_block *block;
  uint32_t index;
  int bell;     /* descriptor to ring */
  int is_spare; /* another one spins for what comes */
};

void mp_pool_sit(struct mp_pool_worker *w, struct mp_arena *a,
                 struct mp_pool *p, uint32_t seat, int bell);

/* Waits for work or for the end: 1 work, 0 the end, -EINTR. */
int mp_pool_wait(struct mp_pool_worker *w);

/* Takes a slice: of the batch's own size if it has one, else at most `want`
** items and never so many that others would have none.  1, or 0: no work. */
int mp_pool_take(struct mp_pool_worker *w, uint32_t want);

/* Begins item i of the batch.  Does not return when condemned, unless the
** owner thinks better of it. */
void mp_pool_begin(struct mp_pool_worker *w, uint32_t i);

/* Room for an item's result of n bytes: hands in the block and takes another
** if need be.  NULL: the arena is full. */
void *mp_pool_room(struct mp_pool_worker *w, size_t n);
/* The same in a block of its own, in which references travel. */
void *mp_pool_room_refs(struct mp_pool_worker *w, size_t n, const mp_off *refs,
                        uint32_t nrefs);
/* n bytes of the room are the result of the item: published. */
void mp_pool_publish(struct mp_pool_worker *w, size_t n);

/* Hands in what is finished.  The owner is told. */
int mp_pool_flush(struct mp_pool_worker *w);
/*
** Hands in and gives up the slice (what was not run goes first in line), and
** takes the next in the same step, if there is one: `want` items of job `job`,
** one of another; 0: none.  1: there is a next slice.
*/
int mp_pool_next(struct mp_pool_worker *w, uint32_t want, uint64_t job);
/* Something that is no item's result (a failed initializer): one entry of
** job 0. */
int mp_pool_report(struct mp_pool_worker *w, const void *p, size_t n);

#endif
